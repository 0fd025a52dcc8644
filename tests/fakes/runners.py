"""Runners for worker processes, which import this module by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from jobs.gamedata.extraction import worker
from shared.errors import ConfigurationError, StorageFull, TelecineError
from tests.fakes.sessions import extract_fake

__all__ = [
    "Awkward",
    "Dying",
    "Runner",
    "broken",
    "deadly",
    "ending",
    "make_slow_extract",
    "missing",
    "once",
    "read_fake",
    "unpacked",
    "write_fake",
]


class Awkward(Exception):
    """An exception that a pickle stores but cannot restore: its constructor takes other arguments."""

    def __init__(self, name, *, place):
        super().__init__(f"{name} at {place}")


class Held(TelecineError):
    """A TelecineError with data that cannot be pickled."""

    exit_code = 65


class Runner:
    """A runner that returns its work with its process's ID and a count, or does what the work says."""

    def __init__(self):
        self.done = 0

    def run(self, work):
        self.done += 1
        if isinstance(work, tuple):
            name, argument = work
            return getattr(self, name)(argument)
        return os.getpid(), work, self.done

    def kill(self, number):
        os.kill(os.getpid(), number)
        signal.pause()

    def leave(self, code):
        sys.stderr.write("an odd end\x1b[31m\n")
        sys.exit(code)

    def fork(self, _):
        """Die, and leave a process that holds the socket open, as a check that starts helpers may."""
        pid = os.fork()
        if not pid:
            time.sleep(600)
        os._exit(3)

    def fail(self, kind):
        if kind == "full":
            raise StorageFull("no space", uri="file:///x") from Awkward("a", place="b")
        if kind == "awkward":
            raise Awkward("item", place="here")
        if kind == "held":
            raise Held("it holds a lock", code="held", retryable=True, lock=threading.Lock())
        raise ValueError("a bug")

    def lock(self, _):
        return threading.Lock()

    def big(self, size):
        return b"x" * size

    def environment(self, _):
        return dict(os.environ), sys.path, os.getsid(0)

    def child(self, _):
        """Start a process in the worker's group, and return its ID."""
        return subprocess.Popen(["sleep", "600"]).pid


class Dying(Runner):
    """A runner that cannot be created."""

    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def broken():
    raise ImportError("no module of that name")


def missing():
    raise ConfigurationError("torch finds no CUDA device on this machine")


def unpacked():
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def once(mark):
    """Make a runner; the first process that tries dies."""
    if not Path(mark).exists():
        Path(mark).touch()
        os._exit(1)
    return Runner()


def write_fake(session, *, s3_key, **_):
    """Return the bytes of a file instead of a `.pt`, for which each worker would import torch: 1.7 s."""
    return memoryview(f"{s3_key} of {session.duration_s} s".encode())


def read_fake(**fake):
    """Make a reader, in a worker that writes with :func:`write_fake`."""
    worker.dump = write_fake
    return extract_fake(**fake)


def _die(body):
    if body == b"body 1":
        os.kill(os.getpid(), signal.SIGKILL)


def deadly(_device):
    """Make a reader that one of the TARs kills."""
    return read_fake(hook=_die)


def _hold(body):
    if body == b"body 7":
        Path(os.environ["MARK"], "held").touch()
        threading.Event().wait()


def ending(_device):
    """Make a reader that never ends with one of the TARs."""
    return read_fake(hook=_hold)


def make_slow_extract(_settings):
    return ending
