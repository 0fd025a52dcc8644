"""Real commands over keys that are markup, escape sequences or forged lines, on a terminal and without one."""

from __future__ import annotations

import json
import os
import pty
import re
from contextlib import suppress

import pytest

from tests.cli import sample_tar
from tests.forked_cli import ForkedCli
from tests.postgres_server import postgres

__all__ = ["postgres"]

NAMES = (
    "x\\[/b].tar",
    "\\[red]x:skull:.tar",
    "[bold]y[/].tar",
    "a\x1b]0;title\x07\x1b[2J.tar",
    "b\x9b31m\u202egpj\u2066.tar",
    "c\u2028\u200b\n12:00:00 all is well\n{}.tar",
)
# What rich and our log lines write: colours, and a progress bar's cursor.
SGR = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A")
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u202e\u2066]")


def check(text: str) -> None:
    plain = SGR.sub("", text)
    assert not FORBIDDEN.search(plain), ascii(plain)
    assert not [line for line in plain.splitlines() if line.startswith(("12:00:00 all", "{}"))]


def on_a_terminal(cli: ForkedCli, *argv: str) -> tuple[int, str]:
    """Run a command whose three streams are a terminal."""
    outer, inner = pty.openpty()
    process = cli.start(*argv, env={"TERM": "xterm-256color", "COLUMNS": "200"}, terminal=os.ttyname(inner))
    os.close(inner)
    parts = []
    with suppress(OSError):  # Linux reports the end of a terminal as an error
        while part := os.read(outer, 65536):
            parts.append(part)
    os.close(outer)
    return process.wait(60), b"".join(parts).decode().replace("\r\n", "\n").replace("\r", "")


@pytest.fixture(scope="module")
def cli(postgres):
    with ForkedCli.on(postgres, {"TELECINE_GAMEDATA_WORKERS": "1"}) as made:
        folder = made.folder / "tars"
        folder.mkdir()
        for position, name in enumerate(NAMES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(sample_tar("gameplay", 3) if position < 2 else b"no TAR")
        yield made


ARGV = ("gamedata", "run", "--source-bucket", "./tars", "--manifest-bucket", "./out", "--output-path", "m.parquet")


def test_no_name_is_markup_or_an_escape(cli):
    done = cli(*ARGV)
    assert done.code in (0, 65), done.err
    check(done.out + done.err)
    assert all(json.loads(line) for line in done.err.splitlines() if line.startswith("{"))
    reports = sorted((cli.folder / ".telecine/reports").rglob("report.*"))
    assert {path.suffix for path in reports} == {".json", ".html"}
    for path in reports:
        # A line break in HTML is a space.
        check(path.read_text(encoding="utf-8").replace("\n", " "))
    code, text = on_a_terminal(cli, *ARGV)
    assert code in (0, 65), text
    assert r"\[red]x:skull:.tar" in text
    check(text)
    listed = cli("runs", "list").expect(0)
    run = listed.out.splitlines()[1].split()[0]
    for argv in (("runs", "list"), ("runs", "show", run), ("gamedata", "verify", *ARGV[4:6])):
        code, text = on_a_terminal(cli, *argv)
        assert code in (0, 65), text
        check(text)


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_is_an_escape_in_an_error(cli, name):
    for argv in (
        (name,),
        ("gamedata", name),
        ("runs", "list", name),
        ("runs", "list", f"--{name}"),
        ("runs", "list", "--help", f"--{name}"),
        ("runs", "list", "--limit", name),
    ):
        code, text = on_a_terminal(cli, *argv)
        assert code in (0, 2), text
        check(text)
