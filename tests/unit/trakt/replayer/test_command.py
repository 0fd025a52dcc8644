"""The command ``telecine trakt replayer``: it says where it listens, serves, and ends well."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from jobs.cli import run
from jobs.trakt.model import SCENARIOS
from jobs.trakt.settings import ReplayerSettings
from tests.unit.trakt.replayer.client import Client

COMMAND = (
    sys.executable,
    "-c",
    "import sys; from jobs.cli import run; sys.exit(run(sys.argv[1:]))",
    "trakt",
    "replayer",
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_listens_on_loopback_serves_and_ends_with_0_on_a_signal(number):
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--scenario", "dead-key"], stdout=subprocess.PIPE, text=True
    ) as site:
        try:
            line = site.stdout.readline()
            said = re.fullmatch(r"http://127\.0\.0\.1:(\d+) serves scenario dead-key, seed 1\n", line)
            assert said, line
            with Client(int(said[1])) as client:
                assert client.get("/movies/1001").status == 403
                assert client.get("/health").body == b'{"status":"ok"}'
                site.send_signal(number)
                assert site.wait(10) == 0
            assert site.stdout.read() == "1 requests served.\n"
        finally:
            site.kill()


def test_a_port_in_use_exits_with_2_and_says_what_to_do(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["trakt", "replayer", "--port", str(taken.getsockname()[1])]) == 2
    assert "--port 0" in capfd.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--scenario", "sunny"],
        ["--port", "65536"],
        ["--seed", "-1"],
        ["--speed", "nan"],
        ["--speed", "3601"],
        ["--quota", "-1"],
    ],
)
def test_a_bad_flag_exits_with_2(capsys, flags):
    assert run(["trakt", "replayer", *flags]) == 2
    assert flags[0] in capsys.readouterr().err


def test_the_error_names_every_scenario(capsys):
    assert run(["trakt", "replayer", "--scenario", "sunny"]) == 2
    assert ", ".join(SCENARIOS) in " ".join(capsys.readouterr().err.split())


def test_the_defaults_are_safe():
    settings = ReplayerSettings()
    assert (settings.host, settings.quota, settings.speed) == ("127.0.0.1", 500, 1.0)


def test_the_site_starts_in_less_than_half_a_second_of_cpu():
    code = (
        "import time; from jobs.trakt.replayer.server import running\n"
        "with running('storm', 1): pass\n"
        "import sys; print(time.process_time())\n"
        "print([name for name in ('pydantic', 'sqlalchemy', 'httpx') if name in sys.modules])"
    )
    began = time.monotonic()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")
    assert float(out[0]) < 0.5
    assert out[1] == "[]"
    assert time.monotonic() - began < 30


def test_help_lists_every_scenario(capsys):
    assert run(["trakt", "replayer", "--help"]) == 0
    assert "|".join(SCENARIOS) in "".join(capsys.readouterr().out.split())
