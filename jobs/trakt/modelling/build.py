"""Make a build: fetch bronze's live files, run dbt into a new DuckDB file, put gold into the bucket, and swap files."""

from __future__ import annotations

import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.live_files import fetch, snapshot
from jobs.trakt.bronze.place import TABLE
from jobs.trakt.model import RESOURCE_KINDS
from jobs.trakt.modelling.cache import Cached, ModelCache, continues
from jobs.trakt.modelling.environment import Workplace, cache_key, dbt_python, project_hash, salt
from jobs.trakt.modelling.export import build_id_of, is_exported, put_gold, read_export
from jobs.trakt.modelling.process import run_dbt
from jobs.trakt.modelling.results import Results, check_results, read_results
from shared.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from jobs.trakt.bronze.live_files import LiveFile, Snapshot
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.settings.model import ModelSettings

__all__ = ["Built", "build", "pinned"]

_EMPTY: Final = "empty.parquet"


@dataclass(slots=True)
class Built:
    """The outcome of a build.

    Attributes:
        outcome: built, continued, unchanged, or empty if bronze has no load yet.
        version: version of the bronze table; -1 without one.
        build_id: name of gold's build; empty without one.
        as_of: the day for which metrics were computed, as text.
        is_pinned: whether this version was asked for.
        loads: loads taken.
        files: files of bronze that were read.
        bytes_read: their bytes.
        file: the DuckDB file.
        rows: model or published table -> rows.
        sizes: published table -> bytes.
        results: the models and tests that dbt ran.
        seconds: part of the build -> seconds.
    """

    outcome: str
    version: int
    build_id: str = ""
    as_of: str = ""
    is_pinned: bool = False
    loads: int = 0
    files: int = 0
    bytes_read: int = 0
    file: Path | None = None
    rows: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    results: Results = field(default_factory=Results)
    seconds: dict[str, float] = field(default_factory=dict)


def build(
    settings: ModelSettings,
    place: BronzePlace,
    *,
    run_id: str,
    version: int | None = None,
    hold: AbstractContextManager[None] | None = None,
) -> Built:
    """Build silver and gold of a version of bronze.

    A build that is killed leaves the current one as it is; the next one starts from that again.

    Args:
        settings: settings of the step.
        place: the bronze table.
        run_id: recorded with gold.
        version: a version of the table; such a build never becomes the current one. None takes the newest.
        hold: the lock of gold's builds, taken while this one is put into the bucket.

    Raises:
        SaltMissing: the salt of user keys is not set.
        DbtMissing: dbt's environment does not exist.
        UsageError: the path of the folder of builds has a character that cannot be used; or the version does not exist,
            has no load, has comments of users who were erased after it, or lacks files that a vacuum has deleted (code
            ``VERSION``); or the day of the metrics is before the first comment.
        ModelFailed: a model could not be built, or bronze has rows of Trakt and of the replayer.
        ModelTestFailed: rows violate a test.
        TransientError: dbt did not end in time, or the store does not answer.
    """
    salt(settings)
    python = dbt_python(settings)
    is_pinned = version is not None
    cache = ModelCache(settings, settings.dbt_timeout_s, pinned=is_pinned)
    with cache.locked():
        cache.clear()
        # With the folder held: an erasure that comes later waits for this build, and removes it.
        found = snapshot(place) if version is None else pinned(place, version)
        if not found.files:
            return Built("empty", found.version, is_pinned=is_pinned)
        key, asked = cache_key(settings), str(settings.as_of or "")
        last = None if settings.full_refresh else cache.current()
        if not continues(last, key=key, table=place.uri, snapshot=found):
            last = None
        if (
            last is not None
            and (last.version, last.asked, last.engagement_days) == (found.version, asked, settings.engagement_days)
            and is_exported(place.store, last.build_id, pinned=is_pinned)
        ):
            return Built(
                "unchanged", found.version, last.build_id, last.as_of, is_pinned=is_pinned, file=cache.path(last)
            )
        work = Workplace(cache.workplace())
        try:
            taken = frozenset(last.files) if last else frozenset()
            fresh = [file for file in found.files if file.key not in taken]
            built = Built("continued" if last else "built", found.version, is_pinned=is_pinned, files=len(fresh))
            built.bytes_read = sum(file.size for file in fresh)
            _prepare(place, work, fresh, cache.path(last) if last else None, built)
            began = time.monotonic()
            status = run_dbt(
                python,
                work.arguments(settings),
                variables=work.variables(settings),
                folder=work.root,
                output=work.output,
                timeout_s=settings.dbt_timeout_s,
            )
            built.results = check_results(status, read_results(work), work)
            built.seconds["dbt"] = time.monotonic() - began
            _finish(settings, place, cache, work, built, key=key, asked=asked, found=found, run_id=run_id, hold=hold)
        finally:
            shutil.rmtree(work.root, ignore_errors=True)
    return built


def pinned(place: BronzePlace, version: int) -> Snapshot:
    """Return a version of bronze that can still be read, and that has no erased user.

    Args:
        place: the bronze table.
        version: number of the version.

    Raises:
        UsageError: the version does not exist, has no load although a newer one has, is from before an erasure, or
            lacks files (code ``VERSION``).
        StoreUnavailable: the log cannot be read.
    """
    try:
        found, newest = snapshot(place, version), snapshot(place)
    except DataError as error:
        raise UsageError(f"{error.message}; pass another --bronze-version", code="VERSION") from error
    if newest.files and not found.files:
        raise UsageError(
            f"version {version} of {place.uri} has no load; expected a version that has one, up to {newest.version}; "
            "pass another --bronze-version",
            code="VERSION",
        )
    if found.erasures != newest.erasures:
        raise UsageError(
            f"version {version} of {place.uri} has comments of users who were erased after it; expected a version "
            f"after the last erasure, up to {newest.version}; pass another --bronze-version",
            code="VERSION",
        )
    stored = {info.key for info in place.store.list(f"{TABLE}/")}
    if missing := [file.key for file in found.files if file.key not in stored]:
        raise UsageError(
            f"version {version} of {place.uri} lacks {len(missing):,} of {len(found.files):,} files, which a vacuum "
            f"has deleted, the first one {missing[0]}; expected a version whose files exist, up to {newest.version}; "
            "pass another --bronze-version",
            code="VERSION",
        )
    return found


def _prepare(place: BronzePlace, work: Workplace, files: Sequence[LiveFile], last: Path | None, built: Built) -> None:
    """Fetch the files, link them by kind, and copy the build that is continued."""
    import pyarrow.parquet as pq

    from jobs.trakt.bronze.data_files import FILE_SCHEMA

    began = time.monotonic()
    work.prepare()
    paths = fetch(place, files, work.root / "files")
    for kind in RESOURCE_KINDS:
        (work.bronze / kind).mkdir()
        # So that a kind without rows has a file.
        pq.write_table(FILE_SCHEMA.empty_table(), work.bronze / kind / _EMPTY)
    for number, (file, path) in enumerate(zip(files, paths, strict=True)):
        if file.kind in RESOURCE_KINDS:
            (work.bronze / file.kind / f"{number}.parquet").symlink_to(path)
    if last is not None:
        shutil.copyfile(last, work.file)
    built.seconds["fetch"] = time.monotonic() - began


def _finish(
    settings: ModelSettings,
    place: BronzePlace,
    cache: ModelCache,
    work: Workplace,
    built: Built,
    *,
    key: str,
    asked: str,
    found: Snapshot,
    run_id: str,
    hold: AbstractContextManager[None] | None,
) -> None:
    """Put gold and swap the pointer, in either order: a build that lacks one of them is made again."""
    began = time.monotonic()
    exported = read_export(work)
    if exported is None:
        built.outcome = "empty"
        return
    # Known only now: the days are in the payloads. ISO dates are ordered as text.
    if asked and asked < exported.first_day:
        raise UsageError(
            f"--as-of {asked} is before the first comment, of {exported.first_day}; expected that day or a later one; "
            "the current build stays"
        )
    built.as_of, built.loads, built.rows = exported.as_of, exported.loads, exported.rows
    built.build_id = build_id_of(
        version=built.version,
        as_of=exported.as_of,
        key=key,
        table_id=found.table_id,
        engagement_days=settings.engagement_days,
    )
    # A vacuum must not delete a build of this name while it becomes the current one again.
    with hold or nullcontext():
        built.sizes = put_gold(
            place.store,
            work,
            exported,
            build_id=built.build_id,
            version=built.version,
            erasures=found.erasures,
            project=project_hash(),
            run_id=run_id,
            pinned=built.is_pinned,
        )
    description = Cached(
        file=f"{built.build_id}-{time.time_ns():x}.duckdb",
        key=key,
        table=place.uri,
        table_id=found.table_id,
        version=built.version,
        erasures=found.erasures,
        as_of=exported.as_of,
        asked=asked,
        engagement_days=settings.engagement_days,
        build_id=built.build_id,
        files=tuple(file.key for file in found.files),
    )
    cache.swap(work.file, description)
    built.file = cache.path(description)
    built.seconds["export"] = time.monotonic() - began
