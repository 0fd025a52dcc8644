"""The publish step: load the manifest, frames and sprites for BI and the console."""

from __future__ import annotations

import io
import logging
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.gold.pages import Pages
from jobs.gamedata.gold.sessions import TABLE, gold_rows
from jobs.gamedata.settings import ManifestSettings
from shared.errors import BucketMissing, DataError, ObjectMissing, UsageError
from shared.report import Amounts, Part, Report, Shares, Table
from shared.report.sections import MERGED
from shared.report.terminal import counted
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow.parquet as pq

    from jobs.gamedata.settings import PublishSettings
    from shared.database.merge import Merged
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["run"]

_log = logging.getLogger(__name__)

_FLAGS: Final = {
    "dark": "is_video_mostly_dark",
    "menu": "is_video_mostly_menu",
    "dpi_scale": "is_dpi_scale_issue",
    "empty": "is_session_empty",
    "timestamps": "has_unusable_timestamps",
}


def run(settings: PublishSettings, stage_run: StageRun) -> Report:
    """Publish the manifest in one transaction, without touching unchanged rows, and return the report.

    Sessions whose keys start with the prefix are removed if the manifest no longer contains them. Repeated or
    concurrent runs produce the same rows. Missing sprites are made first; those of removed sessions are deleted last.

    Raises:
        UsageError: the manifest does not exist.
        BucketMissing: the manifest bucket was set explicitly and does not exist.
        DataError: the file is not a manifest.
        TransientError: the store or the database does not answer.
        ConfigurationError: access is denied, or the database is not migrated.
    """
    from shared.database.merge import merging

    began = time.monotonic()
    body, file = _open(settings)
    rows = gold_rows(file, name=settings.manifest, prefix=settings.prefix, rebuild=_rebuild(settings))
    pages = Pages(settings, file)
    read = time.monotonic()
    pages.make_sprites(stage_run.progress)
    drawn = time.monotonic()
    total = file.metadata.num_rows
    stage_run.progress.start(total, "sessions")
    totals: Counter[str] = Counter()
    with merging(settings, prefix=settings.prefix, run_id=stage_run.run_id) as merger:
        merged = pages.merge(merger, _counted(rows, totals, stage_run))
    pages.sweep()
    if merged.removed:
        _log.warning(
            "removed %s%s from %s: not listed in %s. To keep the sessions of several manifests, give each a key prefix"
            " of its own, and pass --prefix",
            counted(merged.removed, "session", "sessions"),
            f" below {settings.prefix}" if settings.prefix else "",
            TABLE,
            settings.manifest,
        )
    merged_at = time.monotonic()
    changed = merged.inserted + merged.updated
    return Report(
        headline=f"{total:,} sessions published: {merged.inserted:,} new, {merged.updated:,} changed, "
        f"{merged.unchanged:,} unchanged, {merged.removed:,} removed",
        items=total,
        counts={
            "sessions": total,
            "inserted": merged.inserted,
            "updated": merged.updated,
            "unchanged": merged.unchanged,
            "removed": merged.removed,
            **pages.counts(),
        },
        bytes={"manifest": body, **pages.bytes()},
        rates={"rows_per_s": changed / (merged_at - drawn)},
        durations={"read": read - began, "sprites": drawn - read, "merge": merged_at - drawn},
        outputs={"table": TABLE, "source": settings.manifest},
        sections=_sections(merged, pages, totals),
    )


def _sections(merged: Merged, pages: Pages, totals: Counter[str]) -> list[Section]:
    rows = [(TABLE, [merged.inserted, merged.updated, merged.unchanged, merged.removed]), *pages.bars()]
    raised = [(name.replace("_", " "), [totals[name]]) for name in ("error", *_FLAGS) if totals[name]]
    sessions = [Part("sessions", "blue-2")]
    note = "A session can have several flags."
    return [
        Shares("Rows by change", "rows", MERGED, rows),
        *([Amounts("Published sessions by flag and error", "sessions", sessions, raised, note)] if raised else []),
        Table(
            "Published sessions",
            ["sessions with", "count"],
            [["an error", totals["error"]], *([name.replace("_", " "), totals[name]] for name in _FLAGS)],
        ),
        pages.section(),
    ]


def _rebuild(settings: PublishSettings) -> str:
    """Return the command that builds the manifest, for messages."""
    words = ("--output-path", settings.manifest)
    return next_command("gamedata manifest", *words, model=ManifestSettings, settings=settings)


def _open(settings: PublishSettings) -> tuple[int, pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from shared.storage import read_uri

    try:
        body = read_uri(settings.manifest, settings)
    except ValueError as error:
        raise UsageError(f"--manifest: {error}") from error
    except (ObjectMissing, BucketMissing) as error:
        if isinstance(error, BucketMissing) and settings.manifest.startswith("s3:"):
            raise
        if Path(settings.manifest.removeprefix("file://")).is_dir():
            raise UsageError(f"--manifest {settings.manifest} is a folder; expected the manifest's file") from error
        raise UsageError(
            f"--manifest {settings.manifest} does not exist; build it first: {_rebuild(settings)}"
        ) from error
    try:
        return len(body), pq.ParquetFile(io.BytesIO(body))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"--manifest {settings.manifest} is not a Parquet file: {error}", code="manifest_invalid"
        ) from error


def _counted(rows: Iterable[dict[str, Any]], totals: Counter[str], stage_run: StageRun) -> Iterator[dict[str, Any]]:
    for row in rows:
        totals["error"] += row["error_code"] is not None
        for name, column in _FLAGS.items():
            totals[name] += bool(row[column])
        stage_run.progress.advance()
        yield row
