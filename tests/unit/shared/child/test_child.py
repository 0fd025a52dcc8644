"""A child process gets no secrets, ends with its parent and says how it ended; messages hold no surprises."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.child import process
from shared.child.channel import Channel
from shared.child.process import ChildProcess, Ending, describe_status

MODULE = """
import json, os, resource, sys
from shared.child.inside import enter
channel = enter(sys.argv[1:], memory_mb=int(sys.argv[3]), written_bytes=1 << 20, cpu_s=30)
limits = {name: resource.getrlimit(getattr(resource, name))[0] for name in dir(resource) if name.startswith("RLIMIT_")}
channel.send({"limits": limits, "environment": dict(os.environ), "arguments": sys.argv[3:]})
while True:
    request, buffers = channel.receive()
    if request["do"] == "exit":
        print("last words", file=sys.stderr)
        sys.exit(7)
    if request["do"] == "allocate":
        try:
            bytearray(1 << 30)
        except MemoryError:
            channel.send({"memory": "limited"})
    if request["do"] == "write":
        with os.fdopen(int(sys.argv[4]), "wb") as file:
            file.write(b"written")
        channel.send({})
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a child; each is closed at the end."""
    (tmp_path / "some_child.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    children = []

    def run(*arguments: str, **options) -> ChildProcess:
        children.append(ChildProcess("some_child", ["256", *arguments], **options))
        return children[-1]

    yield run
    for child in children:
        child.close()


def soon() -> float:
    return time.monotonic() + 30


def test_a_child_is_limited_and_has_no_secret_in_its_environment(start, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "PYTHONANYWHERE_API_TOKEN", "HOME_TOKEN"):
        monkeypatch.setenv(name, "hidden")
    hello, _ = start("more").channel.receive(until=soon())
    assert "hidden" not in hello["environment"].values()
    assert hello["environment"]["OMP_NUM_THREADS"] == "1"
    assert hello["limits"]["RLIMIT_AS"] == 256 * 1024**2
    assert hello["limits"]["RLIMIT_FSIZE"] == 1 << 20
    assert hello["limits"]["RLIMIT_CORE"] == 0
    assert hello["limits"]["RLIMIT_CPU"] == 30
    assert hello["arguments"] == ["256", "more"]


def test_a_child_that_wants_more_memory_is_told_that_there_is_none(start):
    child = start()
    child.channel.receive(until=soon())
    child.channel.send({"do": "allocate"})
    assert child.channel.receive(until=soon())[0] == {"memory": "limited"}


def test_a_child_inherits_the_descriptors_that_it_is_given(start):
    with tempfile.TemporaryFile() as file:
        child = start(str(file.fileno()), descriptors=[file.fileno()])
        child.channel.receive(until=soon())
        child.channel.send({"do": "write"})
        child.channel.receive(until=soon())
        file.seek(0)
        assert file.read() == b"written"


def test_the_end_of_a_child_is_described_with_its_last_words(start):
    child = start()
    child.channel.receive(until=soon())
    child.channel.send({"do": "exit"})
    with pytest.raises(EOFError):
        child.channel.receive(until=soon())
    assert child.ending() == Ending(7, "last words")
    assert str(child.ending()) == "exited with 7: last words"
    assert child.has_ended()


def test_no_more_of_the_last_words_is_read_than_is_shown(start):
    child = start()
    child.channel.receive(until=soon())
    child.kill()
    with tempfile.TemporaryFile() as words:
        words.write(b"x" * (1 << 20) + b" the end")
        words.flush()
        read = []
        child._errors.close()
        child._errors = SimpleNamespace(
            seek=words.seek, read=lambda size=-1: read.append(size) or words.read(size), close=words.close
        )
        output = child.ending().output
    assert read == [2000]
    assert len(output) == 2000
    assert output.endswith("x the end")


def test_a_killed_child_is_described_by_its_signal(start):
    child = start()
    child.channel.receive(until=soon())
    assert not child.has_ended()
    child.kill()
    assert str(child.ending()) == "was killed by SIGKILL"
    child.close()
    child.close()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with 0"),
        (-11, "was killed by SIGSEGV"),
        (-35, "was killed by signal 35"),
        (None, "exited with None"),
    ],
)
def test_a_status_is_described(status, text):
    assert describe_status(status) == text


def test_a_child_that_cannot_be_started_leaves_nothing_open(monkeypatch):
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(process.sys, "executable", "/absent")
    with pytest.raises(OSError, match="absent"):
        ChildProcess("some_child")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_child_ends_with_its_parent(tmp_path):
    (tmp_path / "some_child.py").write_text(MODULE)
    program = (
        "import os, time\nfrom shared.child.process import ChildProcess\nchild = ChildProcess('some_child', ['256'])\n"
        "child.channel.receive()\nprint(child.pid, flush=True)\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until = soon()
    while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
        assert time.monotonic() < until
        time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except FileNotFoundError:
        return "Z"


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    channel = Channel(ours, max_bytes=100)
    with theirs:
        yield channel, theirs
    channel.close()


def test_messages_carry_documents_and_buffers():
    ours, theirs = map(Channel, socket.socketpair())
    ours.send({"a": [1, "ñ"]}, [b"xyz", bytearray(3)])
    assert theirs.receive(until=soon()) == ({"a": [1, "ñ"]}, [bytearray(b"xyz"), bytearray(3)])
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive(until=soon())
    theirs.close()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<II", 1 << 30, 0),
        struct.pack("<II", 2, 1 << 30),
        struct.pack("<IIQ", 2, 1, 101) + b"{}",
        struct.pack("<II", 2, 0) + b"[]",
        struct.pack("<II", 2, 0) + b"{x",
    ],
)
def test_a_message_over_a_limit_or_without_an_object_is_rejected(ends, data):
    channel, theirs = ends
    theirs.sendall(data)
    with pytest.raises(ValueError):
        channel.receive(until=soon())


def test_a_silent_other_end_is_not_waited_for_longer_than_said(ends):
    channel, theirs = ends
    theirs.sendall(b"\0\0")
    with pytest.raises(TimeoutError):
        channel.receive(until=time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        channel.send({}, until=time.monotonic() - 1)
