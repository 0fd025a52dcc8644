"""The manifest step: run the checks and write one Parquet row per session; an empty bucket ends with 65."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.gamedata.checks.load import CheckFile, load_built_in, load_checks
from jobs.gamedata.errors import NOTHING_EXTRACTED
from jobs.gamedata.settings import ExtractSettings
from shared.errors import EXIT_DATA, EXIT_TRANSIENT, BucketMissing, DataError, most_severe
from shared.settings.next_command import next_command
from shared.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl
    import pyarrow as pa

    from jobs.gamedata.checks import Registry
    from jobs.gamedata.checks.frames import FrameResults
    from jobs.gamedata.checks.run import Columns
    from jobs.gamedata.manifest.table import Manifest
    from jobs.gamedata.settings import ManifestSettings
    from shared.failure import Failure
    from shared.ledger import StageRun
    from shared.report import Report
    from shared.storage import ObjectStore

__all__ = ["build", "run"]

_log = logging.getLogger(__name__)


def run(settings: ManifestSettings, stage_run: StageRun) -> Report:
    """Build the manifest, write it atomically, and return the report.

    Raises:
        DataError: the bucket has no sessions.
        UsageError: ``--compute`` is not local; a check file, the references, the model or the output path cannot be
            used.
    """
    from jobs.gamedata.compute.pool import require_local
    from jobs.gamedata.manifest.report import report_of
    from jobs.gamedata.steps._parameters import check_manifest
    from shared.storage import open_store, put_uri

    require_local(settings.compute, "telecine gamedata manifest")
    check_manifest(settings)
    store = open_store(settings.manifest_bucket, settings)
    manifest = build(store, settings, stage_run)
    started = time.monotonic()
    body = manifest.parquet()
    put_uri(settings.output_path, bytes(body), settings)
    manifest.durations["write"] = time.monotonic() - started
    failures = failures_of(manifest.table, manifest.retryable)
    stage_run.record_errors(failures)
    report = report_of(manifest, store, settings, failures)
    report.outputs["manifest"] = settings.output_path
    report.bytes["manifest"] = len(body)
    transient = sum(failure.retryable for failure in failures)
    judgement = verdict(len(failures), manifest.table.num_rows, settings.max_failed, transient=transient)
    report.exit_code, report.status = judgement
    # A check that never works is a mistake in the check, however many sessions may fail.
    for failure in manifest.unusable:
        _log.error("%s %s", failure.item, failure.message)
        report.failures.insert(0, failure)
        report.status = "failed"
        report.exit_code = most_severe(report.exit_code, EXIT_TRANSIENT if failure.retryable else EXIT_DATA)
    return report


def build(store: ObjectStore, settings: ManifestSettings, stage_run: StageRun) -> Manifest:
    """Read the parts, run the checks, and return the assembled manifest. Only results of frames checks are written.

    Raises:
        DataError, UsageError: see :func:`run`.
    """
    from jobs.gamedata.checks.menu_references import MenuReferences
    from jobs.gamedata.manifest.gather import gather
    from jobs.gamedata.manifest.table import Manifest, assemble, retryable_keys, unusable_checks

    files = tuple(CheckFile.read(path, settings.checks_places) for path in settings.checks)
    registry = load_checks(files)
    references = MenuReferences.read(settings.menu_references) if settings.menu_references else None
    model = _load_model(settings)
    clock = _Clock()
    try:
        sessions = gather(store, prefix=settings.prefix, columns=_columns(registry, references is not None))
    except BucketMissing:
        if not store.uri.startswith("file:") or Path(store.uri.removeprefix("file://")).exists():
            raise
        raise _empty(store, settings) from None  # a folder that no extract has created yet
    if not len(sessions):
        raise _empty(store, settings)
    clock.lap("read")
    table = sessions.rows
    if references is not None:
        import polars as pl

        count = table["frame_time_s"].list.len().fill_null(0).cast(pl.Int64).to_numpy()
        table = table.with_columns(references.menu_like(table["frame_signature"], count))
    results = _frame_results(store, settings, stage_run, files, registry=registry, table=table, model=model)
    if results is not None:
        table = _with_model(table, results)
        clock.lap("frame_checks")
    columns = _statistics(files, registry, table, settings)
    if results is not None:
        _add_frame_results(columns, registry, table, results)
    clock.lap("statistics_checks")
    assembled = assemble(sessions, columns, registry, files)
    clock.lap("assemble")
    unusable = unusable_checks(len(sessions.rows), columns)
    retryable = retryable_keys(sessions, columns)
    workers = {} if results is None else results.workers
    return Manifest(assembled, sessions, registry, clock.laps, retryable, unusable, workers)


def failures_of(table: pa.Table, retryable: Collection[str] = ()) -> list[Failure]:
    """Return the failures of this stage: sessions with a check that raised, and unusable ``.pt`` files.

    Args:
        table: the manifest's rows.
        retryable: ``s3_key`` of the sessions that failed for a transient reason.
    """
    import pyarrow.compute as pc

    from shared.failure import Failure

    rows = table.filter(pc.equal(table["error_stage"], "manifest"))
    return [
        Failure(
            row["s3_key"],
            row["error_code"],
            row["error"],
            retryable=row["s3_key"] in retryable,
            input_hash=row["source_etag"],
        )
        for row in rows.select(["s3_key", "error_code", "error", "source_etag"]).to_pylist()
    ]


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        time_s = time.monotonic()
        self.laps[name], self._last = time_s - self._last, time_s


def _columns(registry: Registry, signatures: bool) -> list[str]:
    from jobs.gamedata.parts.schema import PART_SCHEMA

    names: dict[str, None] = {"frame_time_s": None, "duration_s": None}
    for check in registry:
        names.update(dict.fromkeys(PART_SCHEMA.names if check.reads is None else check.reads))
    if signatures:
        names["frame_signature"] = None
    return list(names)


def _empty(store: ObjectStore, settings: ManifestSettings) -> DataError:
    from shared.storage import default_bucket

    words: list[str] = []
    # Only `run` has this setting.
    source = getattr(settings, "source_bucket", None)
    if source is not None and source != default_bucket("game-data"):
        words += ["--source-bucket", source]
    if settings.manifest_bucket != default_bucket("game-data-manifest"):
        words += ["--manifest-bucket", settings.manifest_bucket]
    problem = f"{store.uri} has no extracted sessions"
    if settings.prefix:
        problem += f" with a key that starts with '{settings.prefix}'"
        words += ["--prefix", settings.prefix]
    command = next_command("gamedata extract", *words, model=ExtractSettings, settings=settings)
    return DataError(f"{problem}; run extract first: {command}", code=NOTHING_EXTRACTED, bucket=store.uri)


def _statistics(
    files: tuple[CheckFile, ...], registry: Registry, table: pl.DataFrame, settings: ManifestSettings
) -> Columns:
    """Run the built-in checks here, and those of the user's files, which may end their process, in another one."""
    from jobs.gamedata.checks.run import run_statistics

    ours = load_built_in().checks
    checks = [check for check in registry if check.kind == "statistics"]
    columns = run_statistics([check for check in checks if check.name in ours], table, settings)
    if theirs := [check for check in checks if check.name not in ours]:
        from jobs.gamedata.checks.child import run_in_child

        vectorised = [column for check in checks if check.vectorised for column in check.columns]
        table = table.with_columns(columns.values[name].alias(name) for name in vectorised if name in columns.values)
        found = run_in_child(files, theirs, table, settings)
        columns.values |= found.values
        for row, errors in found.errors.items():
            columns.errors[row] += errors
    return columns


def _load_model(settings: ManifestSettings) -> str | None:
    """Return the menu model's digest; an unusable model ends the command here instead of failing every row."""
    if not settings.menu_model:
        return None
    from jobs.gamedata.checks.menu_model import MenuModel, model_digest

    MenuModel.of(settings)
    return model_digest(settings)


def _frame_results(
    store: ObjectStore,
    settings: ManifestSettings,
    stage_run: StageRun,
    files: tuple[CheckFile, ...],
    *,
    registry: Registry,
    table: pl.DataFrame,
    model: str | None,
) -> FrameResults | None:
    from jobs.gamedata.checks.frames import MENU_MODEL, FrameTask, Work, digest_of, run_frames

    checks = [check for check in registry if check.kind == "frames"]
    digests = {check.name: digest_of(check.name, check.digest) for check in checks}
    columns = {check.name: check.columns for check in checks}
    if model is not None:
        digests[MENU_MODEL], columns[MENU_MODEL] = digest_of(MENU_MODEL, model), {"model_menu_percent": float}
    if not digests:
        return None
    rows = table.filter(table["pt_etag"].is_not_null()).select("s3_key", "pt_key", "pt_etag", "pt_size")
    tasks = [FrameTask(key, pt, etag, size or 0) for key, pt, etag, size in rows.iter_rows()]
    return run_frames(store, Work(store.uri, settings, files, digests, columns), tasks, stage_run.progress)


def _with_model(table: pl.DataFrame, results: FrameResults) -> pl.DataFrame:
    import polars as pl

    from jobs.gamedata.checks.frames import MENU_MODEL

    values = results.values.get(MENU_MODEL)
    if values is None:
        return table
    shares = [
        values.get(identity, {}).get("model_menu_percent")
        for identity in zip(table["pt_key"].to_list(), table["pt_etag"].to_list(), strict=True)
    ]
    return table.with_columns(pl.Series("model_menu_percent", shares, dtype=pl.Float64))


def _add_frame_results(columns: Columns, registry: Registry, table: pl.DataFrame, results: FrameResults) -> None:
    import polars as pl

    from jobs.gamedata.checks.run import POLARS_TYPES, CheckError

    identities = list(zip(table["pt_key"].to_list(), table["pt_etag"].to_list(), strict=True))
    for check in registry:
        if check.kind == "frames":
            values = results.values.get(check.name, {})
            for column, kind in check.columns.items():
                column_values = [values.get(identity, {}).get(column) for identity in identities]
                columns.values[column] = pl.Series(column, column_values, dtype=POLARS_TYPES[kind])
    for name, errors in results.errors.items():
        for row, identity in enumerate(identities):
            if identity in errors:
                columns.errors[row].append(CheckError(name, *errors[identity]))
