from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import shared.ledger
from shared.errors import ConfigurationError, Stopped
from shared.step import termination
from shared.step.execute import execute, execute_tool
from shared.step.guard import load
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.steps import STEP, TOOL

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def reports(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in folder.rglob("report.json")]


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_step_leaves_a_report_one_summary_line_and_its_view(tmp_path, capsys):
    assert execute(STEP, ["--report-dir", "out", "--run-id", "r1"]) == 0
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    assert document["pipeline"] == "fake"
    assert document["step"] == "go"
    assert document["run_id"] == "r1"
    assert document["status"] == "success"
    assert document["parameters"]["what"] == "fine"
    assert document["started_at"] <= document["finished_at"]
    assert "sections" not in document
    assert "<title>fake go: success</title>" in (tmp_path / "out" / "report.html").read_text()
    captured = capsys.readouterr()
    assert captured.out == f"1 section\nreport: {(tmp_path / 'out/report.html').as_uri()}\n"
    summaries = [line for line in lines(captured.err) if line["message"].startswith("fake go: success, 2 things")]
    assert len(summaries) == 1
    assert summaries[0]["run"] == "r1"
    assert summaries[0]["step"] == "fake go"
    assert summaries[0]["exit_code"] == 0


def test_the_report_lies_below_the_state_folder_by_default(tmp_path):
    assert execute(STEP, []) == 0
    (path,) = tmp_path.glob(".telecine/reports/*/report.html")
    assert path.parent.name == reports(tmp_path)[0]["run_id"]


@pytest.mark.parametrize("run_id", ["../../escaped", "/escaped", "a/../../../../escaped", "..", "a\x1b[2J", "{{=1}}"])
def test_an_invalid_run_id_names_no_folder(tmp_path, monkeypatch, capsys, run_id):
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    run_id = run_id.replace("/escaped", f"{tmp_path}/escaped") if run_id.startswith("/") else run_id
    assert execute(STEP, ["--run-id", run_id]) == 2
    assert [path for path in tmp_path.rglob("*") if path not in (place, place.parent)] == []
    assert "expected 1 to 128 letters" in capsys.readouterr().err


def test_a_pod_without_a_report_folder_writes_none_and_prints_no_view(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert execute(STEP, []) == 0
    assert reports(tmp_path) == []
    assert capsys.readouterr().out == ""


def test_the_steps_own_exit_code_counts():
    assert execute(STEP, ["--what", "partial"]) == 65


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("transient", (75, "failed", "s3://b/k answered 503; try again later")),
        ("usage", (2, "failed", "--task-list x: there is no such file")),
        ("bug", (70, "failed", "a bug in telecine")),
        ("extra", (78, "failed", "pip install 'telecine[gamedata]'")),
        ("sigint", (130, "cancelled", "stopped by SIGINT")),
        ("sigterm", (143, "interrupted", "stopped by SIGTERM")),
        ("interrupt", (130, "cancelled", "stopped by SIGINT")),
    ],
)
def test_whatever_ends_a_step_has_its_exit_code_and_a_report(tmp_path, capsys, what, expected):
    code, status, said = expected
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert execute(STEP, ["--what", what]) == code
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    (document,) = reports(tmp_path)
    assert (document["status"], document["exit_code"]) == (status, code)
    err = capsys.readouterr().err
    assert said in err
    assert "hush-hush" not in err + json.dumps(document)
    assert ("traceback" in lines(err)[-1]) == (what == "bug")


def test_expected_errors_have_a_traceback_at_debug_only(capsys):
    assert execute(STEP, ["--what", "transient", "--log-level", "DEBUG"]) == 75
    last = lines(capsys.readouterr().err)[-1]
    assert last["code"] == "store_unavailable"
    assert last["data"] == {"uri": "s3://b/k"}
    assert "StoreUnavailable" in last["traceback"]


def test_a_wrong_flag_is_plain_text_and_2(tmp_path, capsys):
    assert execute(STEP, ["--wath", "x"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("telecine fake go: unknown flag --wath; did you mean --what?")
    assert reports(tmp_path) == []


def test_help_is_0_and_runs_nothing(tmp_path, capsys):
    assert execute(STEP, ["--help"]) == 0
    assert "Usage: telecine fake go" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_log_file_that_cannot_be_opened_is_2(capsys):
    assert execute(STEP, ["--log-file", "/dev/null/x/y.log"]) == 2
    assert "--log-file /dev/null/x/y.log" in capsys.readouterr().err


def test_a_missing_extra_is_one_line_that_names_it(capsys):
    step = dataclasses.replace(STEP, run="polars.nothing:run")
    sys.modules["polars"], before = None, sys.modules.get("polars")
    try:
        assert execute(step, []) == 78
    finally:
        sys.modules.pop("polars")
        if before is not None:
            sys.modules["polars"] = before
    last = lines(capsys.readouterr().err)[-1]
    assert "pip install 'telecine[manifest]'" in last["message"]
    assert "traceback" not in last


def test_another_missing_module_is_a_bug():
    assert execute(dataclasses.replace(STEP, run="tests.fakes.not_there:run"), []) == 70


def test_a_report_that_cannot_be_written_raises_the_exit_code_but_loses_nothing_else(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert execute(STEP, ["--report-dir", "file/below"]) != 0
    captured = capsys.readouterr()
    assert "1 section" in captured.out
    assert "the report could not be written" in captured.err


class FakeLedger:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage_run = MemoryStageRun(run_id="ledger-run", stage="go")
        self.opened: dict = {}
        self.ended: BaseException | None = None
        self.refuses: Exception | None = None
        monkeypatch.setattr(shared.ledger, "open_stage", self.open_stage, raising=False)

    @contextmanager
    def open_stage(self, settings, **given):
        self.opened = given
        if self.refuses:
            raise self.refuses
        try:
            yield self.stage_run
        except BaseException as error:
            self.ended = error
            raise


@pytest.fixture
def ledger(monkeypatch):
    return FakeLedger(monkeypatch)


RECORDED = dataclasses.replace(STEP, stage=("go", 2))


def test_a_step_with_a_stage_is_recorded(ledger, tmp_path):
    assert execute(RECORDED, ["--what", "partial"]) == 65
    assert ledger.opened["pipeline"] == "fake"
    assert (ledger.opened["stage"], ledger.opened["order"]) == ("go", 2)
    assert ledger.opened["parameters"]["what"] == "partial"
    assert ledger.stage_run.report.status == "partial"
    assert ledger.stage_run.progress.finished
    assert [failure.item for failure in ledger.stage_run.errors] == ["thing"]
    assert reports(tmp_path)[0]["run_id"] == "ledger-run"


def test_a_database_lost_during_the_run_makes_it_75(ledger):
    ledger.stage_run.exit_code = 75
    assert execute(RECORDED, []) == 75


def test_the_ledger_sees_what_ended_the_step(ledger):
    assert execute(RECORDED, ["--what", "sigterm"]) == 143
    assert isinstance(ledger.ended, Stopped)


def test_a_ledger_that_cannot_be_opened_ends_the_step_with_a_report(ledger, tmp_path):
    ledger.refuses = ConfigurationError("TELECINE_DATABASE_URL is not set")
    assert execute(RECORDED, []) == 78
    assert reports(tmp_path)[0]["failures"][0]["message"] == "TELECINE_DATABASE_URL is not set"


def test_a_ledger_that_fails_at_the_end_keeps_what_the_step_counted(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger.stage_run, "finish", lambda report: 1 / 0, raising=False)
    assert execute(RECORDED, []) == 70
    (document,) = reports(tmp_path)
    assert document["status"] == "failed"
    assert document["counts"] == {"things": 2}


def test_a_tool_prints_what_its_function_returns(capsys):
    assert execute_tool(TOOL, []) == 0
    assert execute_tool(TOOL, ["--word", "bye"]) == 0
    assert capsys.readouterr().out == "hello\nbye\n"


SCRIPT = """
import sys
from shared.step.execute import execute
from tests.fakes.steps import STEP
sys.exit(execute(STEP, sys.argv[1:]))
"""


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "--what", "partial"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "BrokenPipe" not in done.stderr
    assert done.returncode == 65


def test_a_broken_pipe_inside_a_step_is_a_bug():
    assert execute(STEP, ["--what", "pipe"]) == 70


SECOND = """
import os, signal
from shared.step import guard
def body():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    finally:
        print("cleaning up", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
        print("never", flush=True)
raise SystemExit(guard.guarded(body))
"""


def test_a_second_signal_ends_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SECOND],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 130
    assert done.stdout == "cleaning up\n"


def test_the_last_word_of_a_step_names_the_first_of_what_failed(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(termination, "write", said.append)
    assert execute(STEP, ["--what", "partial"]) == 65
    (word,) = said
    assert word.startswith("fake go: partial, 2 things")
    assert word.endswith("; first thing: broken: it is broken")
    assert execute(STEP, []) == 0
    assert said == [word]


def test_the_last_word_of_a_diagnosis_is_what_failed(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(termination, "write", said.append)
    finding = "cluster\n  ok    b  fine\n  fail  a  is broken\n        -> fix it\n\n1 ok, 1 fail"
    monkeypatch.setattr("shared.step.guard.load", lambda name: load(name) if "Settings" in name else lambda _: answer)
    answer: object = (finding, 78)
    assert execute_tool(TOOL, []) == 78
    answer = ("all is well", 0)
    assert execute_tool(TOOL, []) == 0
    assert said == ["fail  a  is broken"]


@pytest.mark.parametrize("pod", [True, False])
def test_the_last_word_of_a_pod_is_why_it_ended(tmp_path, monkeypatch, pod):
    place = tmp_path / "termination-log"
    place.write_bytes(b"before, and longer than what comes" * 100)
    if pod:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    before = place.read_bytes()
    termination.write("no bucket at postgresql://me:a-password@host/db\n" + "x" * 5000, place)
    said = place.read_text()
    if pod:
        assert said.startswith("no bucket at postgresql://me:***@host/db\n")
        assert len(said) == 1000
    else:
        assert place.read_bytes() == before
    termination.write("nowhere to write", tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_variable_without_a_setting_is_named(monkeypatch, capsys):
    monkeypatch.setenv("TELECINE_FAKE_WHATS", "x")
    monkeypatch.setenv("TELECINE_FAKE_OTHERWISE", "y")
    monkeypatch.setenv("TELECINE_FAKE_WHAT", "fine")
    monkeypatch.setenv("TELECINE_GAMEDATA_WHATS", "x")
    assert execute(STEP, []) == 0
    told = [line["message"] for line in lines(capsys.readouterr().err) if line["level"] == "WARNING"]
    assert told == [
        "the variable TELECINE_FAKE_OTHERWISE is ignored, because no setting has it",
        "the variable TELECINE_FAKE_WHATS is ignored, because no setting has it; did you mean TELECINE_FAKE_WHAT?",
    ]


def warned(capsys):
    return [line["message"] for line in lines(capsys.readouterr().err) if line["level"] == "WARNING"]


@pytest.mark.parametrize("command", ["step", "tool"])
def test_a_misspelled_variable_of_every_command_is_named(monkeypatch, capsys, command):
    monkeypatch.setenv("TELECINE_LOG_LEVL", "DEBUG")
    monkeypatch.setenv("TELECINE_DATABSE_URL_FILE", "/run/url")
    monkeypatch.setenv("TELECINE_NAMESPACE", "fine")
    # Of a pipeline whose settings may not be imported, and of other programs.
    monkeypatch.setenv("TELECINE_OTHER_LEVEL", "x")
    monkeypatch.setenv("TELECINE_TEST_POSTGRES", "x")
    if command == "tool":
        monkeypatch.setattr("shared.step.guard.load", lambda name: load(name) if "Settings" in name else lambda _: "ok")
    assert (execute(STEP, []) if command == "step" else execute_tool(TOOL, [])) == 0
    expected = {"DATABSE_URL_FILE": "DATABASE_URL", "LOG_LEVL": "LOG_LEVEL"}
    assert warned(capsys) == [
        f"the variable TELECINE_{name} is ignored, because no setting has it; did you mean TELECINE_{near}?"
        for name, near in expected.items()
    ]


def test_a_variable_with_a_misspelled_pipeline_is_named(monkeypatch, capsys):
    monkeypatch.setenv("TELECINE_FAKES_WHAT", "x")
    assert execute(STEP, []) == 0
    assert warned(capsys) == [
        "the variable TELECINE_FAKES_WHAT is ignored, because no setting has it; did you mean TELECINE_FAKE_WHAT?"
    ]
