from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from jobs import cli
from jobs.cli import PIPELINES, TOOLS, commands, run
from shared.settings.flags import flags
from shared.step.contract import Step, Tool
from tests.fakes.steps import STEP, TOOL

EVERY = [command for group in (*PIPELINES, *TOOLS) for command in commands(group)]


def named(command: Step | Tool) -> str:
    return command.program


def test_help_lists_every_group(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for group in (*PIPELINES, *TOOLS):
        assert f"\n  {group} " in out


def test_without_a_command_the_help_goes_to_standard_error_and_it_is_2(capsys):
    assert run([]) == 2
    assert run(["db"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "upgrade" in captured.err


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"telecine {version('telecine')}\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gamdata"], ["unknown command 'gamdata'", "did you mean gamedata?", "runs"]),
        (["--hlep"], ["unknown flag '--hlep'", "did you mean --help?"]),
        (
            ["zzz"],
            ["unknown command 'zzz'", "Expected one of: " + ", ".join([*PIPELINES, *TOOLS, "--help", "--version"])],
        ),
        (["db", "upgrad"], ["telecine db", "did you mean upgrade?", "check, url"]),
        (["viewership", "reviw", "list"], ["did you mean review?"]),
        (["gamedata", "extrakt"], ["telecine gamedata", "did you mean extract?", "manifest"]),
    ],
)
def test_an_unknown_command_is_2_and_names_the_valid_ones(capsys, argv, said):
    assert run(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for words in said:
        assert words in captured.err


@pytest.mark.parametrize("group", [*PIPELINES, *TOOLS])
def test_a_groups_help_lists_its_commands(capsys, group):
    assert run([group, "--help"]) == 0
    out = capsys.readouterr().out
    for command in commands(group):
        assert f"\n  {command.name} " in out or not command.name
        assert command.help in out


@pytest.mark.parametrize("command", EVERY, ids=named)
def test_every_command_has_help_for_every_flag(capsys, command):
    assert run([*command.program.split()[1:], "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Usage: {command.program}" in out
    from shared.step import guard

    for flag in flags(guard.load(command.settings)):
        assert flag.flag in out
        assert flag.description


@pytest.mark.parametrize("command", EVERY, ids=named)
def test_every_command_refuses_an_unknown_flag(capsys, command):
    assert run([*command.program.split()[1:], "--no-such-flag"]) == 2
    assert "unknown flag --no-such-flag" in capsys.readouterr().err


@pytest.mark.parametrize("command", EVERY, ids=named)
def test_what_a_command_names_is_there(command):
    from shared.step import guard

    target = command.run if isinstance(command, Step) else command.call
    assert callable(guard.load(target))
    if isinstance(command, Step) and command.view:
        assert callable(guard.load(command.view))


def test_commands_are_run_with_what_follows_them(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "commands", lambda _: (STEP, TOOL))
    assert run(["gamedata", "go", "--what", "partial"]) == 65
    assert run(["gamedata", "echo", "--word", "hi"]) == 0
    assert capsys.readouterr().out.endswith("hi\n")


def test_commands_of_two_words(monkeypatch, capsys):
    pair = [replace(TOOL, name=f"say {word}", help=f"Say {word}.") for word in ("once", "twice")]
    monkeypatch.setattr(cli, "commands", lambda _: (STEP, *pair))
    assert run(["gamedata", "say", "twice", "--word", "hi"]) == 0
    assert capsys.readouterr().out == "hi\n"
    assert run(["gamedata", "say", "--help"]) == 0
    assert "\n  twice  Say twice." in capsys.readouterr().out
    assert run(["gamedata", "say"]) == 2
    assert "Usage: telecine gamedata say COMMAND" in capsys.readouterr().err
    assert run(["gamedata", "say", "twise"]) == 2
    assert "telecine gamedata say: unknown command 'twise'; did you mean twice?" in capsys.readouterr().err
    assert run(["gamedata", "sya", "once"]) == 2
    assert "unknown command 'sya'" in capsys.readouterr().err


def test_an_unknown_group_has_no_commands():
    with pytest.raises(KeyError):
        commands("nothing")


def test_the_script_ends_with_the_exit_code():
    done = subprocess.run(
        [sys.executable, "-c", "from jobs.cli import main; main()", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
