"""One run of dbt as a process of its own: no shell, a time limit, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from jobs.trakt.modelling.errors import DbtTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["run_dbt"]

# dbt ends its queries on SIGTERM; the DuckDB file is thrown away anyway.
_GRACE_S: Final = 3.0
# The entry point of the `dbt` command, without its shebang, which has a length limit. Before anything else, the process
# asks the kernel to kill it when the runner dies: dbt's imports take seconds, in which the next build may start.
_ENTRY: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9, 0, 0, 0);"  # PR_SET_PDEATHSIG (linux/prctl.h), SIGKILL
    "os.getppid() == int(sys.argv.pop(1)) or os._exit(1);"
    "from dbt.cli.main import cli; sys.argv[0] = 'dbt'; sys.exit(cli())"
)


def run_dbt(
    python: Path,
    arguments: Sequence[str],
    *,
    variables: Mapping[str, str],
    folder: Path,
    output: Path,
    timeout_s: float,
) -> int:
    """Run dbt and return its exit status: 0, 1 if a model or a test failed, 2 if it could not start.

    A signal, an error or the time limit ends its whole process group.

    Args:
        python: the Python of its environment.
        arguments: command and options.
        variables: its whole environment.
        folder: its current folder.
        output: the file that receives what it prints.
        timeout_s: seconds.

    Raises:
        DbtTimeout: it took longer.
    """
    process = None
    try:
        with output.open("wb") as sink, _signals_after():
            process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                [str(python), "-c", _ENTRY, str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(variables),
                cwd=folder,
                start_new_session=True,
            )
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise DbtTimeout(
            f"dbt did not end within {timeout_s:,.0f} s and was killed; pass a larger --dbt-timeout-s",
            seconds=timeout_s,
        ) from None
    finally:
        if process is not None:
            _end(process)


@contextmanager
def _signals_after() -> Iterator[None]:
    """Handle signals after the block: one between the start of a process and its assignment would leave it running.

    Blocking them is not enough: a library's thread receives them, and Python's handler runs in the main thread anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda found, _: caught.append(found))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for found in caught:
        signal.raise_signal(found)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group; it is already gone if dbt ended by itself and left nothing behind."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
