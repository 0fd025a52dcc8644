"""The database and the store: reachable, of the right version, with the rights that steps need, clocks near ours."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.database import problems
from shared.database.connection import is_embedded, shown
from shared.database.migrate import HEAD, ready
from shared.errors import BucketMissing, TelecineError
from shared.finding import Line, of_error
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.doctor.settings import DoctorSettings
    from shared.storage import ObjectStore

__all__ = ["look_at_database", "look_at_store"]

# S3 refuses requests that are signed 15 minutes off; the ledger's times are the database's own.
_SKEW_WARN_S: Final = 60
_SKEW_FAIL_S: Final = 900
_PROBE: Final = b"telecine doctor was here; this may be deleted\n"


def look_at_database(settings: DoctorSettings) -> Iterator[Line]:
    """Connect, compare the schema, ask for rights."""
    try:
        place = shown(settings).replace("postgresql+psycopg", "postgresql", 1)
        if is_embedded(settings):
            ready(settings)
        found = problems.check(settings)
        clock = problems.server_time(settings)
    except TelecineError as error:
        yield of_error("database", "connection", error)
        return
    yield Line("database", "connection", "ok", place)
    for problem in found:
        yield Line("database", "schema", "fail", problem.what, problem.fix)
    if not found:
        yield Line("database", "schema", "ok", f"version {HEAD}, environment {settings.database_environment}")
    yield _skew("database", clock)


def look_at_store(settings: DoctorSettings) -> Iterator[Line]:
    """List every bucket, read where steps read, write and delete where they write."""
    for uri in settings.read_buckets:
        yield _look(uri, settings, write=False)[0]
    clock: datetime | None = None
    for uri in settings.write_buckets:
        line, seen = _look(uri, settings, write=True)
        yield line
        clock = seen or clock
    if clock is not None:
        yield _skew("store", clock)


def _look(uri: str, settings: DoctorSettings, *, write: bool) -> tuple[Line, datetime | None]:
    store = open_store(uri, settings)
    folder = uri.startswith("file:")
    done: list[str] = []
    clock = None
    try:
        first = next(iter(store.list()), None)
        done.append("list")
        if first is not None:
            store.read(first.key, length=1)
            done.append("read")
        if write:
            clock = _write(store)
            done += ["write", "delete"]
    except BucketMissing as error:
        if folder:
            what = "is made by the first step that writes" if write else "there is no such folder"
            todo = "" if write else "Name yours: --read-buckets, --source-bucket."
            return Line("store", uri, "ok" if write else "warn", what, todo), None
        return of_error("store", uri, error), None
    except TelecineError as error:
        after = f"after {', '.join(done)}: " if done else ""
        return Line("store", uri, "fail", f"{after}{error.message}", retryable=error.retryable), None
    return Line("store", uri, "ok", f"can {', '.join(done)}"), None if folder else clock


def _write(store: ObjectStore) -> datetime:
    key = f"_doctor/{uuid.uuid4().hex}"
    store.put(key, _PROBE)
    try:
        return store.stat(key).modified
    finally:
        store.delete(key)


def _skew(area: str, clock: datetime) -> Line:
    off = abs((datetime.now(UTC) - clock).total_seconds())
    said = f"{off:.0f} s from this machine's"
    if off < _SKEW_WARN_S:
        return Line(area, "clock", "ok", said)
    todo = "Set the clocks: chrony or systemd-timesyncd on every node."
    return Line(area, "clock", "fail" if off >= _SKEW_FAIL_S and area == "store" else "warn", said, todo)
