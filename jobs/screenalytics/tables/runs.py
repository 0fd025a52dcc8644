"""Write a run once, all or nothing; refuse or replace changed content (``MANIFEST_CHANGED``); warn of unlinked ids."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.screenalytics.errors import reject
from jobs.screenalytics.model import RunWarning
from jobs.screenalytics.settings import next_step
from jobs.screenalytics.tables.deleted import mark_present
from shared.storage import resolved
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from jobs.screenalytics.errors import Rejected
    from jobs.screenalytics.model import ScreenalyticsRun
    from jobs.screenalytics.settings import SourceSettings
    from shared.database.session import DatabaseSession

__all__ = ["KnownRun", "WriteResult", "conflict", "write_run"]

_SHOW: Final = re.compile(r"(.+)-s[0-9]+e[0-9]+")
_EPISODE: Final = re.compile(r"(.+)-s([0-9]+)e([0-9]+)")
_MAX_WARNINGS: Final = 100

# Also asks what is not linked: each statement is another round trip, and lengthens the transaction.
_STATE: Final = """
    SELECT known.ep_id, known.source, known.manifest_key, known.manifest_sha256, known.output_hash, known.revision,
        known.status, now() AS at,
        EXISTS (SELECT FROM screenalytics.episode_links link WHERE link.ep_id = :ep_id) AS linked,
        (SELECT count(*) FROM unnest(CAST(:persons AS text[])) AS person (id)
            WHERE id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' AND NOT EXISTS (
                SELECT FROM screenalytics.person_links link WHERE link.show = :show AND link.person_id = id)
        ) AS strange,
        (SELECT other.ep_id FROM screenalytics.runs other WHERE lower(other.ep_id) = ANY (CAST(:spellings AS text[]))
            AND other.ep_id <> :ep_id ORDER BY other.ep_id COLLATE "C" LIMIT 1) AS twin
    FROM (SELECT 1) AS one LEFT JOIN screenalytics.runs known ON known.run_id = :run_id
"""
_INSERT: Final = """
    INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag, schema_version,
        attempt, started_at, completed_at, duration_ms, persons, casts, warnings, output_hash, revision,
        pipeline_run_id)
    VALUES (:run_id, :ep_id, :source, :manifest_key, :manifest_sha256, :manifest_etag, :schema_version, :attempt,
        :started_at, :completed_at, :duration_ms, :persons, :casts, CAST(:warnings AS jsonb), :output_hash, :revision,
        :pipeline_run_id)
"""
_KEEP: Final = """
    INSERT INTO screenalytics.replaced_runs (run_id, revision, replaced_by, run, artifacts, person_metrics,
        cast_metrics)
    SELECT run.run_id, run.revision, :pipeline_run_id, to_jsonb(run),
        coalesce((SELECT jsonb_agg(to_jsonb(artifact) ORDER BY artifact_key)
            FROM screenalytics.artifacts artifact WHERE artifact.run_id = run.run_id), '[]'),
        coalesce((SELECT jsonb_agg(to_jsonb(metric) ORDER BY person_id)
            FROM screenalytics.person_metrics metric WHERE metric.run_id = run.run_id), '[]'),
        CASE WHEN run.casts IS NOT NULL THEN coalesce((SELECT jsonb_agg(to_jsonb(part) ORDER BY artifact_key, entry)
            FROM screenalytics.cast_metrics part WHERE part.run_id = run.run_id), '[]') END
    FROM screenalytics.runs run WHERE run.run_id = :run_id
"""
_ARTIFACTS: Final = (
    *("run_id", "artifact_key", "artifact_kind", "s3_key", "schema_version", "content_type", "sha256", "size_bytes"),
    *("row_count", "fetched"),
)
_METRICS: Final = (
    *("run_id", "person_id", "cast_ids", "name", "onscreen_ms", "speaking_ms", "confessional_ms", "body_ms"),
    *("confidence", "artifact_key", "artifact_schema_version", "manifest_key", "schema_version", "pipeline_run_id"),
    "ingested_at",
)
_CASTS: Final = (
    *("run_id", "artifact_key", "entry", "person_id", "cast_id", "name", "onscreen_ms", "speaking_ms"),
    *("confessional_ms", "body_ms", "confidence"),
)


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run in the tables."""

    ep_id: str
    source: str
    manifest_key: str
    manifest_sha256: str
    output_hash: str
    revision: int
    status: str

    def is_at(self, source: str, manifest_key: str) -> bool:
        """Return True if the run was ingested from this manifest; a folder may have been named by a link."""
        return (resolved(self.source), self.manifest_key) == (source, manifest_key)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of writing a run.

    Attributes:
        outcome: ``unchanged``: no row was touched, except that the mark ``source_deleted`` was removed.
        output_hash: hash of the rows in the tables now.
        warnings: warnings of the run, and of missing links; empty if nothing was written.
    """

    outcome: Literal["ingested", "unchanged", "replaced"]
    output_hash: str
    warnings: tuple[RunWarning, ...] = ()


def write_run(
    session: DatabaseSession,
    run: ScreenalyticsRun,
    *,
    source: str,
    pipeline_run_id: str,
    settings: SourceSettings | None = None,
    accept_changed: bool = False,
    repair: bool = False,
) -> WriteResult:
    """Write a run, its artifacts, persons and casts, unless the tables have the same content.

    The run is locked first, so the second of two concurrent writers finds the rows of the first.

    Args:
        session: one transaction, to be rolled back if this raises.
        run: the run, read and verified.
        source: URI of the bucket.
        pipeline_run_id: id of the run in the ledger.
        settings: settings of the step, for the command in a message; None for a command without flags.
        accept_changed: replace old content, and keep it in ``replaced_runs``.
        repair: replace rows that have changed since, although the content is the same, in the same way.

    Raises:
        Rejected: ``MANIFEST_CHANGED`` or ``RUN_ID_COLLISION``: the tables have different content for this run_id.
    """
    session.lock(f"screenalytics.run:{run.run_id}")
    (state,) = session.rows(
        _STATE,
        run_id=run.run_id,
        ep_id=run.ep_id,
        show=_show(run.ep_id),
        spellings=_spellings(run.ep_id),
        persons=[metric.person_id for metric in run.metrics],
    )
    revision = 1
    if state.manifest_sha256 is not None:
        known = KnownRun(*state[:7])
        is_same = known.manifest_sha256 == run.manifest_sha256
        if is_same and not repair:
            if known.status != "ingested" and known.is_at(source, run.manifest_key):
                mark_present(session, run.run_id)
            return WriteResult("unchanged", known.output_hash)
        error = conflict(
            known,
            run.run_id,
            ep_id=run.ep_id,
            source=source,
            manifest_key=run.manifest_key,
            manifest_sha256=run.manifest_sha256,
            settings=settings,
        )
        if not is_same and (error.code != "MANIFEST_CHANGED" or not accept_changed):
            raise error
        session.run(_KEEP, run_id=run.run_id, pipeline_run_id=pipeline_run_id)
        session.run("DELETE FROM screenalytics.runs WHERE run_id = :run_id", run_id=run.run_id)
        revision = known.revision + 1
    warnings = (*run.warnings, *_unlinked(run, linked=state.linked, strange=state.strange, twin=state.twin))
    digest = run.output_hash
    _insert(session, run, source, pipeline_run_id, revision=revision, warnings=warnings, digest=digest, at=state.at)
    return WriteResult("replaced" if revision > 1 else "ingested", digest, warnings)


def conflict(
    known: KnownRun,
    run_id: str,
    *,
    ep_id: str | None,
    source: str,
    manifest_key: str,
    manifest_sha256: str,
    settings: SourceSettings | None,
) -> Rejected:
    """Return the error for new content of a known run.

    Args:
        known: the run in the tables.
        run_id: the id both have.
        ep_id: episode of the new manifest; None if unknown.
        source: bucket of the new manifest.
        manifest_key: key of the new manifest.
        manifest_sha256: digest of the new manifest.
        settings: settings of the step, for the command in a message; None for a command without flags.
    """
    if ep_id is not None and ep_id != known.ep_id:
        what, expected, actual = "episode", known.ep_id, ep_id
    elif not known.is_at(source, manifest_key):
        what, expected, actual = "place", f"{known.source}/{known.manifest_key}", f"{source}/{manifest_key}"
    else:
        return reject(
            "MANIFEST_CHANGED",
            f"run {run_id} was ingested with other content: the sha256 of its manifest was"
            f" {known.manifest_sha256[:12]}… and is now {manifest_sha256[:12]}…. Its rows are unchanged. To replace"
            f" them, run: {next_step(settings, 'replay', run_id, '--accept-changed')}",
            expected=known.manifest_sha256,
            actual=manifest_sha256,
        )
    return reject(
        "RUN_ID_COLLISION",
        f"run {run_id} already exists with another {what}: expected {expected}, found {actual}. Two runs share one id;"
        " the rows are unchanged. Give this run a unique id and upload it again",
        expected=expected,
        actual=actual,
    )


def _insert(
    session: DatabaseSession,
    run: ScreenalyticsRun,
    source: str,
    pipeline_run_id: str,
    *,
    revision: int,
    warnings: tuple[RunWarning, ...],
    digest: str,
    at: datetime,
) -> None:
    session.run(
        _INSERT,
        run_id=run.run_id,
        ep_id=run.ep_id,
        source=source,
        manifest_key=run.manifest_key,
        manifest_sha256=run.manifest_sha256,
        manifest_etag=run.manifest_etag,
        schema_version=run.schema_version,
        attempt=run.attempt,
        started_at=run.started_at,
        completed_at=run.completed_at,
        duration_ms=run.duration_ms,
        persons=len(run.metrics),
        casts=len(run.casts),
        warnings=json.dumps([_as_json(warned) for warned in warnings[:_MAX_WARNINGS]]),
        output_hash=digest,
        revision=revision,
        pipeline_run_id=pipeline_run_id,
    )
    session.copy("screenalytics.artifacts", _ARTIFACTS, _artifact_rows(run))
    if run.metrics:
        session.copy("screenalytics.person_metrics", _METRICS, _metric_rows(run, pipeline_run_id, at))
    if run.casts:
        session.copy("screenalytics.cast_metrics", _CASTS, _cast_rows(run))


def _artifact_rows(run: ScreenalyticsRun) -> Iterator[tuple[Any, ...]]:
    for artifact in run.artifacts:
        yield (run.run_id, *(getattr(artifact, name) for name in _ARTIFACTS[1:]))


def _metric_rows(run: ScreenalyticsRun, pipeline_run_id: str, at: datetime) -> Iterator[tuple[Any, ...]]:
    versions = {artifact.artifact_key: artifact.schema_version for artifact in run.artifacts}
    for metric in run.metrics:
        yield (
            run.run_id,
            metric.person_id,
            list(metric.cast_ids),
            metric.name,
            metric.onscreen_ms,
            metric.speaking_ms,
            metric.confessional_ms,
            metric.body_ms,
            metric.confidence,
            metric.artifact_key,
            versions[metric.artifact_key],
            run.manifest_key,
            run.schema_version,
            pipeline_run_id,
            at,
        )


def _cast_rows(run: ScreenalyticsRun) -> Iterator[tuple[Any, ...]]:
    for cast in run.casts:
        yield (run.run_id, *(getattr(cast, name) for name in _CASTS[1:]))


def _unlinked(run: ScreenalyticsRun, *, linked: bool, strange: int, twin: str | None) -> Iterator[RunWarning]:
    if twin is not None:
        text = f"episode {run.ep_id} is not {twin}, although their ids differ only in case or in leading zeros"
        yield RunWarning("EPISODE_SIMILAR", text)
    if not linked:
        yield RunWarning("EPISODE_UNLINKED", f"screenalytics.episode_links has no row for episode {run.ep_id}")
    if strange:
        total = len(run.metrics)
        yield RunWarning("PERSONS_UNLINKED", f"{strange} of {total} persons have no row in screenalytics.person_links")


def _show(ep_id: str) -> str:
    match = _SHOW.fullmatch(ep_id)
    return match[1] if match else ep_id


def _spellings(ep_id: str) -> list[str]:
    """Return an episode's id in lower case, with season and episode as usual and without leading zeros."""
    lower = ep_id.lower()
    match = _EPISODE.fullmatch(lower)
    if match is None:
        return [lower]
    show, *numbers = match.groups()
    season, episode = ({digits, digits.lstrip("0") or "0", digits.lstrip("0").zfill(2)} for digits in numbers)
    return sorted(f"{show}-s{one}e{other}" for one in season for other in episode)


def _as_json(warned: RunWarning) -> dict[str, str]:
    return {"code": warned.code, "message": clean_text(warned.message, 500)}
