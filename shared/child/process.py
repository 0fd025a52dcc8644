"""Start a child process without credentials, and describe how it ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from shared.child.channel import MAX_BYTES, Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChildProcess", "Ending", "describe_status", "python_path", "scrubbed_environment"]

# Whole names: a prefix would let HOMEBREW_GITHUB_API_TOKEN, LD_SDK_KEY or PYTHONANYWHERE_API_TOKEN through.
_INHERITED: Final = frozenset({
    "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "LC_NUMERIC", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "VIRTUAL_ENV", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX",
    "PYTHONHASHSEED", "PYTHONMALLOC", "PYTHONWARNINGS",
})  # fmt: skip
_MAX_SHOWN: Final = 2000
_WAIT_S: Final = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a child process.

    Attributes:
        status: exit status, or minus the number of the signal that killed it; None if it still runs.
        output: the end of its standard error.
    """

    status: int | None
    output: str

    def __str__(self) -> str:
        lines = self.output.splitlines()
        return describe_status(self.status) + (f": {lines[-1]}" if lines else "")


def python_path() -> str:
    """Return a ``PYTHONPATH`` that lets a child import the same modules."""
    return os.pathsep.join(path for path in sys.path if path)


def scrubbed_environment() -> dict[str, str]:
    """Return an environment without secrets and database URLs: hostile input may take over the child."""
    return {
        **{name: value for name, value in os.environ.items() if name in _INHERITED},
        "PYTHONPATH": python_path(),
        # Each thread of a BLAS pool reserves address space, which is limited; no child uses BLAS.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def describe_status(status: int | None) -> str:
    """Return how a process ended, such as ``was killed by SIGSEGV``."""
    if status is None or status >= 0:
        return f"exited with {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"  # most real-time signals have no name


class ChildProcess:
    """A child process with a channel; its standard error is kept, its environment scrubbed.

    The kernel kills it when the thread that started it ends (:func:`shared.child.inside.enter`).

    Args:
        module: the module to run; its arguments are the file descriptor of the channel, the PID of this process, and
            ``arguments``.
        arguments: further arguments.
        descriptors: open file descriptors that it inherits, under the same numbers.
        max_bytes: maximum total size of the buffers in one message from it.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        descriptors: Sequence[int] = (),
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        own_end, child_end = socket.socketpair()
        # -P: otherwise modules in the current folder (a bucket may contain a numpy.py) would be imported first.
        command = [sys.executable, "-P", "-m", module, str(child_end.fileno()), str(os.getpid()), *arguments]
        try:
            with child_end:
                self._process = subprocess.Popen(  # noqa: S603  a module of this package
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=[child_end.fileno(), *descriptors],
                    env=scrubbed_environment(),
                    start_new_session=True,  # this process handles Ctrl-C
                )
        except BaseException:
            own_end.close()
            self._errors.close()
            raise
        self.channel = Channel(own_end, max_bytes=max_bytes)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def ending(self) -> Ending:
        """Wait up to 5 s for the end, and describe it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_WAIT_S)
        # The child may write more than fits in memory.
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _MAX_SHOWN))
        output = self._errors.read(_MAX_SHOWN).decode(errors="replace").strip()
        return Ending(self._process.returncode, output)

    def kill(self) -> None:
        """Kill the process without waiting for its end."""
        self._process.kill()

    def close(self) -> None:
        """Kill the process; calling it again has no effect."""
        self.channel.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
