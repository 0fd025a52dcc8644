"""Screenalytics: an episode with its runs, a person over all episodes, and manifests that were not ingested."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jobs.console.tables.ledger import like
from jobs.console.tables.screen_copy import SHOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = [
    "EPISODE_PATH",
    "NOT_INGESTED",
    "PERSON_PATH",
    "RUNS_SHOWN",
    "artifacts",
    "attempts",
    "casts",
    "changes",
    "episode_href",
    "episodes_of_person",
    "episodes_with_prefix",
    "exists",
    "items",
    "latest",
    "linked_person",
    "not_ingested",
    "person",
    "person_href",
    "persons",
    "persons_with_prefix",
    "replay_command",
    "runs_with_person",
    "versions",
]

EPISODE_PATH: Final = "/episodes/by-id"
PERSON_PATH: Final = "/persons/by-id"
RUNS_SHOWN: Final = 20
"""Other versions of an episode that are compared with its latest run."""

_ROWS_SHOWN: Final = 200
_CHANGES_SHOWN: Final = 8
_ATTEMPTS_SHOWN: Final = 30
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

NOT_INGESTED: Final = "state IN ('rejected', 'quarantined', 'dead', 'deferred')"
"""SQL: a manifest in ``screenalytics.ingest_items`` is not ingested, although the producer did not say so itself."""


def episode_href(ep_id: str) -> str:
    """Return the URL of an episode."""
    return f"{EPISODE_PATH}?{urlencode({'id': ep_id})}"


def person_href(show: str, person_id: str) -> str:
    """Return the URL of a person; a person of the catalogue has no show.

    >>> person_href("rhoslc", "p_0001"), person_href("", "6f0c…")
    ('/persons/by-id?id=p_0001&of=rhoslc', '/persons/by-id?id=6f0c%E2%80%A6')
    """
    return f"{PERSON_PATH}?{urlencode({'id': person_id, **({'of': show} if show else {})})}"


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


def person(database: DatabaseSession, show: str, person_id: str) -> Any | None:
    """Return a person's totals, or None.

    Args:
        database: an open transaction.
        show: the show; empty for a person of the catalogue.
        person_id: the person's id.
    """
    rows = database.rows(
        "SELECT * FROM console.persons WHERE show = :show AND person_id = :person_id", show=show, person_id=person_id
    )
    return rows[0] if rows else None


def linked_person(database: DatabaseSession, show: str, person_id: str) -> str | None:
    """Return the catalogue's id of a producer's person, or None."""
    rows = database.rows(
        "SELECT person_ref::text AS ref FROM screenalytics.person_links WHERE show = :show AND person_id = :person_id",
        show=show,
        person_id=person_id,
    )
    return rows[0].ref if rows else None


def episodes_of_person(database: DatabaseSession, show: str, person_id: str) -> list[Any]:
    """Return a person's times in the latest run of each episode, by season and episode, up to 200.

    Args:
        database: an open transaction.
        show: the show; empty for a person of the catalogue.
        person_id: the person's id.
    """
    metrics = """
        SELECT run.ep_id, run.show, run.season, run.episode, run.completed_at, run.run_id, metric.person_id,
            metric.name, metric.onscreen_ms, metric.speaking_ms, metric.confidence
        FROM console.episodes run JOIN screenalytics.person_metrics metric USING (run_id)
    """
    if show:
        found = f"{metrics} WHERE run.show = :show AND metric.person_id = :person_id"
    else:
        # A link takes precedence over a person_id that is itself a UUID, as in the view.
        found = f"""
            {metrics} JOIN screenalytics.person_links link
                ON link.show = run.show AND link.person_id = metric.person_id
            WHERE link.person_ref = CAST(:ref AS uuid)
            UNION ALL
            {metrics} WHERE metric.person_id IN (:person_id, upper(:person_id)) AND NOT EXISTS (
                SELECT FROM screenalytics.person_links link
                WHERE link.show = run.show AND link.person_id = metric.person_id)
        """
    return database.rows(
        f"SELECT * FROM ({found}) AS found"  # noqa: S608 - our constants
        " ORDER BY show, season NULLS LAST, episode NULLS LAST, ep_id, person_id LIMIT :most",
        person_id=person_id,
        most=_ROWS_SHOWN,
        **({"show": show} if show else {"ref": person_id if _UUID.fullmatch(person_id) else None}),
    )


def runs_with_person(database: DatabaseSession, person: str, show: str | None, most: int) -> list[str]:
    """Return the latest runs of episodes in which a person appears, newest first.

    Args:
        database: an open transaction.
        person: the producer's or the catalogue's id of the person, or the whole name in any case.
        show: only this show; None for all.
        most: maximum number of runs.
    """
    by_id = database.rows(
        """
        SELECT run.run_id, run.completed_at FROM console.episodes run
        WHERE EXISTS (SELECT FROM screenalytics.person_metrics metric
            WHERE metric.run_id = run.run_id AND metric.person_id = :person)
            AND (CAST(:show AS text) IS NULL OR run.show = :show)
        ORDER BY run.completed_at DESC LIMIT :most
        """,
        person=person,
        show=show,
        most=most,
    )
    # Names have an index in the copy only. OFFSET 0 keeps the planner, which expects many members, from reading all
    # metrics.
    by_name = database.rows(
        """
        WITH named AS MATERIALIZED (
            SELECT show, person_id, shows FROM console.persons
            WHERE lower(name) = lower(:person) OR (show = '' AND person_id = lower(:person))
        ), member AS MATERIALIZED (
            SELECT show, person_id FROM named WHERE show <> ''
            UNION
            SELECT in_show, person_id FROM named CROSS JOIN unnest(shows) AS in_show WHERE show = ''
            UNION
            SELECT link.show, link.person_id FROM named JOIN screenalytics.person_links link
                ON link.person_ref::text = named.person_id WHERE named.show = ''
        )
        SELECT run.run_id, run.completed_at FROM member JOIN console.episodes run ON run.show = member.show
        JOIN LATERAL (
            SELECT FROM screenalytics.person_metrics metric
            WHERE metric.run_id = run.run_id AND metric.person_id = member.person_id OFFSET 0) AS known ON true
        WHERE CAST(:show AS text) IS NULL OR run.show = :show
        ORDER BY run.completed_at DESC LIMIT :most
        """,
        person=person,
        show=show,
        most=most,
    )
    found = {row.run_id: row.completed_at for row in (*by_id, *by_name)}
    return sorted(found, key=lambda run_id: found[run_id], reverse=True)[:most]


def episodes_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return episodes that start with a text, in any case."""
    return database.rows(
        "SELECT ep_id, persons FROM console.episodes WHERE ep_id ILIKE :prefix ORDER BY ep_id LIMIT :most",
        prefix=like(prefix),
        most=most,
    )


def persons_with_prefix(database: DatabaseSession, prefix: str, most: int) -> list[Any]:
    """Return persons whose name, in any case, or whose id starts with a text; those seen longest first."""
    return database.rows(
        """
        SELECT show, person_id, name, shows, episodes FROM (
            (SELECT * FROM console.persons WHERE lower(name) LIKE lower(:prefix) LIMIT 1000)
            UNION (SELECT * FROM console.persons WHERE person_id LIKE :prefix LIMIT 1000)) AS found
        ORDER BY onscreen_ms DESC, show, person_id LIMIT :most
        """,
        prefix=like(prefix),
        most=most,
    )
