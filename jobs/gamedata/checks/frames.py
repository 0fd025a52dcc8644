"""Run frames checks over ``.pt`` files in worker processes; cache results per file, check version and settings used.

Results are small Parquet files under ``_checks/<digest>/``. The digest covers the check's file and its name; each row
also holds the settings that the checks of this file had read by then, and counts only while these are unchanged.
Failures are not cached: the next manifest tries them again.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from shared.errors import ObjectMissing, TelecineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jobs.gamedata.checks.load import CheckFile
    from jobs.gamedata.checks.menu_model import MenuModel
    from jobs.gamedata.compute.pool import Pool
    from jobs.gamedata.model import ExtractedData
    from jobs.gamedata.settings import ManifestSettings
    from shared.progress import Progress
    from shared.storage import ObjectStore

    Batch = tuple["FrameTask", ...]
    Rows = list[dict[str, Any]]

__all__ = ["CHECKS", "MENU_MODEL", "FrameResults", "FrameRunner", "FrameTask", "Work", "digest_of", "run_frames"]

CHECKS: Final = "_checks/"
MENU_MODEL: Final = "menu_model"
# Increase it when the meaning of cached results changes. 2: a row stores the settings that its check read.
_VERSION: Final = 2
# Files per batch of a worker, and results per cache file: a kill loses at most this many.
_BATCH: Final = 32
# Raised by files that another program wrote: other types, too many levels, half a character.
_MALFORMED: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrameTask:
    """One ``.pt`` file to check.

    Attributes:
        s3_key: the TAR's key.
        pt_key: key of the file.
        etag: its ETag.
        size: its size in bytes.
        only: the only check to run; None for all that have no result.
    """

    s3_key: str
    pt_key: str
    etag: str
    size: int
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """The input of a worker; plain values that can be pickled.

    Attributes:
        store_uri: the manifest bucket.
        settings: settings of the step.
        files: the user's check files.
        digests: name of a frames check (or ``menu_model``) -> digest under which its results are cached.
        columns: name of the same check -> its columns and their types.
    """

    store_uri: str
    settings: ManifestSettings
    files: tuple[CheckFile, ...]
    digests: Mapping[str, str]
    columns: Mapping[str, Mapping[str, type]]


@dataclass(slots=True)
class FrameResults:
    """Results of checks over frames.

    Attributes:
        values: check -> ``(pt_key, etag)`` -> the values of its columns.
        errors: check -> ``(pt_key, etag)`` -> ``(message, traceback, retryable)``.
        workers: kind of the workers -> their number; empty if all results are cached.
    """

    values: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    errors: dict[str, dict[tuple[str, str], tuple[str, str, bool]]] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows returned by :class:`FrameRunner`."""
        for row in rows:
            identity = (row["pt_key"], row["etag"])
            if row["error"] is None:
                self.values.setdefault(row["check"], {})[identity] = json.loads(row["value"])
            else:
                self.errors.setdefault(row["check"], {})[identity] = (row["error"], row["traceback"], row["retryable"])


def digest_of(name: str, source: str) -> str:
    """Return the digest of a check's version: 16 hex digits.

    Args:
        name: name of the check.
        source: sha256 of the file that defines it, or of the model.
    """
    document = json.dumps({"version": _VERSION, "name": name, "source": source}, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:16]


class RecordedSettings:
    """The settings as a check sees them; records each field that it reads.

    Args:
        settings: settings of the step.
    """

    def __init__(self, settings: ManifestSettings) -> None:
        self._settings = settings
        self._read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        fields = type(self._settings).model_fields
        # A method, such as model_dump, may read any field.
        self._read.update([name] if name in fields else fields)
        return getattr(self._settings, name)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        self._read.update(type(self._settings).model_fields)
        return iter(self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as plain settings, in which any field may be read unseen."""
        self._read.update(type(self._settings).model_fields)
        return copy.copy, (self._settings,)

    def fingerprint(self) -> str:
        """Return the fields read so far and digests of their values, as a JSON object."""
        return json.dumps(_fingerprint(self._settings, self._read))


def _fingerprint(settings: ManifestSettings, names: Iterable[str]) -> dict[str, str]:
    # Digests, because a value may be a path or a URL and the bucket has other readers.
    values = {name: json.dumps(settings.model_dump(mode="json", include={name})) for name in sorted(names)}
    return {name: hashlib.sha256(value.encode()).hexdigest()[:16] for name, value in values.items()}


def cached(store: ObjectStore, work: Work) -> FrameResults:
    """Return the results committed by earlier manifests, except those that depend on settings changed since."""
    digests, settings, columns = work.digests, work.settings, work.columns
    current = _fingerprint(settings, type(settings).model_fields)
    import pyarrow as pa
    import pyarrow.parquet as pq

    results = FrameResults()
    for name, digest in digests.items():
        results.values[name] = {}
        for info in store.list(f"{CHECKS}{digest}/"):
            try:
                rows = pq.read_table(io.BytesIO(store.read(info.key))).to_pylist()
                found = FrameResults()
                found.take(
                    {**row, "check": name, "error": None}
                    for row in rows
                    if json.loads(row["settings"]).items() <= current.items()
                )
                rows_of = _coerced(found.values.get(name, {}), columns[name])
            except ObjectMissing:
                continue
            except (pa.ArrowException, MemoryError, OSError, *_MALFORMED) as error:
                _log.warning("%s/%s cannot be read (%s): its checks run again", store.uri, info.key, error)
            else:
                results.values[name] |= rows_of
    return results


def _coerced(rows: Mapping[tuple[str, str], Any], columns: Mapping[str, type]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return results with values of the columns' types; raise TypeError or OverflowError if one has another type."""
    from jobs.gamedata.checks.run import coerce

    return {
        identity: {column: coerce(column, kind, values.get(column)) for column, kind in columns.items()}
        for identity, values in rows.items()
    }


def commit(store: ObjectStore, digest: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write results to the cache. The key is their hash, so two concurrent manifests write the same object."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [{key: row[key] for key in ("pt_key", "etag", "value", "settings")} for row in rows]
    name = hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:16]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(columns), stream, compression="zstd")
    store.put(f"{CHECKS}{digest}/{name}.parquet", stream.getbuffer())


class FrameRunner:
    """Runs checks over ``.pt`` files, in the process of a worker.

    Args:
        work: the checks and their settings.
        wanted: check -> ``pt_key`` of the files without a cached result.
    """

    def __init__(self, work: Work, wanted: Mapping[str, frozenset[str]]) -> None:
        from jobs.gamedata.checks.load import load_checks
        from jobs.gamedata.session.child import DecodeChild

        self._work, self._wanted = work, wanted
        # Started only if a file stores packets.
        self._decoder = DecodeChild()
        self._store = _open(work)
        self._checks = [check for check in load_checks(work.files) if check.name in work.digests]
        # One per source file, kept from session to session: code may read a setting once and keep what it made of it.
        self._seen: defaultdict[str, RecordedSettings] = defaultdict(lambda: RecordedSettings(work.settings))
        self._model: MenuModel | None = None
        if MENU_MODEL in work.digests:
            from jobs.gamedata.checks.menu_model import MenuModel

            self._model = MenuModel.of(work.settings)

    def run(self, tasks: Sequence[FrameTask], /) -> list[dict[str, Any]]:
        """Run the checks, cache the results, and return them.

        Returns:
            Rows of ``check, pt_key, etag``; ``value, settings`` (JSON); ``error`` (None if there is a value),
            ``traceback, retryable``.
        """
        rows = [row for task in tasks for row in self._one(task)]
        for name, digest in self._work.digests.items():
            succeeded = [row for row in rows if row["check"] == name and row["error"] is None]
            if succeeded:
                commit(self._store, digest, succeeded)
        return rows

    def _one(self, task: FrameTask) -> list[dict[str, Any]]:
        from jobs.gamedata.checks.run import SIGNALS, CheckError, call
        from jobs.gamedata.pt.file import loads

        recorded = {check.name: self._seen[check.file] for check in self._checks}
        calls: dict[str, Callable[[ExtractedData], dict[str, Any]]] = {
            check.name: functools.partial(call, check, settings=cast("ManifestSettings", recorded[check.name]))
            for check in self._checks
        }
        if self._model is not None:
            recorded[MENU_MODEL], calls[MENU_MODEL] = self._seen[MENU_MODEL], self._model.columns
        calls = {name: calls[name] for name in _names(task, self._wanted) if name in calls}
        try:
            body = self._store.read(task.pt_key, etag=task.etag)
            data = loads(body, name=task.pt_key, decode=self._decoder.decode)
        except TelecineError as error:
            return [_row(name, task, error=error.message, retryable=error.retryable) for name in calls]
        except MemoryError:
            return [_row(name, task, error=f"{name}: the frames do not fit into memory") for name in calls]
        rows = []
        for name, function in calls.items():
            try:
                # A copy, since a check may change its frames in place.
                value = json.dumps(function(copy.deepcopy(data) if len(calls) > 1 else data))
                rows.append(_row(name, task, value=value, settings=recorded[name].fingerprint()))
            except SIGNALS:
                raise
            except BaseException as error:  # noqa: BLE001 - user code: its row records what it raised
                failed = CheckError.of(name, error)
                rows.append(_row(name, task, error=failed.message, traceback=failed.traceback))
        return rows


def _row(
    name: str,
    task: FrameTask,
    *,
    value: str | None = None,
    settings: str | None = None,
    error: str | None = None,
    traceback: str = "",
    retryable: bool = False,
) -> dict[str, Any]:
    identity = {"check": name, "pt_key": task.pt_key, "etag": task.etag}
    return {
        **identity,
        "value": value,
        "settings": settings,
        "error": error,
        "traceback": traceback,
        "retryable": retryable,
    }


def _open(work: Work) -> ObjectStore:
    from shared.storage import CachedStore, open_store

    store = open_store(work.store_uri, work.settings)
    if work.settings.cache_dir:
        return CachedStore(store, work.settings.cache_dir, work.settings.cache_mb)
    return store


def run_frames(
    store: ObjectStore,
    work: Work,
    tasks: Sequence[FrameTask],
    progress: Progress,
    *,
    pool: Callable[..., Pool[Batch, Rows]] | None = None,
) -> FrameResults:
    """Return the result of every check for every file: from the cache if possible, otherwise from workers.

    Args:
        store: the manifest bucket.
        work: the checks and their settings.
        tasks: the files in the bucket.
        progress: counts files.
        pool: replaces the one that ``--local-pool`` names.
    """
    from jobs.gamedata.compute.pool import worker_count

    results = cached(store, work)
    wanted = {
        name: frozenset(task.pt_key for task in tasks if (task.pt_key, task.etag) not in results.values[name])
        for name in work.digests
    }
    pending = [task for task in tasks if any(task.pt_key in keys for keys in wanted.values())]
    if not pending:
        return results
    workers = worker_count(work.settings.workers, len(pending))
    size = max(1, min(_BATCH, -(-len(pending) // (4 * workers))))
    progress.start(len(pending), ".pt files")
    unfinished = Counter(task.pt_key for task in pending)  # tasks left per file
    try:
        pool = pool or _pool(work.settings)
        with pool(functools.partial(FrameRunner, work, wanted), workers=workers) as running:
            results.workers[running.kind] = workers
            for start in range(0, len(pending), size):
                running.submit(tuple(pending[start : start + size]))
            for outcome in running:
                alone = _alone(outcome.work, wanted) if outcome.result is None else []
                for task in alone:
                    running.submit((task,))
                    unfinished[task.pt_key] += 1
                if not alone:
                    results.take(outcome.result or _died(outcome.work[0], wanted, outcome.died))
                unfinished.subtract(task.pt_key for task in outcome.work)
                progress.advance(sum(not unfinished[task.pt_key] for task in outcome.work))
    finally:
        progress.finish()
    return results


def _pool(settings: ManifestSettings) -> Callable[..., Pool[Batch, Rows]]:
    if settings.local_pool == "ray":
        from jobs.gamedata.compute.local import LocalRay

        return LocalRay
    from jobs.gamedata.compute.processes import Processes

    return Processes


def _names(task: FrameTask, wanted: Mapping[str, frozenset[str]]) -> list[str]:
    return [task.only] if task.only else [name for name, keys in wanted.items() if task.pt_key in keys]


def _alone(work: Sequence[FrameTask], wanted: Mapping[str, frozenset[str]]) -> list[FrameTask]:
    """Split work that killed its process, to isolate the check and file responsible; empty for a single check."""
    if len(work) > 1:
        return list(work)
    names = _names(work[0], wanted)
    return [replace(work[0], only=name) for name in names] if len(names) > 1 else []


def _died(task: FrameTask, wanted: Mapping[str, frozenset[str]], died: str | None) -> list[dict[str, Any]]:
    return [_row(name, task, error=f"{name}: the worker process died ({died})") for name in _names(task, wanted)]
