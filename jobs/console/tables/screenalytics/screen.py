"""Screenalytics: an episode with its runs, and manifests that were not ingested."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jobs.console.tables.runs.ledger import like
from jobs.console.tables.screenalytics.screen_copy import SHOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = [
    "EPISODE_PATH",
    "NOT_INGESTED",
    "RUNS_SHOWN",
    "artifacts",
    "attempts",
    "casts",
    "changes",
    "episode_href",
    "episodes_with_prefix",
    "exists",
    "items",
    "latest",
    "not_ingested",
    "persons",
    "replay_command",
    "versions",
]

EPISODE_PATH: Final = "/episodes/by-id"
RUNS_SHOWN: Final = 20
"""Other versions of an episode that are compared with its latest run."""

_ROWS_SHOWN: Final = 200
_CHANGES_SHOWN: Final = 8
_ATTEMPTS_SHOWN: Final = 30
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

NOT_INGESTED: Final = "state IN ('rejected', 'quarantined', 'dead', 'deferred')"
"""SQL: a manifest in ``screenalytics.ingest_items`` is not ingested, although the producer did not say so itself."""


def episode_href(ep_id: str) -> str:
    """Return the URL of an episode."""
    return f"{EPISODE_PATH}?{urlencode({'id': ep_id})}"


def replay_command(
    run_id: str, source: str, manifest_key: str, code: str | None = None, state: str | None = None
) -> str | None:
    """Return the command that ingests a run again; None if it could not be pasted into a shell.

    Args:
        run_id: the producer's run.
        source: URI of the bucket.
        manifest_key: key of the run's manifest, ``PREFIX/runs/RUN/manifest.json``.
        code: code of its failure; a changed manifest needs consent to replace the old rows.
        state: state of the manifest.

    >>> replay_command("Run1", "s3://media", "derived/runs/Run1/manifest.json", "MANIFEST_CHANGED", "quarantined")
    'telecine screenalytics replay Run1 --accept-changed --bucket=s3://media --prefix=derived'
    """
    tail = f"runs/{run_id}/manifest.json"
    folder = manifest_key.removesuffix(tail)
    is_known = manifest_key.endswith(tail) and (not folder or folder.endswith("/"))
    if not (is_known and _RUN_ID.fullmatch(run_id) and source and (source + manifest_key).isprintable()):
        return None
    words = ["telecine", "screenalytics", "replay", run_id]
    if code == "MANIFEST_CHANGED" and state != "dead":
        words.append("--accept-changed")
    words += [f"--bucket={source}", f"--prefix={folder.rstrip('/') or '/'}"]
    return shlex.join(words)


def exists(database: DatabaseSession) -> bool:
    """Return whether a manifest was ever seen."""
    (row,) = database.rows(
        "SELECT EXISTS (SELECT FROM screenalytics.runs) OR EXISTS (SELECT FROM screenalytics.ingest_items) AS found"
    )
    return bool(row.found)


def latest(database: DatabaseSession, ep_id: str) -> Any | None:
    """Return the latest run of an episode with its show, or None."""
    rows = database.rows(
        f"SELECT run.*, {SHOW} AS show,"  # noqa: S608 - our constant
        " EXISTS (SELECT FROM pipeline.runs known WHERE known.run_id = run.pipeline_run_id) AS has_run"
        " FROM screenalytics.latest_runs run WHERE ep_id = :ep_id",
        ep_id=ep_id,
    )
    return rows[0] if rows else None


def persons(database: DatabaseSession, ep_id: str) -> list[Any]:
    """Return the persons of an episode, those seen longest first, up to 200."""
    return database.rows(
        "SELECT person_id, person_ref::text AS person_ref, name, cast_ids, onscreen_ms, speaking_ms, confessional_ms,"
        " body_ms, confidence FROM screenalytics.latest_person_metrics WHERE ep_id = :ep_id"
        " ORDER BY onscreen_ms DESC, person_id LIMIT :most",
        ep_id=ep_id,
        most=_ROWS_SHOWN,
    )


def casts(database: DatabaseSession, run_id: str) -> list[Any]:
    """Return the casts of a run, those seen longest first, up to 200."""
    return database.rows(
        "SELECT person_id, cast_id, name, onscreen_ms, speaking_ms, confessional_ms, body_ms, confidence, artifact_key,"
        " entry FROM screenalytics.cast_metrics WHERE run_id = :run_id"
        " ORDER BY onscreen_ms DESC, artifact_key, entry LIMIT :most",
        run_id=run_id,
        most=_ROWS_SHOWN,
    )


def artifacts(database: DatabaseSession, run_id: str) -> list[Any]:
    """Return the files that a run's manifest names."""
    return database.rows(
        "SELECT artifact_key, artifact_kind, s3_key, schema_version, size_bytes, row_count, sha256, fetched"
        " FROM screenalytics.artifacts WHERE run_id = :run_id ORDER BY fetched DESC, artifact_key LIMIT :most",
        run_id=run_id,
        most=_ROWS_SHOWN,
    )


def versions(database: DatabaseSession, ep_id: str, run_id: str) -> list[Any]:
    """Return the other runs of an episode and its replaced ones, newest first, up to :data:`RUNS_SHOWN` of each.

    Args:
        database: an open transaction.
        ep_id: the episode.
        run_id: its latest run.
    """
    return database.rows(
        """
        (SELECT run_id, revision, 'older' AS kind, attempt, status, completed_at, ingested_at, persons,
            NULL::timestamptz AS replaced_at, pipeline_run_id, manifest_key
        FROM screenalytics.runs WHERE ep_id = :ep_id AND run_id <> :run_id
        ORDER BY completed_at DESC NULLS LAST, run_id LIMIT :most)
        UNION ALL
        (SELECT old.run_id, old.revision, 'replaced', (old.run ->> 'attempt')::integer, old.run ->> 'status',
            (old.run ->> 'completed_at')::timestamptz, (old.run ->> 'ingested_at')::timestamptz,
            (old.run ->> 'persons')::integer, old.replaced_at, old.replaced_by, old.run ->> 'manifest_key'
        FROM screenalytics.replaced_runs old JOIN screenalytics.runs run USING (run_id)
        WHERE run.ep_id = :ep_id ORDER BY old.replaced_at DESC, old.run_id, old.revision LIMIT :most)
        """,
        ep_id=ep_id,
        run_id=run_id,
        most=RUNS_SHOWN,
    )


def changes(database: DatabaseSession, run_id: str, others: Sequence[Any]) -> dict[tuple[str, int], list[Any]]:
    """Compare versions of an episode with its latest run.

    Args:
        database: an open transaction.
        run_id: the latest run.
        others: rows of :func:`versions`.

    Returns:
        For each version, by run and revision, the persons whose times changed most. Each row has the times in both, in
        milliseconds, and numbers over all persons: ``gained`` (only in the latest run), ``lost`` (only in the version)
        and ``changed``. A version that equals the latest run is absent.
    """
    rows = database.rows(
        """
        WITH latest AS MATERIALIZED (
            SELECT person_id, name, onscreen_ms, speaking_ms FROM screenalytics.person_metrics WHERE run_id = :run_id
        ), other AS MATERIALIZED (
            SELECT run_id, revision FROM unnest(CAST(:runs AS text[]), CAST(:revisions AS integer[]))
                AS other (run_id, revision)
        ), metric AS MATERIALIZED (
            SELECT other.run_id, other.revision, old.person_id, old.name, old.onscreen_ms, old.speaking_ms
            FROM other JOIN screenalytics.runs run USING (run_id, revision)
            JOIN screenalytics.person_metrics old USING (run_id)
            UNION ALL
            SELECT other.run_id, other.revision, old.person_id, old.name, old.onscreen_ms, old.speaking_ms
            FROM other JOIN screenalytics.replaced_runs replaced USING (run_id, revision)
            CROSS JOIN jsonb_to_recordset(replaced.person_metrics)
                AS old (person_id text, name text, onscreen_ms bigint, speaking_ms bigint)
        ), pair AS (
            SELECT other.run_id, other.revision, latest.person_id, coalesce(latest.name, old.name) AS name,
                old.onscreen_ms AS onscreen_before, latest.onscreen_ms AS onscreen_now,
                old.speaking_ms AS speaking_before, latest.speaking_ms AS speaking_now
            FROM other CROSS JOIN latest LEFT JOIN metric old
                ON old.run_id = other.run_id AND old.revision = other.revision AND old.person_id = latest.person_id
            UNION ALL
            SELECT old.run_id, old.revision, old.person_id, old.name, old.onscreen_ms, NULL, old.speaking_ms, NULL
            FROM metric old WHERE NOT EXISTS (SELECT FROM latest WHERE latest.person_id = old.person_id)
        ), ranked AS (
            SELECT pair.*, count(*) FILTER (WHERE onscreen_before IS NULL) OVER run AS gained,
                count(*) FILTER (WHERE onscreen_now IS NULL) OVER run AS lost,
                count(*) FILTER (WHERE onscreen_before IS NOT NULL AND onscreen_now IS NOT NULL) OVER run AS changed,
                row_number() OVER (PARTITION BY run_id, revision ORDER BY greatest(
                    abs(coalesce(onscreen_now, 0)::numeric - coalesce(onscreen_before, 0)),
                    abs(coalesce(speaking_now, 0)::numeric - coalesce(speaking_before, 0))) DESC, person_id) AS place
            FROM pair WHERE onscreen_before IS DISTINCT FROM onscreen_now
                OR speaking_before IS DISTINCT FROM speaking_now
            WINDOW run AS (PARTITION BY run_id, revision)
        )
        SELECT * FROM ranked WHERE place <= :most ORDER BY run_id, revision, place
        """,
        run_id=run_id,
        runs=[row.run_id for row in others],
        revisions=[row.revision for row in others],
        most=_CHANGES_SHOWN,
    )
    found: dict[tuple[str, int], list[Any]] = {}
    for row in rows:
        found.setdefault((row.run_id, row.revision), []).append(row)
    return found


def items(database: DatabaseSession, ep_id: str) -> list[Any]:
    """Return the manifests of an episode's runs that were not ingested, the last ones first, up to 200."""
    return database.rows(
        f"SELECT item.* FROM screenalytics.ingest_items item JOIN screenalytics.runs run USING (run_id)"  # noqa: S608
        f" WHERE run.ep_id = :ep_id AND {NOT_INGESTED} ORDER BY item.last_at DESC, item.manifest_key LIMIT :most",
        ep_id=ep_id,
        most=_ROWS_SHOWN,
    )


def attempts(database: DatabaseSession, ep_id: str) -> list[Any]:
    """Return the last 30 attempts to ingest an episode's runs."""
    return database.rows(
        "SELECT attempt.* FROM screenalytics.runs run JOIN screenalytics.ingest_attempts attempt USING (run_id)"
        " WHERE run.ep_id = :ep_id ORDER BY attempt.at DESC, attempt.id DESC LIMIT :most",
        ep_id=ep_id,
        most=_ATTEMPTS_SHOWN,
    )


def not_ingested(database: DatabaseSession) -> dict[str, int]:
    """Return the number of manifests that are not ingested, by state."""
    rows = database.rows(
        f"SELECT state, count(*) AS number FROM screenalytics.ingest_items WHERE {NOT_INGESTED}"  # noqa: S608
        " GROUP BY state ORDER BY count(*) DESC, state"
    )
    return {row.state: int(row.number) for row in rows}


def episodes_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return episodes that start with a text, in any case."""
    return database.rows(
        "SELECT ep_id, persons FROM console.episodes WHERE ep_id ILIKE :prefix ORDER BY ep_id LIMIT :most",
        prefix=like(prefix),
        most=most,
    )
