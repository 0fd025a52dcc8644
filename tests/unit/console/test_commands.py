"""`telecine console` is a command and a group of commands."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from jobs.cli import run
from tests.console_app import NO_DATABASE


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_shows_the_flags_and_the_other_commands(capfd, word):
    assert run(["console", word]) == 0
    out = capfd.readouterr().out
    assert "--trusted-proxies" in out
    assert "token revoke" in out
    assert out.index("--trusted-proxies") < out.index("token revoke")


@pytest.mark.parametrize("words", ["console --help", "console token --help", "runs --help", "--help", "--version"])
def test_a_reader_of_a_help_that_goes_away_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    script = f"import sys; from jobs.cli import main; sys.argv[1:] = {words.split()}; main()"
    done = subprocess.run([sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


def test_help_of_token_lists_its_commands(capsys):
    assert run(["console", "token", "--help"]) == 0
    assert "  revoke  Revoke an access token" in capsys.readouterr().out
    assert run(["console", "token"]) == 2
    assert "  issue   Issue an access token" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["tokn"], "unknown command 'tokn'; did you mean token?"),
        (["tokn", "list"], "unknown command 'tokn'; did you mean token?"),
        (["token", "isue", "ada"], "`telecine console token` has an unknown command 'isue'; did you mean issue?"),
        (["zzz"], "Expected one of: token issue, token list, token revoke, --help"),
        (["--prot", "80"], "unknown flag --prot; did you mean --port?"),
        (["token", "issue"], "NAME is missing"),
        (["token", "issue", "ada", "--role", "admin"], "viewer"),
        (["token", "issue", "ada", "--days", "0"], "--days"),
    ],
)
def test_mistakes_are_2_and_name_what_is_valid(capsys, argv, said):
    assert run(["console", *argv]) == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use_is_2(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["console", "--port", port, "--database-url", NO_DATABASE]) == 2
    said = capsys.readouterr().err
    assert f"--host 127.0.0.1 --port {port} cannot be used: Address already in use" in said
    assert "--port 0" in said


@pytest.mark.parametrize("host", ["x" * 70, "a..b", "192.0.2.1"])
def test_a_host_that_is_not_of_this_machine_is_2(capsys, host):
    flags = ["--access", "token", "--public-url", "https://console.example", "--database-url", NO_DATABASE]
    assert run(["console", "--host", host, "--port", "0", *flags]) == 2
    assert "cannot be used" in capsys.readouterr().err
