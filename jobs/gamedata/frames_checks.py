"""Checks over the frames of ``.pt`` files: run on Ray, results kept per ``.pt`` and per version of the check.

Results are small Parquet files under ``_checks/<digest>/``: the digest stands for the check's file, its name and the
settings that it sees, so another version finds nothing there. Failures are not kept; the next manifest tries again.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ObjectMissing, TelecineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.gamedata.checks.load import CheckFile
    from jobs.gamedata.checks.registry import Check
    from jobs.gamedata.settings import ManifestSettings
    from shared.storage import ObjectStore

__all__ = ["CHECKS", "MENU_MODEL", "FrameResults", "FrameTask", "Work", "digest_of", "evaluate", "run_frames"]

CHECKS: Final = "_checks/"
MENU_MODEL: Final = "menu_model"
# Rises when results that are kept get another meaning.
_VERSION: Final = 1
# What a check can see of the settings; places, logs and workers do not change a result.
_SEEN: Final = ("dark_luma", "dark_share", "menu_threshold")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrameTask:
    """One ``.pt`` file to look at."""

    s3_key: str
    pt_key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Work:
    """What workers need: plain values that travel.

    Attributes:
        store_uri: the manifest bucket.
        settings: the step's.
        files: researchers' check files.
        digests: name of a frames check (or ``menu_model``) -> digest that its results are kept under.
    """

    store_uri: str
    settings: ManifestSettings
    files: tuple[CheckFile, ...]
    digests: Mapping[str, str]


@dataclass(slots=True)
class FrameResults:
    """Results by check and ``(pt_key, etag)``; errors likewise, as ``(message, traceback)``."""

    values: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    errors: dict[str, dict[tuple[str, str], tuple[str, str]]] = field(default_factory=dict)

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows of :func:`evaluate`."""
        for row in rows:
            identity = (row["pt_key"], row["etag"])
            if row["error"] is None:
                self.values.setdefault(row["check"], {})[identity] = json.loads(row["value"])
            else:
                self.errors.setdefault(row["check"], {})[identity] = (row["error"], row["traceback"])


def digest_of(name: str, source: str, settings: ManifestSettings) -> str:
    """Name a check's version: 16 hex digits.

    Args:
        name: the check's.
        source: sha256 of the file that defines it, or of the model.
        settings: the step's.
    """
    seen = {key: getattr(settings, key) for key in _SEEN}
    document = json.dumps({"version": _VERSION, "name": name, "source": source, "settings": seen}, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:16]


def remembered(store: ObjectStore, digests: Mapping[str, str]) -> FrameResults:
    """Read the results that earlier manifests committed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = FrameResults()
    for name, digest in digests.items():
        found.values[name] = {}
        for info in store.list(f"{CHECKS}{digest}/"):
            try:
                rows = pq.read_table(io.BytesIO(store.read(info.key))).to_pylist()
                found.take({**row, "check": name, "error": None} for row in rows)
            except ObjectMissing:
                continue
            except (pa.ArrowException, ValueError, KeyError, OSError) as error:
                _log.warning("%s/%s cannot be read (%s): its checks run again", store.uri, info.key, error)
    return found


def commit(store: ObjectStore, digest: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep results; the same ones go to the same key, so that two manifests at once do no harm."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = [{key: row[key] for key in ("pt_key", "etag", "value")} for row in rows]
    name = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(kept), stream, compression="zstd")
    store.put(f"{CHECKS}{digest}/{name}.parquet", stream.getbuffer())


def evaluate(work: Work, tasks: Sequence[FrameTask], wanted: Mapping[str, frozenset[str]]) -> list[dict[str, Any]]:
    """Run checks over some ``.pt`` files, commit what they gave, and return it; runs in a Ray worker.

    Args:
        work: what to run.
        tasks: the files.
        wanted: check -> ``pt_key`` of the files that it has no result for.

    Returns:
        Rows of ``check, pt_key, etag, value`` (JSON), ``error, traceback`` (None where it gave a value).
    """
    from jobs.gamedata.checks.load import load_checks

    store = _open(work)
    registry = load_checks(work.files)
    checks = [check for check in registry if check.name in work.digests]
    model = None
    rows: list[dict[str, Any]] = []
    if MENU_MODEL in work.digests:
        from jobs.gamedata.menu_model import MenuModel

        model = MenuModel.of(work.settings)
    for task in tasks:
        named = [check for check in checks if task.pt_key in wanted.get(check.name, ())]
        scored = model is not None and task.pt_key in wanted.get(MENU_MODEL, ())
        rows += _one(store, task, named, model if scored else None, work.settings)
    for name, digest in work.digests.items():
        good = [row for row in rows if row["check"] == name and row["error"] is None]
        if good:
            commit(store, digest, good)
    return rows


def _open(work: Work) -> ObjectStore:
    from shared.storage import CachedStore, open_store

    store = open_store(work.store_uri, work.settings)
    if work.settings.cache_dir:
        return CachedStore(store, work.settings.cache_dir, work.settings.cache_mb)
    return store


def _one(
    store: ObjectStore, task: FrameTask, checks: Sequence[Check], model: Any, settings: ManifestSettings
) -> list[dict[str, Any]]:
    from jobs.gamedata.checks.run import CheckError, call
    from jobs.gamedata.pt import loads

    names = [check.name for check in checks] + ([MENU_MODEL] if model else [])
    base = {"pt_key": task.pt_key, "etag": task.etag, "value": None, "error": None, "traceback": None}
    try:
        data = loads(store.read(task.pt_key, etag=task.etag), name=task.pt_key)
    except TelecineError as error:
        return [{**base, "check": name, "error": error.message, "traceback": ""} for name in names]
    rows = []
    for check in checks:
        row = {**base, "check": check.name}
        try:
            row["value"] = json.dumps(call(check, data, settings))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a researcher's code: its row says what it raised
            failed = CheckError.of(check.name, error)
            row |= {"error": failed.message, "traceback": failed.traceback}
        rows.append(row)
    if model:
        row = {**base, "check": MENU_MODEL}
        try:
            row["value"] = json.dumps({"model_menu_percent": model.share(data)})
        except (RuntimeError, ValueError) as error:
            failed = CheckError.of(MENU_MODEL, error)
            row |= {"error": failed.message, "traceback": failed.traceback}
        rows.append(row)
    return rows


def run_frames(store: ObjectStore, work: Work, tasks: Sequence[FrameTask], progress: Any) -> FrameResults:
    """Give every check its result for every file: what is remembered, and the rest from Ray workers."""
    found = remembered(store, work.digests)
    present = {(task.pt_key, task.etag) for task in tasks}
    for name, values in found.values.items():
        found.values[name] = {identity: value for identity, value in values.items() if identity in present}
    wanted = {
        name: frozenset(task.pt_key for task in tasks if (task.pt_key, task.etag) not in found.values[name])
        for name in work.digests
    }
    pending = [task for task in tasks if any(task.pt_key in keys for keys in wanted.values())]
    if not pending:
        return found
    progress.start(len(pending), ".pt files")
    try:
        for rows, size in _on_ray(work, _batches(pending, work), wanted):
            found.take(rows)
            progress.advance(size)
    finally:
        progress.finish()
    return found
