"""A worker process of :class:`~jobs.gamedata.compute.processes.Processes`: its start, messages and end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Any, Final

from jobs.gamedata.compute._messages import Answers, pack, unpack, write
from jobs.gamedata.compute.pool import python_path
from shared.child.process import Ending
from shared.text import cut, one_line

__all__ = ["WorkerProcess"]

_MODULE: Final = "jobs.gamedata.compute.process_main"
_MAX_SHOWN: Final = 300
_WAIT_S: Final = 5
_POLL_S: Final = 0.01


class WorkerProcess:
    """A worker process. The kernel kills it when the thread that started it ends.

    It inherits the environment of this process, because it opens the stores, but has its own session, because this
    process handles Ctrl-C.

    Args:
        make_runner: a pickle of the function that creates the runner; the process answers once it has called it.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, make_runner: bytes) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        try:
            self.end, child_end = socket.socketpair()
        except OSError:
            self._errors.close()
            raise
        # As in Ray: with one worker per core, their thread pools would compete for the cores.
        environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": python_path()}
        try:
            with child_end:
                # -P: a folder of recordings may contain a numpy.py.
                self._process = subprocess.Popen(  # noqa: S603  a module of this package
                    [sys.executable, "-P", "-m", _MODULE, str(child_end.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=[child_end.fileno()],
                    env=environment,
                    start_new_session=True,
                )
        except BaseException:
            self.end.close()
            self._errors.close()
            raise
        self._answers = Answers(self.end)
        try:
            self._send(make_runner)
        except BaseException:
            # A second signal ends the wait for a process that does not read.
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when an answer arrives, or the process ends."""
        return self.end.fileno()

    def ask(self, work: Any) -> None:
        """Send a piece of work; :meth:`answer` notices if the process has died."""
        self._send(pack(work))

    def _send(self, body: bytes) -> None:
        with suppress(ConnectionError):
            write(self.end, body)

    def answer(self) -> tuple[str, Any, str] | None:
        """Return ``("done", result, "")`` or ``("failed", exception, traceback)``; None while there is no answer.

        Raises:
            EOFError: the process has died.
        """
        # Checked before the read: if it has ended, everything that it sent has arrived by now.
        has_ended = self.has_ended()
        body = self._answers.next()
        if body is None:
            # A process that it started may keep its end of the socket open: then the stream does not end.
            if has_ended:
                raise EOFError
            return None
        # Output that belongs to finished work would not explain a later death.
        self._errors.seek(0)
        self._errors.truncate()
        try:
            kind, value, trace = unpack(body)
        except Exception as error:  # noqa: BLE001 - such as a class that only the worker has imported
            return "failed", TypeError(f"the answer of a worker process cannot be read: {error!r}"), ""
        return kind, value, trace

    def has_ended(self) -> bool:
        """Return whether the process has ended; its ID is not reused before :meth:`close`."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def ending(self) -> str:
        """Wait up to 5 s for the end, kill what is left, and return how it ended: ``it was killed by SIGKILL``."""
        until = time.monotonic() + _WAIT_S
        while not self.has_ended() and time.monotonic() < until:
            time.sleep(_POLL_S)
        self._kill()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _MAX_SHOWN))
        output = self._errors.read(_MAX_SHOWN).decode(errors="replace").strip()
        return f"it {one_line(cut(str(Ending(self._process.returncode, output)), _MAX_SHOWN))}"

    def close(self) -> None:
        """Kill the process and its process group; calling it again has no effect."""
        self.end.close()
        self._kill()
        self._errors.close()

    def _kill(self) -> None:
        if self._process.returncode is None:
            # This includes the processes that it started; its ID names their group even after it has ended.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
