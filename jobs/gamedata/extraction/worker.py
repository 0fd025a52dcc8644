"""The worker side of extraction: read each TAR of a batch, store its ``.pt`` file, then commit the batch as one part.

The order makes a kill harmless: a ``.pt`` file without a part is written again, and a part is never written before its
files.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from jobs.gamedata.compute.rayjob import cluster_group
from jobs.gamedata.extraction._rows import common_columns, error_columns, session_columns
from jobs.gamedata.extraction.batches import Batch, BatchResult, Item, ItemResult, RunContext
from jobs.gamedata.parts.store import write_part
from jobs.gamedata.pt.file import dump, pt_key
from jobs.gamedata.ranges.object_source import ObjectSource
from shared.errors import (
    ConfigurationError,
    EndpointUnreachable,
    ItemError,
    ObjectMissing,
    RequestRefused,
    StorageFull,
    TelecineError,
)
from shared.storage import is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.gamedata.model import SamplingSpec, Session
    from jobs.gamedata.ranges.source import RangeSource
    from shared.storage import ObjectStore

__all__ = [
    "BatchRunner",
    "ExtractSession",
    "commit_failures",
    "extract_batch",
    "extract_item",
    "resolve_device",
    "worker_name",
]

# Errors that would hit every other item too: access denied, a missing bucket, a full disk, no network.
_FATAL: Final = (ConfigurationError, EndpointUnreachable, StorageFull)

# Objects that are tried to tell a refused TAR from a refused bucket.
_OTHERS: Final = 20

_log = logging.getLogger(__name__)


class ExtractSession(Protocol):
    """A callable that reads one TAR; :class:`jobs.gamedata.session.child.DecodeChild` runs in a separate process."""

    def __call__(self, source: RangeSource, spec: SamplingSpec, /) -> Session:
        """Return the session or raise an ``ItemError``."""


def worker_name() -> str:
    """Return the name of this process: ``host:pid``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def extract_item(
    item: Item, context: RunContext, *, source: ObjectStore, target: ObjectStore, extract: ExtractSession
) -> tuple[dict[str, Any], ItemResult]:
    """Read one TAR and store its ``.pt`` file, without committing it.

    Args:
        item: the TAR.
        context: values shared by the run.
        source: bucket with the TAR.
        target: bucket for the ``.pt`` file.
        extract: callable that reads the TAR.

    Returns:
        The row for the part, and the result for the driver.

    Raises:
        ConfigurationError: a bucket is missing or access is denied.
        EndpointUnreachable: the store cannot be reached.
        StorageFull: the target is full.
    """
    began = time.perf_counter()
    extracted_at = datetime.now(UTC)
    row = common_columns(item, context, extracted_at=extracted_at, worker=worker_name())
    tar = ObjectSource(source, item.key, size=item.size, etag=item.etag)
    code = message = None
    put_s = 0.0
    clock = _CpuClock(extract)
    try:
        session = extract(tar, context.spec)
        columns = session_columns(session)
        if context.store:
            body = dump(
                session,
                s3_key=item.key,
                source_etag=item.etag,
                spec=context.spec,
                extracted_at=extracted_at.isoformat(),
            )
            del session  # do not keep its frames (20 MB or more) in memory a second time
            put_began = time.perf_counter()
            columns |= _put(target, pt_key(item.key), body)
            put_s = time.perf_counter() - put_began
        row |= {**columns, "device": context.device}
    except _FATAL:
        raise
    except Exception as error:  # noqa: BLE001 - a bad TAR, or a bug that it triggers, must not stop the batch
        if isinstance(error, ItemError) and error.code == "tar_refused" and not _returns_others(source, item.key):
            raise error.__cause__ or error from None
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


def _returns_others(source: ObjectStore, key: str) -> bool:
    """Return whether the store returns another TAR, one of the first that it lists; False if it may not be listed."""
    try:
        listed = islice((info.key for info in source.list() if info.key != key and info.size), _OTHERS)
        for other in listed:
            with suppress(ObjectMissing):
                if is_readable(source, other):
                    return True
    except RequestRefused:
        pass
    return False


def extract_batch(
    batch: Batch, context: RunContext, *, source: ObjectStore, target: ObjectStore, extract: ExtractSession
) -> BatchResult:
    """Read a batch and commit it; see :func:`extract_item` for arguments and errors.

    Before an error that ends the run is raised, the finished items of the batch are committed.
    """
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    results: list[ItemResult] = []
    try:
        for item in batch.items:
            row, result = extract_item(item, context, source=source, target=target, extract=extract)
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
        device=context.device,
        group=cluster_group(),
    )


def commit_failures(
    items: Sequence[tuple[Item, BaseException]], context: RunContext, target: ObjectStore
) -> list[ItemResult]:
    """Commit rows for items that have only an error: missing TARs, and TARs that killed their worker.

    Args:
        items: items and their errors; may be empty.
        context: values shared by the run.
        target: bucket for the part.

    Returns:
        The result of each item, for the driver.
    """
    extracted_at = datetime.now(UTC)
    rows = [
        common_columns(item, context, extracted_at=extracted_at, worker=worker_name()) | error_columns(item, error)
        for item, error in items
    ]
    if rows:
        write_part(target, rows)
    return [
        ItemResult(item, row["error_code"], row["error_message"], row["error_retryable"], 0.0, 0.0, 0, 0)
        for (item, _), row in zip(items, rows, strict=True)
    ]


class BatchRunner:
    """A worker's state between batches: its stores and its reader.

    Args:
        source: bucket with the TARs.
        target: bucket for the ``.pt`` files and parts.
        context: values shared by the run; ``device`` may be ``auto``.
        make_extract: creates the reader for a device.
    """

    def __init__(
        self,
        source: ObjectStore,
        target: ObjectStore,
        context: RunContext,
        make_extract: Callable[[str], ExtractSession],
    ) -> None:
        self._source = source
        self._target = target
        self._context = replace(context, device=resolve_device(context.device))
        self._extract = make_extract(self._context.device)

    def run(self, batch: Batch, /) -> BatchResult:
        """Read and commit one batch."""
        return extract_batch(batch, self._context, source=self._source, target=self._target, extract=self._extract)


def resolve_device(requested: str) -> str:
    """Return the device for the statistics: ``cpu`` or ``cuda``.

    Args:
        requested: ``cpu``, ``cuda``, or ``auto``: ``cuda`` if torch finds it.

    Raises:
        ConfigurationError: ``cuda`` is requested but not available.
    """
    if requested == "cpu":
        return requested
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if requested == "cuda":
        raise ConfigurationError("--device cuda: torch finds no CUDA device on this machine; expected auto or cpu")
    return "cpu"


class _CpuClock:
    # Measures the CPU time of this process and of its decoder process, if there is one.

    def __init__(self, extract: ExtractSession) -> None:
        self._extract = extract
        self._started = time.process_time()
        self._pid, self._child_started = self._child()

    def read(self) -> float | None:
        pid, child_s = self._child()
        if pid is None:
            # The decoder process was killed, so its CPU time is unknown, or there is none.
            return None if hasattr(self._extract, "pid") else time.process_time() - self._started
        return time.process_time() - self._started + child_s - (self._child_started if pid == self._pid else 0.0)

    def _child(self) -> tuple[int | None, float]:
        pid: int | None = getattr(self._extract, "pid", None)
        if pid is None:
            return None, 0.0
        try:
            # proc_pid_stat(5): fields 14 and 15, utime and stime. The command name before them may contain spaces.
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
