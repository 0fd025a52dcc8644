"""Run a ``telecine`` command on an uploaded file in a confined process: no credentials, limited, killed as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

from shared.child.process import describe_status, scrubbed_environment
from shared.errors import EXIT_BUG, EXIT_DATA, EXIT_USAGE
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Limits", "Outcome", "Problem", "run"]

_OUTPUT_BYTES: Final = 16 * 1024 * 1024
_LOG_BYTES: Final = 64 * 1024
_MESSAGE_CHARS: Final = 4_000
_TOGETHER: Final = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one command.

    Attributes:
        memory_mb: address space, of which Polars reserves 1.4 GB without using it. Reading 32 MB of text takes 2.1 GB,
            of which 0.4 GB are used.
        cpu_s: CPU time of the process.
        wall_s: time until it is killed.
    """

    memory_mb: int = 3_072
    cpu_s: int = 180
    wall_s: float = 180.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason that a file cannot be read, or not yet.

    Attributes:
        code: such as ``LIMIT``, ``FORMAT``, ``NEEDS_CHOICE``; ``TIME``, ``MEMORY`` or ``CRASHED`` if the process ended.
        message: what was found, what is valid.
        data: named facts, such as ``line``, ``column``, ``value``, ``flags`` and ``answers``.
        is_question: True if a choice of the user answers it.
    """

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    is_question: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The JSON document of a command, or its problem."""

    document: Mapping[str, Any] | None
    problem: Problem | None


def run(arguments: Sequence[str], folder: Path, limits: Limits | None = None, *, waits: bool = True) -> Outcome:
    """Run one command, waiting while two others run.

    Args:
        arguments: of `telecine`; the command prints one JSON document.
        folder: its working directory, which is empty besides the file.
        limits: of time and memory.
        waits: False for a command that reads no file of a user, which pages cannot wait minutes for.
    """
    limits = limits or Limits()
    # Files, not pipes: a process that prints more than its limit is stopped by the kernel.
    with _TOGETHER if waits else nullcontext(), TemporaryFile() as output, TemporaryFile() as log:
        status = _status(arguments, folder, limits, output, log)
        if status == 0:
            return _read(output)
        return Outcome(None, _problem(status, _tail(log), limits))


def _status(arguments: Sequence[str], folder: Path, limits: Limits, output: IO[bytes], log: IO[bytes]) -> int | None:
    """Return the exit status; None on timeout."""
    own = (str(os.getpid()), str(limits.memory_mb), str(limits.cpu_s))
    environment = {**scrubbed_environment(), "POLARS_MAX_THREADS": "2", "TMPDIR": str(folder)}
    process = subprocess.Popen(  # noqa: S603 - a module of this package
        [sys.executable, "-P", "-m", "jobs.console.intake.child_main", *own, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=log,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    try:
        return process.wait(limits.wall_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # The group outlives its leader; the reader of workbooks has a group of its own, and ends with its parent.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(output: IO[bytes]) -> Outcome:
    output.seek(0)
    try:
        document = json.loads(output.read(_OUTPUT_BYTES + 1))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Outcome(None, Problem("CRASHED", "the file was read, but the result is not valid; report this as a bug"))
    return Outcome(document, None)


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
    return log.read().decode("utf-8", "replace")


def _problem(status: int | None, log: str, limits: Limits) -> Problem:
    if status is None or status == -signal.SIGXCPU:
        return Problem(
            "TIME",
            f"reading the file took longer than {limits.wall_s:g} s; split it by date",
        )
    said = _last_error(log)
    if said is not None and status in (EXIT_DATA, EXIT_USAGE):
        data = said.get("data")
        code = str(said.get("code"))
        return Problem(
            code,
            cut(str(said.get("message", "")), _MESSAGE_CHARS),
            data if isinstance(data, dict) else {},
            is_question=code == "NEEDS_CHOICE",
        )
    if "MemoryError" in log or "memory allocation" in log or "Cannot allocate memory" in log:
        return Problem(
            "MEMORY", f"reading the file took more than {limits.memory_mb:,} MB of memory; split the file by date"
        )
    ended = f"exited with {status}" if status == EXIT_BUG else describe_status(status)
    return Problem("CRASHED", f"the process that read the file {ended}; report this as a bug")


def _last_error(log: str) -> dict[str, Any] | None:
    for line in reversed(log.splitlines()):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and found.get("level") in ("ERROR", "CRITICAL"):
                return found
    return None
