from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest

from jobs.gamedata.checks import child
from jobs.gamedata.checks.load import CheckFile, load_built_in, load_checks
from jobs.gamedata.checks.run import run_statistics
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared.errors import Stopped, StorageFull, TransientError
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore
from tests.forks import Forks

SETTINGS = ManifestSettings(dark_luma=7.0)
IMPORTS = """
    import os, signal, sys
    import polars as pl
    from jobs.gamedata.checks import statistics_check
"""
BEFORE = """
    @statistics_check("before", float)
    def before(session, settings):
        return session.duration_s / 7 + settings.dark_luma
"""
AFTER = """
    @statistics_check("after", str, also={"number": int}, vectorised=True, reads=("s3_key",))
    def after(table, settings):
        return {"after": table["s3_key"], "number": pl.int_range(len(table), eager=True) * 0 + 2**62 + 1}
"""
ENDINGS = {
    "os._exit(9)": "exit code 9",
    "os._exit(0)": "exit code 0",
    "os.kill(os.getpid(), signal.SIGSEGV)": "killed by SIGSEGV",
    "os.kill(os.getpid(), signal.SIGRTMIN + 3)": "killed by signal 37",
    "raise KeyboardInterrupt": "killed by SIGINT",
}


# The child's main function, in a fork: with the same file descriptors, and the job on standard input.
FORKED = """
import os, sys
from jobs.gamedata.checks import child_main

job, parent, *descriptors = sys.argv[1:]
for descriptor in map(int, descriptors):
    os.dup2(os.open(f"/proc/{parent}/fd/{descriptor}", os.O_RDWR), descriptor)
sys.stdin = open(job)
child_main.end_with_parent = lambda parent: None
sys.exit(child_main.main())
"""


@pytest.fixture(scope="module")
def forks():
    names = ("child_main", "child", "load", "run")
    built_in = ("empty", "inputs", "menu", "menu_share", "timestamps", "vision")
    with Forks.started(
        *(f"jobs.gamedata.checks.{name}" for name in names),
        *(f"jobs.gamedata.checks.built_in.{name}" for name in built_in),
        # With the job come the settings; all that one fork imports, each of them would: 0.13 s.
        *("jobs.gamedata.settings", "jobs.gamedata.parts.schema", "asyncio", "pandas", "pyarrow.pandas_compat"),
    ) as started:
        yield started


@pytest.fixture
def forked(forks, monkeypatch, tmp_path):
    """Fork processes for checks in 0.02 s; one that is started takes 0.6 s of processor time."""

    def run(job, descriptors):
        path = tmp_path / "job"
        path.write_bytes(job)
        arguments = (str(path), str(os.getpid()), *map(str, descriptors))
        return forks.start(FORKED, *arguments, env=os.environ, cwd=Path.cwd()).wait()

    monkeypatch.setattr(child, "_run", run)


def write(tmp_path, *texts, name="mine.py") -> CheckFile:
    path = tmp_path / name
    path.write_text("\n".join(map(textwrap.dedent, (IMPORTS, *texts))))
    return CheckFile.read(str(path))


def sessions(count):
    row = parts.gameplay()
    columns = [{**row, "s3_key": f"{number:05d}.tar", "duration_s": 600.0 + number} for number in range(count)]
    return pl.DataFrame(columns, schema=pl.from_arrow(PART_SCHEMA.empty_table()).schema)


def theirs(*files):
    ours = load_built_in().checks
    return [check for check in load_checks(files) if check.name not in ours]


def judge(count, *files, checks=None, settings=SETTINGS):
    table = sessions(count)
    found = child.run_in_child(files, checks or theirs(*files), table, settings)
    errors = {row: [error.message for error in of_row] for row, of_row in found.errors.items()}
    return {name: series.to_list() for name, series in found.values.items()}, errors


def survivors(count):
    return {
        "before": [(600.0 + number) / 7 + 7.0 for number in range(count)],
        "after": [f"{number:05d}.tar" for number in range(count)],
        "number": [2**62 + 1] * count,
    }


def row_check(line, *, when="True", vectorised=False):
    """A check that ends as the line says for the sessions of the condition."""
    if vectorised:
        return f"""
    @statistics_check("bad", int, vectorised=True)
    def bad(table, settings):
        for key in table["s3_key"]:
            if {when}:
                {line}
        return table["duration_s"].cast(pl.Int64)
"""
    return f"""
    @statistics_check("bad", int)
    def bad(session, settings):
        key = session.s3_key
        if {when}:
            {line}
        return int(session.duration_s)
"""


# A session behind others costs two processes, one at the start of what is left a single one.
@pytest.mark.parametrize(
    ("vectorised", "step", "lines"), [(False, 1, list(ENDINGS)), (True, 3, list(ENDINGS)[1:3])], ids=["rows", "columns"]
)
def test_a_check_that_ends_its_process_fails_on_those_sessions_only(forked, tmp_path, vectorised, step, lines):
    dying = {f"{step * number:05d}.tar": line for number, line in enumerate(lines)}
    bad = row_check(f"exec({dying!r}[key])", when=f"key in {sorted(dying)!r}", vectorised=vectorised)
    values, errors = judge(15, write(tmp_path, BEFORE, bad, AFTER))
    assert list(values) == ["before", "bad", "after", "number"]
    assert errors == {step * number: [f"bad: the process died ({ENDINGS[line]})"] for number, line in enumerate(lines)}
    assert values.pop("bad") == [None if number in errors else 600 + number for number in range(15)]
    assert values == survivors(15)


@pytest.mark.parametrize("vectorised", [False, True])
def test_sys_exit_is_an_exception_of_its_session(forked, tmp_path, vectorised):
    bad = row_check("sys.exit(3)", when="key == '00001.tar'", vectorised=vectorised)
    values, errors = judge(3, write(tmp_path, BEFORE, bad, AFTER))
    assert errors == {1: ["bad: SystemExit: 3"]}
    assert values == {**survivors(3), "bad": [600, None, 602]}


def test_a_check_that_always_ends_its_process_costs_a_limited_number_of_processes(forked, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "PROCESSES", 4)
    started = tmp_path / "started"
    count = f"""
    with open({str(started)!r}, "a") as file:
        file.write(".")
"""
    file = write(tmp_path, BEFORE, row_check("os._exit(9)"), AFTER, count)
    checks = theirs(file)
    started.unlink()
    values, errors = judge(200, file, checks=checks)
    # One for all checks, four for the bad one (whole, in 64 pieces, on the first and the second row), one for the rest.
    assert len(started.read_text()) == 1 + 4 + 1
    assert errors == {
        **{row: ["bad: the process died (exit code 9)"] for row in (0, 1)},
        **{
            row: ["bad: the process died on 2 earlier sessions (exit code 9); not run on this one"]
            for row in range(2, 200)
        },
    }
    assert values.pop("bad") == [None] * 200
    assert values == survivors(200)


def test_two_sessions_among_many_are_both_found(forked, tmp_path, monkeypatch):
    # As deep as 1,000 rows in 64 pieces, which take four times as long.
    monkeypatch.setattr(child, "_PIECES", 4)
    bad = row_check("os._exit(9)", when="key in ('00005.tar', '00014.tar')")
    values, errors = judge(16, write(tmp_path, BEFORE, bad))
    assert errors == {row: ["bad: the process died (exit code 9)"] for row in (5, 14)}
    assert values["bad"] == [None if row in (5, 14) else 600 + row for row in range(16)]
    assert values["before"] == survivors(16)["before"]


def test_a_session_is_not_blamed_for_a_death_that_earlier_ones_prepared(forked, tmp_path):
    """As one that fills the memory: each session is judged by a process that is still new."""
    third = """
    seen = []

    @statistics_check("bad", int)
    def bad(session, settings):
        seen.append(session)
        if len(seen) == 3:
            os._exit(9)
        return int(session.duration_s)
"""
    values, errors = judge(3, write(tmp_path, BEFORE, third))
    assert (values["bad"], errors) == ([600, 601, 602], {})


def test_a_death_in_one_file_leaves_the_others_checks(forked, tmp_path):
    bad = write(tmp_path, row_check("os._exit(9)", vectorised=True), name="bad.py")
    good = write(tmp_path, AFTER, BEFORE, name="good.py")
    values, errors = judge(2, bad, good)
    assert list(values) == ["bad", "after", "number", "before"]
    assert errors == {row: ["bad: the process died (exit code 9)"] for row in range(2)}
    assert values == {**survivors(2), "bad": [None, None]}


def test_a_check_that_dies_only_once_keeps_its_values(forked, tmp_path):
    mark = tmp_path / "mark"
    bad = row_check(
        f"open({str(mark)!r}, 'x').close(); os._exit(9)", when=f"not os.path.exists({str(mark)!r})", vectorised=True
    )
    values, errors = judge(3, write(tmp_path, BEFORE, bad, AFTER))
    assert errors == {}
    assert values == {**survivors(3), "bad": [600, 601, 602]}


def test_vectorised_checks_receive_the_columns_of_those_before_also_after_a_death(forked, tmp_path):
    later = """
    @statistics_check("later", int, vectorised=True)
    def later(table, settings):
        return table["number"] - table["bad"].fill_null(0)
"""
    bad = row_check("os._exit(9)", when="key == '00001.tar'", vectorised=True)
    values, errors = judge(2, write(tmp_path, AFTER, bad, later))
    assert list(errors) == [1]
    assert values["later"] == [2**62 + 1 - 600, 2**62 + 1]


def test_what_a_check_prints_is_shown_and_is_no_result(tmp_path, capfd):
    noisy = """
    import subprocess

    @statistics_check("noisy", str)
    def noisy(session, settings):
        print('{"kind": "done", "rows": []}')
        print("to standard error", file=sys.stderr)
        os.write(1, b"\\x00" * 64)
        subprocess.run(["echo", "a program"], check=True)
        return sys.stdin.read() + "end"
"""
    values, errors = judge(1, write(tmp_path, noisy, BEFORE))
    assert (values["noisy"], errors) == (["end"], {})
    assert values["before"] == survivors(1)["before"]
    shown = capfd.readouterr()
    assert '{"kind": "done", "rows": []}\n' in shown.out
    assert "a program\n" in shown.out
    assert "to standard error" in shown.err


def test_it_gives_what_the_steps_process_gives(tmp_path):
    raising = """
    @statistics_check("share", float, also={"text": str, "flag": bool})
    def share(session, settings):
        if session.s3_key == "00002.tar":
            raise ValueError("no such game")
        return {"share": float("inf"), "text": f"é\\u2028{session.frames.time_s[-1]}", "flag": session.inputs is None}

    @statistics_check("never", bool, vectorised=True)
    def never(table, settings):
        raise ValueError("never")
"""
    file = write(tmp_path, BEFORE, raising, AFTER)
    checks = theirs(file)
    here = run_statistics(checks, sessions(5), SETTINGS)
    there = child.run_in_child([file], checks, sessions(5), SETTINGS)
    assert list(there.values) == list(here.values)
    assert pl.DataFrame(list(there.values.values())).equals(pl.DataFrame(list(here.values.values())))
    assert [series.dtype for series in there.values.values()] == [series.dtype for series in here.values.values()]
    assert dict(there.errors) == {row: errors for row, errors in here.errors.items() if errors}
    assert "no such game" in there.errors[2][0].traceback


def test_a_check_sees_the_environment_and_the_folder_of_the_step(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_THRESHOLD", "4")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    text = """
    @statistics_check("seen", str)
    def seen(session, settings):
        return "|".join((os.environ["MY_THRESHOLD"], os.environ["PYTHONPATH"], os.getcwd()))
"""
    values, _ = judge(1, write(tmp_path, text))
    assert values["seen"] == [f"4|/somewhere|{Path.cwd()}"]


def test_modules_in_the_current_folder_are_not_imported(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("json", "polars", "numpy", "pickle"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path)!r} + '/imported', 'w')\nraise SystemExit(3)")
    monkeypatch.chdir(folder)
    values, errors = judge(2, write(tmp_path, row_check("pass")))
    assert not (tmp_path / "imported").exists()
    assert (values["bad"], errors) == ([600, 601], {})


def test_no_sessions_start_no_process(tmp_path, monkeypatch):
    file = write(tmp_path, BEFORE, AFTER)
    checks = theirs(file)
    monkeypatch.setattr(subprocess, "Popen", None)
    found = child.run_in_child([file], checks, sessions(0), SETTINGS)
    assert {name: series.dtype for name, series in found.values.items()} == {
        "before": pl.Float64, "after": pl.String, "number": pl.Int64,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("os._exit(4)", "the process died while it loaded the checks (exit code 4)"),
        ("del statistics_check", "NameError"),
        ("statistics_check = lambda *_, **__: lambda function: function", "no check is defined"),
    ],
)
def test_a_file_that_loads_only_once_fails_on_every_session(forked, tmp_path, line, message):
    mark = tmp_path / "mark"
    first = f"""
    if os.path.exists({str(mark)!r}):
        {line}
    open({str(mark)!r}, "w").close()
"""
    values, errors = judge(2, write(tmp_path, first, BEFORE))
    assert values == {"before": [None, None]}
    assert sorted(errors) == [0, 1]
    assert errors[0] == errors[1]
    assert errors[0][0].startswith("before: ")
    assert message in errors[0][0]


def test_a_signal_ends_the_process_and_those_it_started(tmp_path, monkeypatch):
    """A run is stopped while a check waits for a program of its own."""
    alive = tmp_path / "alive"
    slow = f"""
    import subprocess

    @statistics_check("slow", int)
    def slow(session, settings):
        program = subprocess.Popen(["sleep", "600"])
        with open({str(alive)!r} + ".new", "w") as file:
            file.write(f"{{os.getpid()}} {{program.pid}}")
        os.rename({str(alive)!r} + ".new", {str(alive)!r})
        return program.wait()
"""

    def stopped(process, job):
        process.stdin.write(job)
        process.stdin.close()
        while not alive.exists():
            time.sleep(0.02)
        raise Stopped(15)

    monkeypatch.setattr(subprocess.Popen, "communicate", stopped)
    with pytest.raises(Stopped):
        judge(1, write(tmp_path, slow))
    for pid in map(int, alive.read_text().split()):
        until = time.monotonic() + 20
        while running(pid):
            assert time.monotonic() < until, f"{pid} still runs"
            time.sleep(0.05)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_process_that_cannot_start_is_a_transient_error(tmp_path, monkeypatch):
    file = write(tmp_path, BEFORE)
    checks = theirs(file)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(TransientError, match=r"cannot start a process for --checks \(No such file"):
        judge(1, file, checks=checks)


def test_a_full_disk_is_named(monkeypatch):
    with Path("/dev/full").open("wb") as full:
        monkeypatch.setattr(child.tempfile, "TemporaryFile", lambda: full)
        with pytest.raises(StorageFull, match=r"cannot write the sessions for --checks to .*No space left.*TMPDIR"):
            child.run_in_child([], [], sessions(1), SETTINGS)


def test_the_manifest_is_written_without_the_check_that_died(forked, tmp_path):
    store = MemoryStore()
    parts.commit(store, *(parts.dark(f"{number}.tar", share=0.9) for number in range(3)), parts.error_row("x.tar"))
    bad = row_check("os._exit(9)", when="key == '1.tar'")
    reads_ours = """
    @statistics_check("twice", float, vectorised=True)
    def twice(table, settings):
        return table["dark_frame_share"] * 2
"""
    file = write(tmp_path, bad, reads_ours)
    settings = ManifestSettings(manifest_bucket="s3://memory", checks=(file.path,))
    table = manifest.build(store, settings, MemoryStageRun()).table
    assert table.schema.names[-2:] == ["bad", "twice"]
    rows = {row["s3_key"]: row for row in table.to_pylist()}
    assert [rows[f"{number}.tar"]["bad"] for number in range(3)] == [600, None, 600]
    assert [row["error_code"] for row in rows.values()] == [None, "check_failed", None, "moov_missing"]
    assert rows["1.tar"]["check_errors"] == ["bad: the process died (exit code 9)"]
    assert rows["1.tar"]["is_video_mostly_dark"] is True
    assert [rows[f"{number}.tar"]["twice"] for number in range(3)] == [
        rows[f"{number}.tar"]["dark_frame_share"] * 2 for number in range(3)
    ]
