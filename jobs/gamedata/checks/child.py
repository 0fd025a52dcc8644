"""Run statistics checks of ``--checks`` files in a process of their own, and blame a death on its check and session.

All checks share one process, which starts in about 0.5 s. If it dies, finished results are kept, the check that was
running runs again alone, and the others continue in a new process. A check that also dies alone runs over smaller and
smaller slices of the table, until the sessions that kill it are found or :data:`PROCESSES` is reached.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any, Final

import polars as pl

from jobs.gamedata.checks.run import POLARS_TYPES, CheckError, Columns
from shared.child.process import describe_status, python_path
from shared.errors import StorageFull, TransientError
from shared.logs import bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobs.gamedata.checks.load import CheckFile
    from jobs.gamedata.checks.registry import Check
    from jobs.gamedata.settings import ManifestSettings

    Slice = tuple[int, int]

__all__ = ["PROCESSES", "Job", "Journal", "run_in_child"]

# Maximum processes for a check that dies alone. Finding one session in a million takes up to 7, each further one 5.
PROCESSES: Final = 20
# Pieces into which a slice that killed a check is split: four levels reduce a million sessions to one.
_PIECES: Final = 64
_RECORD: Final = struct.Struct("<QQ")  # bytes of a JSON document, and of the Arrow stream after it


@dataclass(frozen=True, slots=True)
class Job:
    """The input of the process; plain values that can be pickled.

    Attributes:
        files: the user's check files.
        settings: settings of the step.
        names: the checks to run, in order.
        slices: rows that each of them receives, in order: first row, and the one after the last.
        table: file descriptor of an Arrow file with the part rows.
        added: file descriptor of an Arrow file with the columns of the vectorised checks before the first of ``names``.
        journal: file descriptor of the file for results.
        parent: PID of the step, with which the process ends.
        python_path: ``PYTHONPATH`` of the step.
        bound: context of log lines.
    """

    files: tuple[CheckFile, ...]
    settings: ManifestSettings
    names: tuple[str, ...]
    slices: tuple[Slice, ...]
    table: int
    added: int
    journal: int
    parent: int
    python_path: str | None
    bound: Mapping[str, str]


class Journal:
    """The results of a process, in a file: JSON and Arrow, without pickles.

    Args:
        descriptor: file descriptor of the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def start(self) -> None:
        """Record that the files are loaded."""
        self._write({"kind": "start"})

    def refuse(self, message: str) -> None:
        """Record why nothing can run."""
        self._write({"kind": "refused", "message": message})

    def add(self, found: Columns) -> None:
        """Record the result of one check for one slice."""
        errors = {row: of_row for row, of_row in found.errors.items() if of_row}
        # A check that fails on all rows of a slice may raise a single error.
        raised = dict.fromkeys(error for of_row in errors.values() for error in of_row)
        unique = {error: number for number, error in enumerate(raised)}
        stream = io.BytesIO()
        pl.DataFrame(list(found.values.values())).write_ipc_stream(stream)
        self._write(
            {
                "kind": "done",
                "errors": [asdict(error) for error in unique],
                "rows": [[row, [unique[error] for error in of_row]] for row, of_row in errors.items()],
            },
            stream.getbuffer(),
        )

    def _write(self, document: dict[str, Any], body: bytes | memoryview = b"") -> None:
        text = json.dumps(document).encode()
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            file.write(_RECORD.pack(len(text), len(body)) + text)
            file.write(body)

    def read(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield the records that are complete; a killed process may leave half of one at the end."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                length, size = _RECORD.unpack(head)
                text, body = file.read(length), file.read(size)
                if len(text) + len(body) < length + size:
                    return
                yield json.loads(text), body


@dataclass(slots=True)
class _Ending:
    """The end of a process.

    Attributes:
        done: results, in the order of the job.
        died: ``exit code 9``, ``killed by SIGSEGV``; None if everything is done.
        refused: the reason why no check can run.
    """

    done: list[Columns]
    died: str | None = None
    refused: str | None = None


def run_in_child(
    files: Sequence[CheckFile], checks: Sequence[Check], table: pl.DataFrame, settings: ManifestSettings
) -> Columns:
    """Run statistics checks like :func:`~jobs.gamedata.checks.run.run_statistics`, in a process of their own.

    A check that ends the process fails on the sessions that make it do so; if these are many, on all that follow.

    Args:
        files: the files that define the checks.
        checks: the checks to run.
        table: part rows, one per session, with the columns of vectorised checks before these.
        settings: settings of the step.

    Raises:
        StorageFull: the folder for temporary files has no space for the table.
        TransientError: no process can be started.
    """
    if not len(table):
        return Columns({column: _nulls(kind, 0) for check in checks for column, kind in check.columns.items()})
    with tempfile.TemporaryFile() as file:
        _write(table, file)
        return _Runs(tuple(files), settings, file, len(table)).run(checks)


def _write(table: pl.DataFrame, file: IO[bytes]) -> None:
    try:
        table.write_ipc(file, compression="uncompressed")  # compressed columns could not be mapped
        file.flush()
    except OSError as error:  # of polars, without errno
        where = tempfile.gettempdir()
        message = f"cannot write the sessions for --checks to {where} ({error}); free space there or set TMPDIR"
        raise StorageFull(message, uri=where) from error


@dataclass(slots=True)
class _Runs:
    """Runs checks over one table, in as many processes as it takes.

    Attributes:
        files: the user's check files.
        settings: settings of the step.
        table: an Arrow file with the part rows.
        rows: the number of rows.
        columns: the results so far.
        added: the columns of vectorised checks, which later checks receive.
    """

    files: tuple[CheckFile, ...]
    settings: ManifestSettings
    table: IO[bytes]
    rows: int
    columns: Columns = field(default_factory=Columns)
    added: list[pl.Series] = field(default_factory=list)

    def run(self, checks: Sequence[Check]) -> Columns:
        pending = list(checks)
        while pending:
            ending = self._start(pending, [(0, self.rows)])
            for found in ending.done:
                self._take(pending.pop(0), [found])
            if ending.refused is not None:
                for check in pending:
                    self._take(check, [_failed(check, self.rows, ending.refused)])
                break
            if pending:
                check = pending.pop(0)
                # A check that died in a fresh process ran alone.
                slices = [(0, self.rows)] if ending.done else _pieces((0, self.rows))
                self._take(check, self._alone(check, slices, ending.died))
        return self.columns

    def _alone(self, check: Check, slices: list[Slice], died: str | None) -> list[Columns]:
        """Return the results of a check that ended its process; rows on which it does so again are errors."""
        results: list[Columns] = []
        blamed = 0
        for _ in range(PROCESSES):
            if not slices:
                break
            ending = self._start([check], slices)
            results += ending.done
            slices = slices[len(ending.done) :]
            if not slices:
                break
            (start, stop), died = slices[0], ending.died
            if ending.refused is not None:
                return [*results, _failed(check, self.rows - start, ending.refused)]
            if stop - start > 1:
                slices[:1] = _pieces((start, stop))
            elif not ending.done:
                # It was the first row of its process, so nothing else can be the cause.
                results.append(_failed(check, 1, f"the process died ({died})"))
                blamed += 1
                del slices[0]
        if slices:
            why = f"the process died on {blamed} earlier sessions" if blamed else "the process died"
            results.append(_failed(check, self.rows - slices[0][0], f"{why} ({died}); not run on this one"))
        return results

    def _take(self, check: Check, pieces: Sequence[Columns]) -> None:
        """Add the results of a check for all rows, in their order."""
        start = 0
        for piece in pieces:
            for row, errors in piece.errors.items():
                self.columns.errors[start + row] += errors
            start += len(piece.values[check.name])
        for column in check.columns:
            values = pl.concat([piece.values[column] for piece in pieces])
            self.columns.values[column] = values
            if check.vectorised:
                self.added.append(values.alias(column))

    def _start(self, checks: Sequence[Check], slices: Sequence[Slice]) -> _Ending:
        """Run one process to its end."""
        with tempfile.TemporaryFile() as added, tempfile.TemporaryFile() as results:
            _write(pl.DataFrame(self.added), added)
            descriptors = (self.table.fileno(), added.fileno(), results.fileno())
            job = Job(
                *(self.files, self.settings, tuple(check.name for check in checks), tuple(slices), *descriptors),
                *(os.getpid(), os.environ.get("PYTHONPATH"), bound()),
            )
            status = _run(pickle.dumps(job), descriptors)
            return _ending(Journal(results.fileno()), status, len(checks) * len(slices))


def _run(job: bytes, descriptors: Sequence[int]) -> int:
    # -P: otherwise modules in the current folder would come first. -u: what a check printed before it died is shown.
    command = [sys.executable, "-P", "-u", "-m", "jobs.gamedata.checks.child_main"]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    try:
        process = subprocess.Popen(  # noqa: S603  a module of this package
            command,
            stdin=subprocess.PIPE,
            pass_fds=descriptors,
            env=environment,
            start_new_session=True,  # the step handles Ctrl-C
        )
    except OSError as error:
        raise TransientError(f"cannot start a process for --checks ({error.strerror or error}); run again") from error
    completed = False
    try:
        process.communicate(job)
        completed = process.returncode == 0
    finally:
        if not completed:
            # With the processes that a check started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode


def _ending(journal: Journal, status: int, expected: int) -> _Ending:
    ending = _Ending([])
    is_loaded = False
    for document, body in journal.read():
        is_loaded |= document["kind"] == "start"
        if document["kind"] == "refused":
            ending.refused = document["message"]
        elif document["kind"] == "done":
            ending.done.append(_columns(document, body))
    # A crash after the last result, such as one when a library is unloaded, changes nothing.
    if len(ending.done) < expected:
        ending.died = _death(status)
        if not is_loaded and ending.refused is None:
            ending.refused = f"the process died while it loaded the checks ({ending.died})"
    return ending


def _columns(document: dict[str, Any], body: bytes) -> Columns:
    found = Columns({series.name: series for series in pl.read_ipc_stream(io.BytesIO(body)).get_columns()})
    errors = [CheckError(**error) for error in document["errors"]]
    for row, of_row in document["rows"]:
        found.errors[row] += [errors[number] for number in of_row]
    return found


def _death(status: int) -> str:
    return f"exit code {status}" if status >= 0 else describe_status(status).removeprefix("was ")


def _failed(check: Check, rows: int, why: str) -> Columns:
    error = CheckError(check.name, f"{check.name}: {why}", "")
    columns = Columns({column: _nulls(kind, rows) for column, kind in check.columns.items()})
    columns.errors.update({row: [error] for row in range(rows)})
    return columns


def _nulls(kind: type, rows: int) -> pl.Series:
    return pl.repeat(None, rows, dtype=POLARS_TYPES[kind], eager=True)


def _pieces(rows: Slice) -> list[Slice]:
    start, stop = rows
    count = min(_PIECES, stop - start)
    bounds = [start + (stop - start) * number // count for number in range(count + 1)]
    return list(pairwise(bounds))
