"""Check the database and the buckets: connection, version, rights, clock; write and delete a small object."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.database import problems
from shared.database.connection import is_embedded, shown
from shared.database.migrate import ready
from shared.errors import BucketMissing, TelecineError
from shared.finding import Finding, of_error
from shared.ledger import history
from shared.logs import in_pod
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.doctor.settings import DoctorSettings
    from shared.finding import FindingStatus
    from shared.storage import ObjectStore

__all__ = ["examine_database", "examine_store"]

# S3 rejects requests whose signature is 15 minutes off. For the database, skew is only a warning, because the ledger
# uses the database's own clock.
_SKEW_WARN_S: Final = 60
_SKEW_FAIL_S: Final = 900
# Runs in which the buckets in use are looked for.
_RUNS: Final = 50
_PROBE: Final = b"written by telecine doctor; safe to delete\n"


def examine_database(settings: DoctorSettings) -> Iterator[Finding]:
    """Yield findings about the database's connection, schema, permissions and clock."""
    try:
        address = shown(settings).replace("postgresql+psycopg", "postgresql", 1)
        if is_embedded(settings):
            ready(settings)
        schema_problems = problems.check(settings)
        where = "" if schema_problems else problems.whereabouts(settings)
        clock = problems.server_time(settings)
    except TelecineError as error:
        yield of_error("database", "connection", error)
        return
    yield Finding("database", "connection", "ok", address)
    for problem in schema_problems:
        yield Finding("database", "schema", "fail", problem.what, problem.fix)
    if not schema_problems:
        yield Finding("database", "schema", "ok", where)
    yield _skew("database", clock)


def examine_store(settings: DoctorSettings) -> Iterator[Finding]:
    """Yield findings from listing and reading every bucket, writing to the write buckets, and the store's clock.

    Outside a pod, buckets of the latest runs replace the default ones, unless settings name some.
    """
    read, written = settings.read_buckets, settings.write_buckets
    if not in_pod() and settings.model_fields_set.isdisjoint(("read_buckets", "write_buckets")):
        used = _used(settings)
        read = used or read
        # A folder of another project must get no object.
        written = tuple(uri for uri in written if not used or uri in used)
    for uri in read:
        if uri not in written:
            yield _bucket(uri, settings, write=False)[0]
    clock: datetime | None = None
    for uri in written:
        finding, server_time = _bucket(uri, settings, write=True)
        yield finding
        clock = server_time or clock
    if clock is not None:
        yield _skew("store", clock)


def _used(settings: DoctorSettings) -> tuple[str, ...]:
    """Return the buckets of the latest run of each pipeline, from the ledger; none if it cannot be read."""
    try:
        latest = {run.pipeline: run for run in reversed(history.list_runs(settings, limit=_RUNS))}
    except TelecineError:
        return ()  # the findings about the database say why
    found = {
        value: None
        for run in latest.values()
        for name, value in run.parameters.items()
        if (name == "bucket" or name.endswith("_bucket")) and isinstance(value, str) and "://" in value
    }
    return tuple(found)


def _bucket(uri: str, settings: DoctorSettings, *, write: bool) -> tuple[Finding, datetime | None]:
    store = open_store(uri, settings)
    folder = uri.startswith("file:")
    succeeded: list[str] = []
    clock = None
    try:
        first = next(iter(store.list()), None)
        succeeded.append("list")
        if first is not None:
            store.read(first.key, length=1)
            succeeded.append("read")
        if write:
            clock = _write(store)
            succeeded += ["write", "delete"]
    except BucketMissing as error:
        if folder:
            if write:
                return Finding("store", uri, "ok", "will be created on first write"), None
            fix = "Create it, or pass another with --read-buckets (here) and --source-bucket (in steps)."
            return Finding("store", uri, "warn", "folder does not exist", fix), None
        return of_error("store", uri, error), None
    except TelecineError as error:
        after = f"after {', '.join(succeeded)}: " if succeeded else ""
        return Finding("store", uri, "fail", f"{after}{error.message}", retryable=error.retryable), None
    return Finding("store", uri, "ok", f"can {', '.join(succeeded)}"), None if folder else clock


def _write(store: ObjectStore) -> datetime:
    key = f"_doctor/{uuid.uuid4().hex}"
    store.put(key, _PROBE)
    try:
        return store.stat(key).modified
    finally:
        store.delete(key)


def _skew(area: str, clock: datetime) -> Finding:
    skew = abs((datetime.now(UTC) - clock).total_seconds())
    if skew < _SKEW_WARN_S:
        return Finding(area, "clock", "ok", f"in sync ({skew:.0f} s)")
    status: FindingStatus = "fail" if skew >= _SKEW_FAIL_S and area == "store" else "warn"
    fix = "Synchronize the clocks: run chrony or systemd-timesyncd on every node."
    return Finding(area, "clock", status, f"differs from this machine's by {skew:.0f} s", fix)
