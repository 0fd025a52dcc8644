"""The command `telecine vacuum`: delete old reports, artifacts and rows; never `.pt` files, parts, TARs or uploads."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.database.expiry import delete_old_rows, expiring_tables
from shared.database.session import transaction
from shared.errors import BucketMissing
from shared.ledger.closing import interrupt_stale_runs
from shared.logs import in_pod
from shared.storage import open_store

if TYPE_CHECKING:
    from shared.retention.settings import VacuumSettings

__all__ = ["vacuum"]

# Data that is never deleted, whatever its age and place: sessions, manifests, parts, programs, recordings, uploads.
_DATA: Final = (".pt", ".parquet", ".tar", ".pt2", ".csv", ".xlsx")
# Received files: an object has a random name, and console.files its URI.
_RECEIVED: Final = "console/"
_RECEIVED_KEY: Final = re.compile(r"console/[0-9a-f]{32}")
_BATCH: Final = 1_000
_DATA_FOLDERS: Final = frozenset({"_stats", "_manifests", "_checks", "_sprites", "uploads"})
# Viewership keeps each raw file under its SHA-256, without a suffix: `verify` recomputes from them.
_RAW: Final = re.compile(r"(?:^|/)raw/[0-9a-f]{2}/[0-9a-f]{64}$")


def vacuum(settings: VacuumSettings) -> str:
    """Delete everything older than ``--days`` and report what was deleted.

    Of objects, only reports and artifacts are deleted: never a ``.pt`` file, a part, a manifest, a TAR or an upload,
    whichever bucket is given. Of the database, only rows of tables that a migration declares as expiring: ended runs
    with their stages and errors, attempts to ingest a Screenalytics run, viewership's log, replaced matches and
    delivered events, and the console's audit log, its expired tokens, and browser sessions.
    Of the bucket of uploads, only files that the console received go, if no row names them.
    Uploads with their raw files and rows, final rows and decisions stay: `verify` recomputes from them.

    Raises:
        BucketMissing: the bucket does not exist.
        AccessDenied: the bucket cannot be listed, or its objects cannot be deleted.
        DatabaseUnreachable: no connection.
    """
    before = datetime.now(UTC) - timedelta(days=settings.days)
    prefix = f"{settings.namespace}/" if settings.namespace else ""
    places = [(settings.artifacts, prefix)]
    if not in_pod():
        folder = os.path.abspath(os.path.join(settings.state_dir, "reports"))  # noqa: PTH100, PTH118 - becomes a URI
        places.append((f"file://{folder}", ""))
    verb = "would delete" if settings.dry_run else "deleted"
    lines = [f"{verb} everything older than {settings.days} days:"]
    for uri, below in places:
        count, size = _clear(uri, below, before, settings)
        lines.append(f"  {count:,} objects ({size / 1e6:,.1f} MB) in {uri}/{below}")
    if not settings.dry_run:
        interrupt_stale_runs(settings)
    for table in expiring_tables():
        rows = delete_old_rows(settings, table, settings.days, dry_run=settings.dry_run)
        lines.append(f"  {rows:,} {table.label}")
    # After the rows: the bytes of a file whose row has just gone go, too.
    count, size = _clear_received(before, settings)
    lines.append(f"  {count:,} files without a row ({size / 1e6:,.1f} MB) in {settings.viewership_bucket}/{_RECEIVED}")
    return "\n".join(lines)


def _clear(uri: str, prefix: str, before: datetime, settings: VacuumSettings) -> tuple[int, int]:
    store = open_store(uri, settings)
    count = size = 0
    try:
        for info in store.list(prefix):
            if info.modified < before and not _is_data(info.key):
                count, size = count + 1, size + info.size
                if not settings.dry_run:
                    store.delete(info.key)
    except BucketMissing:
        if not uri.startswith("file:"):
            raise
    return count, size


def _clear_received(before: datetime, settings: VacuumSettings) -> tuple[int, int]:
    """Delete old bytes that the console received but recorded nowhere: it was killed between the two, or the row went.

    A stored upload has a copy of its own below raw/.
    """
    store = open_store(settings.viewership_bucket, settings)
    count = size = 0
    # Not every installation has uploads.
    with suppress(BucketMissing):
        listed = store.list(_RECEIVED)
        while infos := list(islice(listed, _BATCH)):
            old = {info.key: info for info in infos if info.modified < before and _RECEIVED_KEY.fullmatch(info.key)}
            with transaction(settings) as session:
                rows = session.rows(
                    "SELECT regexp_replace(uri, '^.*/', '') AS name FROM console.files"
                    " WHERE regexp_replace(uri, '^.*/', '') = ANY(:names)",
                    names=[key.rpartition("/")[2] for key in old],
                )
            known = {f"{_RECEIVED}{row.name}" for row in rows}
            for info in old.values():
                if info.key not in known:
                    count, size = count + 1, size + info.size
                    if not settings.dry_run:
                        store.delete(info.key)
    return count, size


def _is_data(key: str) -> bool:
    if key.lower().endswith(_DATA) or _RAW.search(key):
        return True
    return not _DATA_FOLDERS.isdisjoint(key.split("/"))
