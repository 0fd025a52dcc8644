"""The parent's side: start steps, stop them before an operation, and kill their process group there.

with Programs.started() as programs:
    child = programs.start("extract", *flags, log=path)
    while (operation := child.next()) and operation.name != "replace":
        child.go()
    child.kill()
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kills.program import Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Child", "Operation", "Programs"]

ROOT = Path(__file__).parents[2]
# Tests on shared machines are sometimes ten times slower.
LIMIT_S = 200.0
# Options of steps that run in a process of their own.
_ALONE = {"workers", "full", "reads", "jump_s", "open_s", "server"}
_FOREIGN = ("TELECINE_", "AWS_", "ARGO_", "KUBERNETES_", "PG", "PYTHON", "COV_")


@dataclass(frozen=True)
class Operation:
    """The operation that a process is about to execute.

    Attributes:
        name: name in :mod:`tests.kills.gates`.
        subject: path of the file, or the beginning of the statement.
    """

    name: str
    subject: str


class Child:
    """One running step and the processes it forks.

    Attributes:
        code: exit code; None while it runs or if it was killed.
        trace: operations announced so far, in order.
    """

    def __init__(self, pid: int, listener: socket.socket, log: Path) -> None:
        self.pid = pid
        self.log = log
        self.code: int | None = None
        self.trace: list[Operation] = []
        self._listener = listener
        self._held: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._streams: set[socket.socket] = set()
        self._driver_seen = False

    def next(self, limit_s: float = LIMIT_S) -> Operation | None:
        """Wait for the next operation; return None when the step has ended."""
        assert self._held is None, "stopped before an operation: call go() or kill()"
        deadline = time.monotonic() + limit_s
        while self._streams or not self._driver_seen:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            assert ready, f"no operation within {limit_s} s\n{self.said()}"
            for key, _ in ready:
                operation = self._take(key.fileobj)  # type: ignore[arg-type]
                if operation is not None:
                    return operation
        self.close()
        return None

    def _take(self, stream: socket.socket) -> Operation | None:
        if stream is self._listener:
            connection, _ = self._listener.accept()
            self._selector.register(connection, selectors.EVENT_READ)
            self._streams.add(connection)
            self._driver_seen = True
            return None
        # A process sends one line and waits for the answer, so there is never more than one line.
        try:
            line = stream.recv(1 << 16)
        except ConnectionResetError:
            line = b""
        if not line:
            self._selector.unregister(stream)
            self._streams.discard(stream)
            stream.close()
            return None
        document = json.loads(line)
        if "code" in document:
            self.code = document["code"]
            stream.sendall(b".")
            return None
        self._held = stream
        operation = Operation(document["op"], document["subject"])
        self.trace.append(operation)
        return operation

    def ended_within(self, seconds: float) -> bool:
        """Wait for a process that announces nothing; return True if it ends within this time."""
        deadline = time.monotonic() + seconds
        while self._streams or not self._driver_seen:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            for key, _ in ready:
                self._take(key.fileobj)  # type: ignore[arg-type]
        self.close()
        return True

    def go(self) -> None:
        """Allow the announced operation."""
        assert self._held is not None
        self._held.sendall(b".")
        self._held = None

    def kill(self, *, group: bool = True) -> None:
        """Kill the process group and wait until all its sockets are closed: the kernel closes them after the kill.

        Args:
            group: False to kill only the first process.
        """
        self._held = None
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            pass
        else:
            # Just after its start it does not lead a group yet.
            for kill in (os.killpg, os.kill) if group else (os.kill,):
                with suppress(ProcessLookupError):
                    kill(self.pid, signal.SIGKILL)
            ended, *_ = select.select([process], [], [], LIMIT_S)
            os.close(process)
            assert ended, f"process {self.pid} does not end"
        self._driver_seen = self._driver_seen or not self._selector.select(0)
        while self.next() is not None:
            self._held = None

    def finish(self, limit_s: float = LIMIT_S) -> int:
        """Run to the end and return the exit code."""
        if self._held is not None:
            self.go()
        while self.next(limit_s) is not None:
            self.go()
        assert self.code is not None, f"it was killed\n{self.said()}"
        return self.code

    def expect(self, code: int) -> Child:
        """Run to the end and check the exit code."""
        assert self.finish() == code, f"exit {self.code} instead of {code}\n{self.said()}"
        return self

    def said(self) -> str:
        """Return the log and output."""
        return self.log.read_text() if self.log.exists() else ""

    def close(self) -> None:
        """Close this end; a process that waits at a gate then exits."""
        for stream in (*self._streams, self._listener):
            stream.close()
        self._selector.close()


class Programs:
    """The preloaded process from which steps are forked."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0
        self._children: list[Child] = []

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Programs]:
        """Start the preloaded process; kill everything on exit."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        env = {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "AWS_EC2_METADATA_DISABLED": "true"}
        with tempfile.TemporaryDirectory(prefix="telecine-kills-") as folder:
            errors = Path(folder, "errors")
            with errors.open("w") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.kills.program"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    text=True,
                    cwd=folder,
                    env=env,
                    start_new_session=True,
                )
            programs = cls(process, Path(folder))
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n", errors.read_text()
                yield programs
            finally:
                programs.end()

    def start(self, *argv: str, env: Mapping[str, str] | None = None, **options: Any) -> Child:
        """Start a step.

        Args:
            argv: name and flags of the step, e.g. ``extract --prefix a/``.
            env: additional variables.
            options: fields of :class:`tests.kills.program.Options`.
        """
        self._count += 1
        log = self._folder / f"{self._count}.log"
        path = str(self._folder / f"{self._count}.socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        document = {**asdict(Options(str(log), **options)), "argv": argv, "socket": path, "env": dict(env or {})}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        child = Child(int(self._process.stdout.readline()), listener, log)
        self._children.append(child)
        return child

    def run(self, *argv: str, env: Mapping[str, str] | None = None, **options: Any) -> Child:
        """Run a step to the end; it announces only its exit code.

        In the process that is warm, unless it needs workers, a disk or a clock that jumps.
        """
        warm = not _ALONE & options.keys()
        child = self.start(*argv, env=env, **{"free": True, "warm": warm, **options})
        child.finish()
        return child

    def end(self) -> None:
        """Kill all running steps and close."""
        for child in self._children:
            if child.code is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.close()
        self._process.communicate(timeout=LIMIT_S)
