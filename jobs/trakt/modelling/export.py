"""Gold in the bucket: the Parquet files of a build, then its manifest, then the pointer to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.modelling.errors import ModelFailed
from shared.errors import IntegrityError, ObjectMissing

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.trakt.modelling.environment import Workplace
    from shared.storage import ObjectStore

__all__ = ["TABLES", "Exported", "build_id_of", "is_exported", "put_gold", "read_export"]

_ROOT: Final = "gold"
_FORMAT: Final = 1
TABLES: Final[dict[str, str]] = {
    "trakt_titles": "all",
    "trakt_comments_daily": "all",
    "trakt_engagement_daily": "days",
    "trakt_metrics_daily": "days",
    "trakt_quadrants_daily": "days",
}
"""Published table -> ``all`` if its file is the whole table, ``days`` if it replaces only the days that it contains."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The exports of a build.

    Attributes:
        as_of: the day for which metrics were computed, as text.
        source_system: trakt or replay.
        loads: number of loads that the build took.
        rows: model -> rows.
        first_day: day of the first comment that counts, as text; empty without comments.
    """

    as_of: str
    source_system: str
    loads: int
    rows: dict[str, int]
    first_day: str = ""


def read_export(work: Workplace) -> Exported | None:
    """Return what the hooks of the project exported; None if no load has been taken.

    Raises:
        IntegrityError: the build succeeded but exported nothing.
        ModelFailed: bronze has rows of Trakt and of the replayer.
    """
    try:
        lines = (work.gold / "build.json").read_text(encoding="utf-8").splitlines()
        rows = {
            one["model"]: one["n"]
            for one in map(json.loads, (work.gold / "rows.json").read_text(encoding="utf-8").splitlines())
        }
    except OSError as error:
        raise IntegrityError(
            f"the build exported no gold: {error.strerror}; expected {work.gold}/build.json"
        ) from error
    if not lines:
        return None
    found = json.loads(lines[0])
    sources = sorted(found["source_system"].split(","))
    if len(sources) > 1:
        raise ModelFailed(
            f"bronze has rows of {' and '.join(sources)}; expected rows of one source: synthetic comments would be "
            "mixed with real ones; nothing was replaced; use a bucket for each source",
            sources=sources,
        )
    return Exported(found["as_of"], found["source_system"], found["loads"], rows, found.get("first_day") or "")


def build_id_of(*, version: int, as_of: str, key: str, table_id: str, engagement_days: int) -> str:
    """Return the name of a build, which its inputs determine."""
    mark = hashlib.sha256(f"{key}\0{table_id}".encode()).hexdigest()[:12]
    return f"v{version}-{as_of}-{engagement_days}d-{mark}"


def is_exported(store: ObjectStore, build_id: str, *, pinned: bool = False) -> bool:
    """Return whether the bucket has the build, and its pointer names it unless the build is pinned."""
    try:
        store.stat(f"{_ROOT}/{build_id}/manifest.json")
        if pinned:
            return True
        pointer = json.loads(store.read(f"{_ROOT}/current.json"))
    except (ObjectMissing, ValueError):
        return False
    return isinstance(pointer, dict) and pointer.get("build") == build_id


def put_gold(
    store: ObjectStore,
    work: Workplace,
    exported: Exported,
    *,
    build_id: str,
    version: int,
    erasures: int,
    project: str,
    run_id: str,
    pinned: bool = False,
) -> dict[str, int]:
    """Put the files of a build, its manifest, and the pointer; return the bytes of each table.

    Args:
        store: the bucket.
        work: has the files.
        exported: what the hooks exported.
        build_id: its name.
        version: version of the bronze table.
        erasures: erasures of the bronze table up to that version.
        project: hash of the project.
        run_id: recorded in the manifest.
        pinned: the build is of a version that was asked for; the pointer stays.
    """
    tables: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for table, replaces in TABLES.items():
        path = work.gold / f"{table}.parquet"
        digest = _sha256(path)
        # Named by its content: a build that is made again cannot change a file while it is being read.
        name = f"{table}-{digest[:16]}.parquet"
        with path.open("rb") as body:
            sizes[table] = store.put(f"{_ROOT}/{build_id}/{name}", body).size
        tables[table] = {"file": name, "rows": exported.rows[table], "sha256": digest, "replaces": replaces}
    manifest = {
        "format": _FORMAT,
        "bronze_version": version,
        "erasures": erasures,
        "project_hash": project,
        "as_of": exported.as_of,
        "run_id": run_id,
        "pinned": pinned,
        "source_system": exported.source_system,
        "tables": tables,
    }
    store.put(f"{_ROOT}/{build_id}/manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
    if not pinned:
        store.put(f"{_ROOT}/current.json", json.dumps({"build": build_id}).encode())
    return sizes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
