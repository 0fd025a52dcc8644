"""Screenalytics runs as a producer writes them: good ones, and ones broken on purpose."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.errors import Rejected
from jobs.screenalytics.keys import manifest_key
from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.reading.fetch import fetch_manifest
from jobs.screenalytics.reading.run import read_run
from jobs.screenalytics.settings import IngestSettings
from tests.fakes.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.screenalytics.model import ScreenalyticsRun, SkippedRun
    from shared.storage import ObjectStore

__all__ = [
    "DROP",
    "EP_ID",
    "NOW",
    "RUN_ID",
    "cast_row",
    "encode",
    "make_run",
    "manifest_of",
    "put_run",
    "read_files",
    "rejected",
    "screentime",
    "screentime_row",
]

RUN_ID: Final = "Attempt3_2025-12-23_101500EST"
EP_ID: Final = "rhoslc-s06e11"
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
DROP: Final = object()
"""As a value in ``manifest`` or ``artifact``: leave the field out."""

_FILES: Final = {"screentime.v1": "analytics/screentime.json", "cast_screentime.v1": "person_metrics.json"}


def encode(document: Any) -> bytes:
    """Return a JSON document as bytes; bytes are returned unchanged."""
    return document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()


def screentime_row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an entry of ``metrics`` in screentime.json."""
    seen = round(400 + number % 900 * 2.03, 2)
    body = round(seen + 49.47, 2)
    row = {
        "name": f"Person {number}",
        "cast_id": str(uuid.UUID(int=0x6A1F << 112 | number)),
        "person_id": f"p_{number:04d}",
        "face_visible_seconds": seen,
        "body_visible_seconds": body,
        "body_only_seconds": round(body - seen, 2),
        "gap_bridged_seconds": 3.1,
        "visual_s": seen,
        "speaking_s": round(100 + number % 900 * 0.25, 2),
        "both_s": 0.0,
        "confidence": 0.871,
        "tracks_count": 24,
        "faces_count": 3011,
    }
    return _changed(row, changes)


def cast_row(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an entry of person_metrics.json (cast_screentime.v1)."""
    row = {
        "person_id": str(uuid.UUID(int=0xB7F1 << 112 | number)),
        "screen_time_seconds": round(400 + number % 900 * 2.031, 3),
        "frame_count": 402,
        "confidence_avg": 0.8712,
        "metadata": {"display_name": f"Person {number}", "segment_count": 402},
    }
    return _changed(row, changes)


def screentime(
    rows: Sequence[Mapping[str, Any]], *, run_id: str | None = RUN_ID, ep_id: str = EP_ID, **changes: Any
) -> dict[str, Any]:
    """Return a screentime.json with these ``metrics``."""
    document = {
        "episode_id": ep_id,
        "run_id": run_id,
        "generated_at": "2025-12-23T15:16:09.412Z",
        "diagnostics": {"speaking_time_computed": True, "tracks_total": 24},
        "metadata": {"body_tracking_enabled": True, "body_metrics_available": True},
        "math": {
            "cast_union_coverage_s": 402.03,
            "cast_sum_time_s": 402.03,
            "multi_cast_overlap_s": 0.0,
            "self_overlap_top_casts": [],
        },
        "metrics": list(rows),
        "timeline": [{"name": "Unassigned", "cast_id": None, "intervals": [[12.5, 14.0]]}],
    }
    return _changed(document, changes)


def make_run(
    run_id: str = RUN_ID,
    *,
    ep_id: str = EP_ID,
    prefix: str = "derived",
    persons: int = 3,
    kind: str = "screentime.v1",
    status: str = "success",
    rows: Sequence[Mapping[str, Any]] | None = None,
    document: Any = None,
    manifest: Mapping[str, Any] | None = None,
    artifact: Mapping[str, Any] | None = None,
    more: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> dict[str, bytes]:
    """Return the objects of a run, key -> body: its artifact, then its manifest.

    Args:
        run_id: run id in the folder, the manifest and the artifact.
        ep_id: episode in both.
        prefix: the folder above ``runs/``; empty for none.
        persons: number of persons, counted from 1, unless ``rows`` are given.
        kind: ``screentime.v1`` or ``cast_screentime.v1``.
        status: status in the manifest.
        rows: rows of the artifact, instead of ``persons``.
        document: the whole artifact, as a JSON value or as bytes, instead of ``rows``.
        manifest: fields to replace or add in the manifest; :data:`DROP` removes one.
        artifact: the same for the artifact's entry; size and checksum are otherwise those of its body.
        more: further artifact entries, unchanged.
        fields: the same as ``manifest``, such as ``attempt=4``.
    """
    folder = f"{prefix}/runs/{run_id}" if prefix else f"runs/{run_id}"
    if rows is None:
        make = cast_row if kind == "cast_screentime.v1" else screentime_row
        rows = [make(number + 1) for number in range(persons)]
    if document is None:
        document = list(rows) if kind == "cast_screentime.v1" else screentime(rows, run_id=run_id, ep_id=ep_id)
    body = encode(document)
    key = f"{folder}/{_FILES.get(kind, 'artifact.json')}"
    reference = {
        "artifact_key": "screentime",
        "artifact_kind": "person_metrics",
        "s3_key": key,
        "schema_version": kind,
        "content_type": "application/json",
        "size_bytes": len(body),
        "checksum_sha256": hashlib.sha256(body).hexdigest(),
        "row_count": len(rows),
    }
    whole = {
        "schema_version": "1.0",
        "run_id": run_id,
        "ep_id": ep_id,
        "status": status,
        "started_at": "2025-12-23T15:15:00Z",
        "completed_at": "2025-12-23T15:16:12Z",
        "attempt": 3,
        "duration_ms": 2_580_000,
        "artifacts": [_changed(reference, artifact or {}), *more],
    }
    return {key: body, f"{folder}/manifest.json": encode(_changed(whole, {**(manifest or {}), **fields}))}


def manifest_of(files: Mapping[str, bytes]) -> tuple[str, dict[str, Any]]:
    """Return key and document of a run's manifest."""
    key = next(key for key in files if key.endswith("/manifest.json"))
    return key, json.loads(files[key])


def put_run(store: ObjectStore, files: Mapping[str, bytes]) -> str:
    """Write a run as a careful producer does, the manifest last; return its key."""
    manifest = manifest_of(files)[0]
    for key, body in files.items():
        if key != manifest:
            store.put(key, body)
    store.put(manifest, files[manifest])
    return manifest


def read_files(
    files: Mapping[str, bytes] | ObjectStore,
    *,
    run_id: str = RUN_ID,
    prefix: str = "derived",
    now: datetime = NOW,
    **settings: Any,
) -> ScreenalyticsRun | SkippedRun:
    """Fetch and read a run, as ingest does.

    Args:
        files: objects, or a store that has them.
        run_id: run id in the manifest's key.
        prefix: the folder above ``runs/``.
        now: by default long after the grace of a :class:`~tests.fakes.store.MemoryStore`'s objects.
        settings: values for ``IngestSettings``.
    """
    store: Any = files if hasattr(files, "stream") else MemoryStore(files)
    source = IngestSettings(prefix=prefix, **settings)
    ref = ManifestRef(run_id, manifest_key(prefix, run_id))
    return read_run(store, fetch_manifest(store, ref, source), source, now=now)


def rejected(files: Mapping[str, bytes] | ObjectStore, **more: Any) -> Rejected:
    """Return the error of a run that must be rejected; see :func:`read_files`."""
    try:
        found = read_files(files, **more)
    except Rejected as error:
        return error
    raise AssertionError(f"not rejected: {found}")


def _changed(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not DROP}
