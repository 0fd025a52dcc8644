"""What a worker does with a batch: read each TAR, put its ``.pt``, then commit all of them as one part.

The order makes a kill harmless: a ``.pt`` without a part is written again, a part without its ``.pt`` cannot be.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from jobs.gamedata.compute.cluster_worker import cluster_group
from jobs.gamedata.extraction._rows import common_columns, error_columns, session_columns
from jobs.gamedata.extraction.batches import Batch, BatchResult, Item, ItemResult, Task
from jobs.gamedata.parts.store import write_part
from jobs.gamedata.pt.file import dump, pt_key
from jobs.gamedata.ranges.object_source import ObjectSource
from shared.errors import ConfigurationError, EndpointUnreachable, StorageFull, TelecineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.gamedata.model import SamplingSpec, Session
    from jobs.gamedata.ranges.source import RangeSource
    from shared.storage import ObjectStore

__all__ = ["BatchRunner", "Extract", "commit", "extract_batch", "extract_item", "find_device", "worker_name"]

# Nothing that follows would go better: rights, a missing bucket, a full disk, no network.
_FATAL: Final = (ConfigurationError, EndpointUnreachable, StorageFull)

_log = logging.getLogger(__name__)


class Extract(Protocol):
    """Reads one TAR; :class:`jobs.gamedata.session.child.DecodeChild` does it in a process of its own."""

    def __call__(self, source: RangeSource, spec: SamplingSpec, /) -> Session:
        """Give the session, or raise an ``ItemError``."""


def worker_name() -> str:
    """Name this process: ``host:pid``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def extract_item(
    item: Item, task: Task, *, source: ObjectStore, target: ObjectStore, extract: Extract
) -> tuple[dict[str, Any], ItemResult]:
    """Read one TAR and put its ``.pt``; nothing is committed yet.

    Args:
        item: the TAR.
        task: what is asked.
        source: the bucket it is in.
        target: the bucket that gets the ``.pt``.
        extract: the reader.

    Returns:
        The row of its part, and what the driver hears.

    Raises:
        ConfigurationError: and ``EndpointUnreachable``, ``StorageFull``: no other item would go better.
    """
    began = time.perf_counter()
    now = datetime.now(UTC)
    row = common_columns(item, task, extracted_at=now, worker=worker_name())
    tar = ObjectSource(source, item.key, size=item.size, etag=item.etag)
    code = message = None
    put_s = 0.0
    clock = _Clock(extract)
    try:
        session = extract(tar, task.spec)
        columns = session_columns(session)
        if task.store:
            body = dump(session, s3_key=item.key, source_etag=item.etag, spec=task.spec, extracted_at=now.isoformat())
            del session  # the frames of a session are 20 MB and more: not twice
            put_began = time.perf_counter()
            columns |= _put(target, pt_key(item.key), body)
            put_s = time.perf_counter() - put_began
        row |= {**columns, "device": task.device}
    except _FATAL:
        raise
    except Exception as error:  # noqa: BLE001 - a bad TAR, and a bug that one TAR meets, must not stop the batch
        row |= error_columns(item, error)
        code, message = row["error_code"], row["error_message"]
        level = logging.WARNING if isinstance(error, TelecineError) else logging.ERROR
        _log.log(level, "%s: %s: %s", item.key, code, message, extra={"item": item.key, "code": code})
    row |= {"bytes_read": tar.bytes_read, "seconds": time.perf_counter() - began, "cpu_s": clock.read()}
    return row, ItemResult(
        item=item,
        code=code,
        message=message,
        retryable=bool(row.get("error_retryable")),
        seconds=row["seconds"],
        store_s=tar.seconds + put_s,
        bytes_read=tar.bytes_read,
        bytes_written=row.get("pt_size") or 0,
        cpu_s=row["cpu_s"],
        duration_s=row.get("duration_s") or 0.0,
        sampled=row.get("sampled") or 0,
        repeated=row.get("repeated") or 0,
        decoded=row.get("decoded") or 0,
        reader=row.get("reader"),
    )


def extract_batch(
    batch: Batch, task: Task, *, source: ObjectStore, target: ObjectStore, extract: Extract
) -> BatchResult:
    """Read a batch and commit it; see :func:`extract_item` for arguments and errors.

    Before an error that ends the run is raised, what is done of the batch is committed.
    """
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    results: list[ItemResult] = []
    try:
        for item in batch.items:
            row, result = extract_item(item, task, source=source, target=target, extract=extract)
            rows.append(row)
            results.append(result)
    except _FATAL:
        if rows:
            write_part(target, rows)
        raise
    return BatchResult(
        number=batch.number,
        part=write_part(target, rows),
        items=tuple(results),
        worker=worker_name(),
        seconds=time.perf_counter() - began,
        metrics=tuple(store.metrics.snapshot(reset=True) for store in (source, target)),
        device=task.device,
        group=cluster_group(),
    )


def commit(items: Sequence[tuple[Item, BaseException]], task: Task, target: ObjectStore) -> list[ItemResult]:
    """Commit the errors of items that no worker could read: missing ones, and those that killed their worker.

    Args:
        items: with their errors; may be empty.
        task: what was asked.
        target: the bucket that gets the part.
    """
    now = datetime.now(UTC)
    rows = [
        common_columns(item, task, extracted_at=now, worker=worker_name()) | error_columns(item, error)
        for item, error in items
    ]
    if rows:
        write_part(target, rows)
    return [
        ItemResult(item, row["error_code"], row["error_message"], row["error_retryable"], 0.0, 0.0, 0, 0)
        for (item, _), row in zip(items, rows, strict=True)
    ]


class BatchRunner:
    """What a worker keeps between batches: its stores and its reader.

    Args:
        source: the bucket with the TARs.
        target: the bucket that gets the ``.pt`` files and parts.
        task: what is asked; ``device`` may still be ``auto``.
        make_extract: from the device, makes the reader.
    """

    def __init__(
        self, source: ObjectStore, target: ObjectStore, task: Task, make_extract: Callable[[str], Extract]
    ) -> None:
        self._source = source
        self._target = target
        self._task = replace(task, device=find_device(task.device))
        self._extract = make_extract(self._task.device)

    def run(self, batch: Batch, /) -> BatchResult:
        """Read and commit one batch."""
        return extract_batch(batch, self._task, source=self._source, target=self._target, extract=self._extract)


def find_device(asked: str) -> str:
    """Say where statistics are computed: ``cpu`` or ``cuda``.

    Args:
        asked: ``auto`` takes ``cuda`` where torch has it.

    Raises:
        ConfigurationError: ``cuda`` is asked for and not there.
    """
    if asked == "cpu":
        return asked
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise ConfigurationError("--device cuda: torch sees no CUDA device here; valid is auto or cpu")
    return "cpu"


class _Clock:
    # CPU seconds of this process and of the reader's, if it has one.

    def __init__(self, extract: Extract) -> None:
        self._extract = extract
        self._own = time.process_time()
        self._pid, self._other = self._child()

    def read(self) -> float | None:
        pid, other = self._child()
        if pid is None:
            # Killed with its figures; or the reader has no process.
            return None if hasattr(self._extract, "pid") else time.process_time() - self._own
        return time.process_time() - self._own + other - (self._other if pid == self._pid else 0.0)

    def _child(self) -> tuple[int | None, float]:
        pid: int | None = getattr(self._extract, "pid", None)
        if pid is None:
            return None, 0.0
        try:
            # proc_pid_stat(5): fields 14 and 15, utime and stime; the command before them may hold blanks.
            fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None, 0.0
        return pid, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _put(target: ObjectStore, key: str, body: memoryview) -> dict[str, Any]:
    import hashlib

    info = target.put(key, body)
    return {
        "stored": True,
        "pt_key": key,
        "pt_size": info.size,
        "pt_etag": info.etag,
        "pt_sha256": hashlib.sha256(body).hexdigest(),
    }
