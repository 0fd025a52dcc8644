from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import logs
from shared.errors import UsageError
from shared.scrub import HIDDEN, scrub, scrub_data
from shared.text import clean_data

LOG = logging.getLogger("jobs.something")


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_are_json_where_nobody_looks(capsys):
    logs.configure("INFO")
    with logs.bind(run="r1", step="gamedata extract"), logs.bind(item="a.tar"):
        LOG.warning("found %d", 3, extra={"code": "odd", "data": {"n": 1}})
    (line,) = lines(capsys)
    assert line["ts"].endswith("Z")
    assert {key: line[key] for key in ("level", "message", "logger", "run", "step", "item", "code", "data")} == {
        "level": "WARNING",
        "message": "found 3",
        "logger": "jobs.something",
        "run": "r1",
        "step": "gamedata extract",
        "item": "a.tar",
        "code": "odd",
        "data": {"n": 1},
    }


def test_an_extra_cannot_replace_a_field_of_the_line(capsys):
    logs.configure("INFO")
    LOG.info("x", extra={"ts": "never", "level": "never"})
    (line,) = lines(capsys)
    assert "never" not in line.values()


def test_bindings_end_with_their_block():
    with logs.bind(run="a", item="x"):
        with logs.bind(item="y"):
            assert logs.bound() == {"run": "a", "item": "y"}
        assert logs.bound() == {"run": "a", "item": "x"}
    assert logs.bound() == {}


def test_the_processs_bindings_hold_in_other_threads():
    with logs.bind(run="a", process=True), logs.bind(item="mine"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(logs.bound).result() == {"run": "a"}
    assert logs.bound() == {}


@pytest.mark.parametrize(("level", "seen"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_levels(capsys, level, seen):
    logs.configure(level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        LOG.log(number, "x")
    assert len(lines(capsys)) == seen


def test_other_libraries_speak_from_warning_up(capsys):
    logs.configure("DEBUG")
    logging.getLogger("botocore.auth").debug("secret signature")
    logging.getLogger("botocore.auth").warning("slow")
    assert [line["message"] for line in lines(capsys)] == ["slow"]


def test_people_get_plain_lines(capsys):
    logs.configure("INFO", form="text")
    with logs.bind(item="a.tar"):
        LOG.info("done")
        LOG.error("a.tar is bad")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(" done [a.tar]")
    assert second.endswith(" ERROR a.tar is bad")


def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for variable, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", variable)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        logs.configure("INFO")
        LOG.warning("careful")
        assert ("\x1b[33m" in terminal.getvalue()) is coloured
        assert not terminal.getvalue().startswith("{")


def test_a_pod_gets_json_even_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert logs.is_human()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert not logs.is_human()


def test_the_chosen_format_wins_over_terminal_and_pod(monkeypatch, capsys):
    for terminal, form in ((True, "json"), (False, "text")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        logs.configure("INFO", form=form)
        LOG.info("here")
        assert capsys.readouterr().err.startswith("{") is (form == "json")


def test_the_log_file_gets_json_and_its_folder(tmp_path, capsys):
    path = tmp_path / "deep" / "run.log"
    logs.configure("INFO", str(path), form="text")
    LOG.info("to both")
    assert json.loads(path.read_text())["message"] == "to both"
    assert "to both" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(UsageError, match="--log-file"):
        logs.configure("INFO", str(tmp_path))


def test_configuring_again_replaces(capsys):
    logs.configure("INFO")
    logs.configure("INFO")
    LOG.info("once")
    assert len(lines(capsys)) == 1


def test_a_reader_that_goes_away_is_no_error(monkeypatch, capsys):
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    logs.configure("INFO")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Closed())
        LOG.info("nobody listens")
    assert capsys.readouterr().err == ""


def test_tracebacks_and_extras_are_scrubbed(capsys):
    logs.configure("INFO")
    try:
        int("postgresql://me:hush-hush@host/db")
    except ValueError:
        LOG.exception("failed", extra={"url": "s3://k:hush-hush@h/b", "data": {"password": "hush-hush", "n": [1.5]}})
    (line,) = lines(capsys)
    assert "hush-hush" not in json.dumps(line)
    assert "ValueError" in line["traceback"]
    assert line["data"] == {"password": "***", "n": [1.5]}


def test_odd_values_are_still_json():
    extra = {"nan": float("nan"), "path": object, "pair": (1, "a")}
    # Formatted here and not logged: pytest-xdist cannot send a captured lone surrogate to its controller.
    record = LOG.makeRecord(LOG.name, logging.INFO, __file__, 1, "name \udcff", (), None, extra=extra)
    line = json.loads(logs.JsonFormatter().format(record))
    assert line["message"] == "name \\udcff"
    assert line["nan"] is None
    assert line["pair"] == [1, "a"]


SECRET = "Zx9-hush+hush/42=="


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{SECRET.replace('/', '')}@host:5432/db failed",
        f"password={SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"aws_secret_access_key = {SECRET}",
        f"https://b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}&x=1",
        f"X-Amz-Security-Token: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"Authorization: {SECRET}",
        f"TRAKT_CLIENT_SECRET={SECRET}",
        f"api_key='{SECRET}'",
    ],
)
def test_secrets_are_taken_out(text):
    clean = scrub(text)
    assert "hush" not in clean
    assert "***" in clean


def test_access_key_ids_are_taken_out():
    assert scrub("key AKIAIOSFODNN7EXAMPLE is wrong") == "key *** is wrong"


def test_the_value_of_a_secret_variable_is_taken_out_wherever_it_stands(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert scrub(f"odd {SECRET} words") == "odd *** words"


@pytest.mark.parametrize("text", ["s3://bucket/key:1@2", "a@b.c", "3 tokens in 4 s", "http://host:9000/x", ""])
def test_other_text_stays(text):
    assert scrub(text) == text


WORDS = (
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "signature",
    "credential",
)
name_part = st.text("abcxyzABCXYZ019_.-", max_size=6)


def hidden_by(name):
    """The places in which a value under this name is hidden: a log line's text and members, and what is stored."""
    return (
        "value" not in scrub(f"{name}=value"),
        scrub_data({name: "value"}) == {name: HIDDEN},
        clean_data({name: "value"}) == {name: HIDDEN},
    )


@given(name_part, st.sampled_from([*WORDS, "authorization"]), st.booleans(), name_part)
def test_text_logs_and_stored_data_hide_the_same_secret_names(before, word, upper, after):
    # In text, `authorization` counts as a name only when nothing precedes or follows it.
    name = word if word == "authorization" else f"{before}{word}{after}"
    assert all(hidden_by(name.upper() if upper else name))


@given(st.text("abcdefgh0123_.- /", max_size=20))
def test_text_logs_and_stored_data_show_the_same_plain_names(name):
    assert not any(hidden_by(f"x{name}"))


@given(st.text(max_size=300))
def test_scrubbing_twice_changes_nothing_more(text):
    assert scrub(scrub(text)) == scrub(text)


HOSTILE = "x\x1b]0;title\x07\x1b[2J\x9b31m\u202egpj.exe\u2028\u2066.tar"


@pytest.mark.parametrize("colour", [True, False])
def test_a_name_cannot_move_the_cursor_or_forge_a_line(colour):
    record = logging.LogRecord("jobs.x", logging.ERROR, "", 0, "bad %s", (f"{HOSTILE}\n12:00:00 all is well",), None)
    text = logs.HumanFormatter(colour=colour).format(record)
    own = text.replace("\x1b[2m", "").replace("\x1b[0m", "").replace("\x1b[31m", "")
    assert own.replace("\n", "").isprintable()
    assert not [line for line in own.splitlines()[1:] if not line.startswith("    ")]
    assert r"\x1b]0;title" in own


def test_a_json_line_has_no_raw_character_that_a_terminal_obeys():
    record = logging.LogRecord("jobs.x", logging.ERROR, "", 0, HOSTILE, (), None)
    line = logs.JsonFormatter().format(record)
    assert line.isprintable()
    assert json.loads(line)["message"] == HOSTILE


def test_other_types_and_misfit_arguments_are_scrubbed():
    extra = {"url": ValueError("postgresql://u:hush-hush@h/d")}
    record = LOG.makeRecord(LOG.name, logging.INFO, __file__, 1, "%d items", ("token=hush-hush",), None, extra=extra)
    for formatter in (logs.JsonFormatter(), logs.HumanFormatter(colour=False)):
        assert "hush" not in formatter.format(record)


def test_a_bug_before_logs_are_set_up_shows_no_secret():
    raising = "raise ValueError('postgresql://u:hush-' + 'hush@h/d')"
    code = f"from shared.step.guard import guarded\ndef f():\n  {raising}\nguarded(f)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "this is a bug" in done.stderr
    assert "hush-hush" not in done.stderr


class Unshowable:
    def __repr__(self) -> str:
        raise KeyError("postgresql://u:hush-hush@h/d \x1b[2J")


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("message", "arguments", "extra"),
    [
        ("postgresql://u:hush-hush@h/d \x1b[2J", (), {"data": nested(900)}),
        ("postgresql://u:hush-hush@h/d \x1b[2J", (), {"data": Unshowable()}),
        ("postgresql://u:hush-hush@h/d \x1b[2J %s", (Unshowable(),), {}),
        ("postgresql://u:hush-hush@h/d \x1b[2J %(x)s", ({"y": "token=hush-hush"},), {}),
    ],
)
def test_a_line_that_cannot_be_formatted_ends_nothing_and_shows_no_secret(capsys, form, message, arguments, extra):
    logs.configure("INFO", form=form)
    # Handled by ours alone: pytest's own handler raises such errors.
    (handler,) = [each for each in logging.getLogger().handlers if isinstance(each, logs._StderrHandler)]
    handler.handle(LOG.makeRecord(LOG.name, logging.WARNING, __file__, 1, message, arguments, None, extra=extra))
    shown = capsys.readouterr().err
    assert "WARNING" in shown
    assert "hush" not in shown
    assert "\x1b[2J" not in shown
    assert "Logging error" not in shown


def test_a_stream_that_fails_is_told_without_the_line(monkeypatch, capsys):
    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith("{"):
                raise ValueError("postgresql://u:hush-hush@h/d")
            return super().write(text)

    logs.configure("INFO")
    failing = Failing()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", failing)
        LOG.info("token=%s", "hush-hush")
    assert failing.getvalue() == "a log line could not be written: ValueError: postgresql://u:***@h/d\n"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(text)",
        "import threading\ndef f(): raise ValueError(text)\nt = threading.Thread(target=f)\nt.start()\nt.join()",
        "class A:\n  def __del__(self): raise ValueError(text)\na = A()\ndel a",
    ],
)
def test_what_nothing_catches_is_logged_without_secrets(code):
    begin = "from shared import logs\nlogs.configure()\ntext = 'postgresql://u:hush-' + 'hush@h/d \\x1b[2J'\n"
    done = subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=False)
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert line["level"] == "CRITICAL"
    assert "ValueError" in line["traceback"]
    assert "hush-hush" not in done.stderr
    assert "\x1b" not in done.stderr


def test_hooks_of_others_are_kept():
    hook = sys.excepthook
    try:
        sys.excepthook = print
        logs.configure("INFO")
        assert sys.excepthook is print
    finally:
        sys.excepthook = hook
