"""Read a source's runs from the tables, compare rows with the ``output_hash`` of their run, find runs not ingested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.errors import FINDINGS
from jobs.screenalytics.keys import runs_folder
from jobs.screenalytics.model import CastMetric, PersonMetric, ScreenalyticsRun, canonical_uuid
from jobs.screenalytics.settings import next_step
from shared.database.session import transaction
from shared.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.screenalytics.model import ManifestRef
    from jobs.screenalytics.settings import ReplaySettings, SourceSettings, VerifySettings
    from shared.database.session import DatabaseSession

__all__ = ["StoredArtifact", "StoredRun", "finding", "is_damaged", "not_ingested", "stored_runs"]

_PAGE: Final = 200
# Maximum persons in memory; each takes 8 KB with its cast, and pods have 1 GiB.
_PERSONS: Final = 20_000
# The item's ETag is valid as well as the run's, since the same manifest may have been uploaded again. UTC, because
# another zone could move the last hours of the year 9999 into a year that Python does not support.
_RUNS: Final = """
    SELECT run.run_id, run.ep_id, run.manifest_key, run.manifest_sha256, run.manifest_etag, run.schema_version,
        run.status, run.attempt, run.completed_at AT TIME ZONE 'UTC' AS completed_at, run.duration_ms, run.persons,
        run.casts, run.output_hash, item.etag
    FROM screenalytics.runs run LEFT JOIN screenalytics.ingest_items item
        ON item.source = run.source AND item.manifest_key = run.manifest_key
        AND item.state = 'ingested' AND item.manifest_sha256 = run.manifest_sha256
    WHERE run.source = ANY (CAST(:sources AS text[])) AND starts_with(run.manifest_key, :folder)
        AND run.run_id > :after AND run.run_id = coalesce(:only, run.run_id)
    ORDER BY run.run_id LIMIT :page
"""
_METRICS: Final = """
    SELECT run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms, confessional_ms, body_ms, confidence,
        artifact_key
    FROM screenalytics.person_metrics WHERE run_id = ANY (:runs)
"""
_CASTS: Final = """
    SELECT run_id, artifact_key, entry, person_id, cast_id, name, onscreen_ms, speaking_ms, confessional_ms, body_ms,
        confidence
    FROM screenalytics.cast_metrics WHERE run_id = ANY (:runs)
"""
_ARTIFACTS: Final = """
    SELECT run_id, artifact_key, s3_key, sha256, size_bytes
    FROM screenalytics.artifacts WHERE run_id = ANY (:runs) AND fetched ORDER BY run_id, artifact_key
"""
# A run stored under two keys with the same content is ingested from one of them.
_NOT_INGESTED: Final = """
    SELECT listed.key, coalesce(item.state, 'unseen') AS state, item.code, item.message
    FROM unnest(CAST(:keys AS text[]), CAST(:runs AS text[])) AS listed (key, run_id)
    LEFT JOIN screenalytics.ingest_items item ON item.source = :source AND item.manifest_key = listed.key
    WHERE NOT EXISTS (SELECT FROM screenalytics.runs run WHERE run.run_id = listed.run_id
        AND (run.source = :source AND run.manifest_key = listed.key OR item.state = 'ingested'))
"""


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """An artifact that was read when its run was ingested."""

    artifact_key: str
    s3_key: str
    sha256: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in the tables.

    Attributes:
        run_id: id of the run.
        manifest_key: key of its manifest.
        manifest_sha256: digest of its manifest.
        etags: ETags under which that content was seen.
        deleted: True if it is marked ``source_deleted``.
        artifacts: the artifacts that were read.
        damage: findings about the rows themselves.
        is_current: False if an earlier release would have written other rows: it stored no casts, or the same UUID in
            several spellings.
    """

    run_id: str
    manifest_key: str
    manifest_sha256: str
    etags: frozenset[str]
    deleted: bool
    artifacts: tuple[StoredArtifact, ...]
    damage: tuple[Failure, ...]
    is_current: bool


def is_damaged(settings: ReplaySettings, source: str, run_id: str) -> bool:
    """Return True if a run's rows differ from those that were written, or from those that this release writes."""
    return any(run.damage or not run.is_current for page in stored_runs(settings, source, only=run_id) for run in page)


def stored_runs(
    settings: ReplaySettings | VerifySettings, source: str, *, only: str | None = None
) -> Iterator[list[StoredRun]]:
    """Yield pages of the runs of a source and prefix, in id order.

    Args:
        settings: the prefix; other runs are left out.
        source: the bucket, as stored in the tables.
        only: a run_id; None for all.
    """
    after = ""
    while True:
        with transaction(settings) as session:
            # One snapshot, so that a run replaced concurrently does not look damaged.
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # Earlier releases did not resolve links and stored a folder under its given name.
            sources = [source, settings.bucket]
            folder = runs_folder(settings.prefix)
            rows = session.rows(_RUNS, sources=sources, folder=folder, only=only, after=after, page=_PAGE)
            ids = [row.run_id for row in rows]
            artifacts = _by_run(session, _ARTIFACTS, ids)
            page = []
            for some in _by_persons(rows):
                some_ids = [row.run_id for row in some]
                metrics, casts = _by_run(session, _METRICS, some_ids), _by_run(session, _CASTS, some_ids)
                page += [
                    _stored(
                        settings,
                        row,
                        metrics.get(row.run_id, []),
                        casts.get(row.run_id, []),
                        artifacts.get(row.run_id, []),
                    )
                    for row in some
                ]
                del metrics, casts  # before the next ones are read
        if rows:
            yield page
        if len(rows) < _PAGE:
            return
        after = ids[-1]


def not_ingested(
    settings: VerifySettings, source: str, refs: Sequence[ManifestRef]
) -> Iterator[tuple[ManifestRef, Any]]:
    """Yield listed manifests without a run in the tables, each with its item's state, code and message."""
    with transaction(settings) as session:
        rows = session.rows(
            _NOT_INGESTED, source=source, keys=[ref.key for ref in refs], runs=[ref.run_id for ref in refs]
        )
    found = {row.key: row for row in rows}
    yield from ((ref, found[ref.key]) for ref in refs if ref.key in found)


def finding(run_id: str, key: str, code: str, message: str, **data: Any) -> Failure:
    """Return a mismatch.

    Raises:
        ValueError: the code is not in :data:`~jobs.screenalytics.errors.FINDINGS`.
    """
    if code not in FINDINGS:
        raise ValueError(f"{code} is not a finding; expected one of {', '.join(FINDINGS)}")
    return Failure(run_id, code, message, data={"manifest_key": key, **data})


def _by_persons(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the runs in order, in batches whose persons fit into memory."""
    some: list[Any] = []
    for row in rows:
        if some and sum(map(_size, some)) + _size(row) > _PERSONS:
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def _size(row: Any) -> int:
    return max(int(row.persons), int(row.casts or 0))


def _by_run(session: DatabaseSession, statement: str, ids: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in session.rows(statement, runs=ids):
        found.setdefault(row.run_id, []).append(row)
    return found


def _stored(
    settings: SourceSettings, row: Any, metrics: list[Any], casts: list[Any], artifacts: list[Any]
) -> StoredRun:
    return StoredRun(
        row.run_id,
        row.manifest_key,
        row.manifest_sha256,
        frozenset(filter(None, (row.manifest_etag, row.etag))),
        row.status == "source_deleted",
        tuple(StoredArtifact(*artifact[1:]) for artifact in artifacts),
        tuple(_damage(settings, row, metrics, casts)),
        row.casts is not None
        and all(canonical_uuid(metric.person_id) in (None, metric.person_id) for metric in metrics),
    )


def _damage(settings: SourceSettings, row: Any, metrics: list[Any], casts: list[Any]) -> Iterator[Failure]:
    """Compare the rows with the hash recorded when they were written."""
    fix = f"To restore the rows from the store, run: {next_step(settings, 'replay', row.run_id)}"
    if len(metrics) != row.persons:
        yield finding(
            row.run_id,
            row.manifest_key,
            "PERSONS_MISMATCH",
            f"person_metrics has {len(metrics)} rows of this run; expected {row.persons}. {fix}",
            expected=row.persons,
            actual=len(metrics),
        )
    # A run ingested before casts were stored has none.
    if len(casts) != (row.casts or 0):
        yield finding(
            row.run_id,
            row.manifest_key,
            "CASTS_MISMATCH",
            f"cast_metrics has {len(casts)} rows of this run; expected {row.casts or 0}. {fix}",
            expected=row.casts or 0,
            actual=len(casts),
        )
    digest = _run(row, metrics, casts).output_hash
    if digest != row.output_hash:
        yield finding(
            row.run_id,
            row.manifest_key,
            "HASH_MISMATCH",
            f"the rows of this run have changed since they were ingested: their hash is {digest[:12]}…, expected"
            f" {row.output_hash[:12]}…. {fix}",
            expected=row.output_hash,
            actual=digest,
        )


def _run(row: Any, metrics: list[Any], casts: list[Any]) -> ScreenalyticsRun:
    persons = (
        PersonMetric(
            metric.person_id,
            tuple(metric.cast_ids),
            metric.name,
            metric.onscreen_ms,
            metric.speaking_ms,
            metric.confessional_ms,
            metric.body_ms,
            metric.confidence,
            metric.artifact_key,
        )
        for metric in metrics
    )
    return ScreenalyticsRun(
        row.run_id,
        row.ep_id,
        row.manifest_key,
        row.manifest_sha256,
        row.manifest_etag,
        row.schema_version,
        row.attempt,
        None,
        None if row.completed_at is None else row.completed_at.replace(tzinfo=UTC),
        row.duration_ms,
        (),
        tuple(persons),
        tuple(CastMetric(*cast[1:]) for cast in casts),
    )
