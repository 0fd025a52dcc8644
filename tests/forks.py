"""Processes that are forked from a preloaded one: a start takes 20 ms, without the 0.4 to 3 s that its imports take.

    with Forks.started("ray.scripts.scripts") as forks:
        process = forks.start("import sys; print(sys.argv)", "an argument", env={}, cwd="/tmp")
        out, err = process.communicate(timeout=60)

The script runs as with ``python -c``: with its own ``__main__``, environment, folder, session and streams, and the
interpreter ends as usual. Only the command line that the kernel shows is that of the preloaded process.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Forked", "Forks"]

ROOT = Path(__file__).parents[1]
LIMIT_S = 200.0
_POLL_S = 0.02


class Forked:
    """One process, with the methods of a :class:`subprocess.Popen` that tests use."""

    def __init__(self, forks: Forks, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forks, self._out, self._err = forks, out, err

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._forks.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it if it still runs."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = LIMIT_S) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"the forked process {self.pid}", timeout)
            time.sleep(_POLL_S)
        return code

    def communicate(self, timeout: float = LIMIT_S) -> tuple[str, str]:
        """Wait for the end, and return its output."""
        self.wait(timeout)
        return self._out.read_text(), self._err.read_text()

    def said(self) -> str:
        """Return its output so far."""
        return self._out.read_text() + self._err.read_text()


class Forks:
    """A process that has imported the modules that its forks need."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._started: list[Forked] = []

    @classmethod
    @contextmanager
    def started(cls, *modules: str, **variables: str) -> Iterator[Forks]:
        """Start the preloaded process; it and its forks end with the block.

        Args:
            modules: imported before the first fork.
            variables: environment of these imports; forks have their own.
        """
        with (
            tempfile.TemporaryDirectory(prefix="telecine-forks-") as folder,
            Path(folder, "errors").open("w+") as errors,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables},
                start_new_session=True,
            )
            forks = cls(process, Path(folder))
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n", Path(folder, "errors").read_text()
                yield forks
            finally:
                forks.end()

    def start(self, script: str, *argv: str, env: Mapping[str, str], cwd: Path | str, terminal: str = "") -> Forked:
        """Start a script.

        Args:
            script: its text.
            argv: ``sys.argv`` after the first.
            env: its whole environment.
            cwd: its working directory.
            terminal: path of a terminal for its three streams; without one, its output is kept in files.
        """
        out, err = (self._folder / f"{len(self._started)}.{name}" for name in ("out", "err"))
        streams = [terminal] * 3 if terminal else [os.devnull, str(out), str(err)]
        out.touch()
        err.touch()
        asked = {"script": script, "argv": argv, "env": dict(env), "cwd": str(cwd), "streams": streams}
        self._started.append(Forked(self, self.ask(asked), out, err))
        return self._started[-1]

    def end(self) -> None:
        """Kill what still runs, and close."""
        for forked in self._started:
            if forked.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(forked.pid, signal.SIGKILL)
        self._process.communicate(timeout=LIMIT_S)

    def ask(self, document: Mapping[str, Any]) -> Any:
        """Send one request to the preloaded process, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> dict[str, Any] | None:
    """Answer requests; return None at their end, and in each fork what it shall run."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    codes: dict[int, int] = {}
    for line in iter(sys.stdin.buffer.readline, b""):
        document: dict[str, Any] = json.loads(line)
        if "poll" in document:
            pid, status = os.waitpid(document["poll"], os.WNOHANG) if document["poll"] not in codes else (0, 0)
            if pid:
                codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(document["poll"])
        else:
            # Opened here: a terminal would end if its last user closed it before the fork opens it.
            flags = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
            document["streams"] = [
                os.open(path, flag | os.O_NOCTTY) for path, flag in zip(document["streams"], flags, strict=True)
            ]
            answer = os.fork()
            if not answer:
                return document
            for opened in document["streams"]:
                os.close(opened)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    return None


def _become(document: dict[str, Any]) -> None:
    """Give this process the session, streams, environment and folder of the script."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, opened in enumerate(document["streams"]):
        os.dup2(opened, number)
        os.close(opened)
    # A terminal's lines appear at once.
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(document["env"])
    os.chdir(document["cwd"])
    sys.argv = ["-c", *document["argv"]]
    sys.path[0] = ""


def _run(document: dict[str, Any]) -> int:
    """Run the script; return its exit code."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    try:
        exec(compile(document["script"], "<string>", "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        raise
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    for _name in sys.argv[1:]:
        import_module(_name)
    # Otherwise a collection writes to the pages of all objects, which are then copied.
    gc.collect()
    gc.freeze()
    if (_document := _serve()) is not None:
        _become(_document)
        _code = _run(_document)
        # What the interpreter's end does, without clearing all modules: 0.3 s.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code)
