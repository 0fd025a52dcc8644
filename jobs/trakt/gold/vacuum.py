"""Delete builds of gold that are neither published nor current."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.trakt.gold.build import MANIFEST, ROOT, read_build
from jobs.trakt.gold.publish import lock_gold
from shared.errors import DataError, UsageError

if TYPE_CHECKING:
    from jobs.trakt.gold.build import Build
    from shared.database.session import DatabaseSession
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["StoredBuild", "vacuum_builds"]


@dataclass(frozen=True, slots=True)
class StoredBuild:
    """A build in the bucket.

    Attributes:
        build_id: name of its folder.
        size: bytes of its objects.
        modified: time of its last change.
        is_deleted: whether it is deleted; in a dry run, whether it would be.
        reason: why it is kept or deleted.
    """

    build_id: str
    size: int
    modified: datetime
    is_deleted: bool
    reason: str


def vacuum_builds(
    session: DatabaseSession,
    store: ObjectStore,
    *,
    retention_days: int,
    erasures: int,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[StoredBuild]:
    """Delete old builds, and all builds that were made before the last erasure; return all builds, the oldest first.

    The published build and the current one are always kept. Publish reads a build, and the models write one, under the
    lock that is held here: a build is never deleted while it is read, nor while it becomes the current one.

    Args:
        session: a transaction of its own.
        store: the bucket.
        retention_days: days to keep other builds, so that an older one can be published again.
        erasures: number of erasures of the bronze table.
        dry_run: only report.
        now: for tests; None uses the clock.

    Raises:
        DatabaseNotMigrated: it is not known which build is published, so none is deleted.
        TransientError: another publication took more than ten minutes, or the store failed.
    """
    lock_gold(session)
    published = session.rows("SELECT build_id FROM gold.trakt_versions ORDER BY version_id DESC LIMIT 1")
    folders: defaultdict[str, list[ObjectInfo]] = defaultdict(list)
    for info in store.list(ROOT):
        name, slash, _ = info.key.removeprefix(ROOT).partition("/")
        if slash:
            folders[name].append(info)
    before = (now or datetime.now(UTC)) - timedelta(days=retention_days)
    current = _read(store, None)
    newest = max(folders, key=lambda name: _modified(folders[name]), default="")
    kept = {"current" if current else "newest": current.build_id if current else newest}
    if published:
        kept["published"] = published[0].build_id
    found = []
    for name, objects in sorted(folders.items(), key=lambda each: _modified(each[1])):
        build = _read(store, name) if any(one.key == f"{ROOT}{name}/{MANIFEST}" for one in objects) else None
        is_former = build is not None and build.erasures < erasures
        names = [state for state, kept_name in kept.items() if kept_name == name]
        if names:
            deleted = False
            reason = " and ".join(names) + (", made before an erasure: model and publish again" if is_former else "")
        elif is_former:
            deleted, reason = True, "made before an erasure"
        else:
            deleted = _modified(objects) < before
            age = f"{'older' if deleted else 'newer'} than {retention_days} days"
            reason = age if build is not None else f"incomplete, {age}"
        found.append(StoredBuild(name, sum(one.size for one in objects), _modified(objects), deleted, reason))
        if deleted and not dry_run:
            # Delete the manifest first: without it there is no build, and if killed, the next vacuum removes the rest.
            for one in sorted(objects, key=lambda each: not each.key.endswith(f"/{MANIFEST}")):
                store.delete(one.key)
    return found


def _read(store: ObjectStore, build_id: str | None) -> Build | None:
    """Return a build, None if it cannot be read; by default the current one."""
    try:
        return read_build(store, build_id, build_again="telecine trakt model")
    except (UsageError, DataError):
        return None


def _modified(objects: list[ObjectInfo]) -> datetime:
    return max(one.modified for one in objects)
