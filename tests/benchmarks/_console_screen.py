"""Rows and requests of the console's pages of episodes and persons, for its benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["EPISODES", "PERSONS", "seed", "ways"]

EPISODES: Final = 20_000
PERSONS: Final = 50
"""Persons of an episode."""

_SHOW_EPISODES: Final = 100
_EPISODE: Final = "SELECT * FROM screenalytics.runs ORDER BY ep_id LIMIT 51"
_PERSON: Final = "SELECT * FROM screenalytics.person_metrics ORDER BY run_id, person_id LIMIT 51"


def seed(database: DatabaseSession, episodes: int) -> None:
    """Write episodes of 100 to a show: every other one has an older run, one in 50 a manifest that is not ingested.

    A tenth of the persons have the catalogue's id, the others one that is unique in their show.

    Args:
        database: an open transaction.
        episodes: number of episodes.
    """
    database.run(
        """
        INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,
            schema_version, attempt, completed_at, duration_ms, persons, casts, warnings, output_hash, pipeline_run_id,
            ingested_at, updated_at)
        SELECT r.run_id, 'show-' || lpad((n / :show)::text, 4, '0') || '-s' || lpad((1 + n % :show / 10)::text, 2, '0')
            || 'e' || lpad((1 + n % 10)::text, 2, '0'), 's3://media', 'derived/runs/' || r.run_id || '/manifest.json',
            repeat('a', 64), 'etag', '1.0', attempt, t.at, 2580000, :persons, :persons,
            CASE WHEN n % 3 = 0 THEN '[{"code": "EPISODE_UNLINKED", "message": "no row in episode_links"}]' ELSE '[]'
            END::jsonb, repeat('b', 64), 'run-00000001', t.at, t.at
        FROM generate_series(0, :episodes - 1) n CROSS JOIN generate_series(1, 2) attempt
            CROSS JOIN LATERAL (SELECT 'run-' || n || '-' || attempt AS run_id) r
            CROSS JOIN LATERAL (SELECT now() - make_interval(mins => 2 * (:episodes - n) - attempt) AS at) t
        WHERE attempt = 1 OR n % 2 = 0
        """,
        episodes=episodes,
        show=_SHOW_EPISODES,
        persons=PERSONS,
    )
    database.run("""
        INSERT INTO screenalytics.artifacts (run_id, artifact_key, artifact_kind, s3_key, schema_version, fetched)
        SELECT run_id, 'screentime', 'person_metrics', 'derived/runs/' || run_id || '/screentime.json',
            'screentime.v1', true FROM screenalytics.runs
    """)
    database.run(
        """
        INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms,
            confidence, artifact_key, artifact_schema_version, manifest_key, schema_version, pipeline_run_id)
        SELECT run.run_id, CASE WHEN k % 10 = 0 THEN md5((k * 7919 + s.number % 40)::text)::uuid::text
            ELSE 'p_' || lpad(k::text, 4, '0') END, ARRAY['cast-' || k], 'Person ' || k || ' of ' || s.number,
            (hashtext(run.run_id || k) & 1048575), CASE WHEN s.number % 2 = 0 THEN hashtext(run.run_id) & 262143 END,
            0.9, 'screentime', 'screentime.v1', run.manifest_key, '1.0', run.pipeline_run_id
        FROM screenalytics.runs run CROSS JOIN generate_series(1, :persons) k
            CROSS JOIN LATERAL (SELECT substring(run.ep_id FROM 6 FOR 4)::integer AS number) s
        """,
        persons=PERSONS,
    )
    database.run("""
        INSERT INTO screenalytics.ingest_items (source, manifest_key, run_id, state, attempts, code, message,
            pipeline_run_id, last_at)
        SELECT source, manifest_key, run_id, CASE WHEN odd THEN 'quarantined' ELSE 'ingested' END, odd::integer,
            CASE WHEN odd THEN 'MANIFEST_CHANGED' END, CASE WHEN odd THEN 'the manifest changed' END, pipeline_run_id,
            completed_at
        FROM screenalytics.runs CROSS JOIN LATERAL (SELECT hashtext(run_id) % 50 = 0 AS odd) o
    """)


def ways(episodes: int) -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return each page: its URL from a random draw, and the query of its first rows."""

    def show(draw: random.Random) -> str:
        return f"show-{draw.randrange(max(1, episodes // _SHOW_EPISODES)):04}"

    def episode(draw: random.Random) -> str:
        return f"{show(draw)}-s{draw.randint(1, 9):02}e{draw.randint(1, 9):02}"

    def person(draw: random.Random) -> str:
        return f"p_{draw.randint(1, 9):04}"

    sorts = ("oldest", "episode", "onscreen", "speaking", "persons", "warnings")
    return {
        "episodes": (lambda _: "/episodes", _EPISODE),
        "episodes by show": (lambda draw: f"/episodes?show={show(draw)}", _EPISODE),
        "episodes in an order": (lambda draw: f"/episodes?sort={draw.choice(sorts)}", _EPISODE),
        "episodes by warning": (lambda _: "/episodes?warning=EPISODE_UNLINKED", _EPISODE),
        "episodes by person": (lambda draw: f"/episodes?person={person(draw)}", _EPISODE),
        "episodes by name": (lambda draw: f"/episodes?person=Person%207%20of%20{draw.randrange(90)}", _EPISODE),
        "an episode": (lambda draw: f"/episodes/by-id?id={episode(draw)}", _PERSON),
        "not ingested": (lambda _: "/episodes/not-ingested", _EPISODE),
        "persons": (lambda _: "/persons", _PERSON),
        "persons in an order": (
            lambda draw: f"/persons?sort={draw.choice(('speaking', 'episodes', 'name', 'recent'))}",
            _PERSON,
        ),
        "persons by show": (lambda draw: f"/persons?show={show(draw)}", _PERSON),
        "persons by name": (lambda draw: f"/persons?q=of%20{draw.randrange(90)}", _PERSON),
        "a person": (lambda draw: f"/persons/by-id?id={person(draw)}&of={show(draw)}", _PERSON),
        "search": (lambda draw: f"/search?q=Person%20{draw.randint(1, 49)}", _PERSON),
    }
