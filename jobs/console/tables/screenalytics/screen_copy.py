"""Copies of Screenalytics' latest runs: the tables `console.episodes` and `console.persons`.

Finding the latest run of each episode and adding up each person's time reads all runs and all metrics, which takes a
second for a million metrics. Pages read these copies instead and say how old they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["MARK", "SHOW", "make"]

SHOW: Final = "coalesce(substring(run.ep_id FROM '^(.+)-s[0-9]+e[0-9]+$'), run.ep_id)"
"""SQL for the show of ``run.ep_id``, as in the view screenalytics.latest_person_metrics."""

MARK: Final = """
    SELECT concat_ws(' ', (SELECT count(*) FROM screenalytics.runs), (SELECT max(updated_at) FROM screenalytics.runs),
        (SELECT max(last_at) FROM screenalytics.ingest_items),
        (SELECT count(*) || '/' || max(linked_at) FROM screenalytics.episode_links),
        (SELECT count(*) || '/' || max(linked_at) FROM screenalytics.person_links))
"""
"""State of the tables below the copies, for :class:`jobs.console.tables.snapshots.Snapshots`."""

# LEAST ignores NULL: without the CASE, an unknown time would be the largest bigint.
_EPISODES: Final = f"""
    INSERT INTO console.episodes AS old (ep_id, show, season, episode, episode_id, run_id, status, completed_at,
        persons, casts, onscreen_ms, speaking_ms, warnings, warning_codes, older_runs, replaced_runs, not_ingested,
        pipeline_run_id)
    SELECT run.ep_id, {SHOW}, CAST(substring(run.ep_id FROM '-s([0-9]{{1,9}})e[0-9]+$') AS integer),
        CAST(substring(run.ep_id FROM '-s[0-9]+e([0-9]{{1,9}})$') AS integer), run.episode_id, run.run_id, run.status,
        coalesce(run.completed_at, run.ingested_at), run.persons, run.casts,
        least(coalesce(total.onscreen_ms, 0), 9223372036854775807),
        CASE WHEN total.speaking_ms IS NOT NULL THEN least(total.speaking_ms, 9223372036854775807) END,
        CASE jsonb_typeof(run.warnings) WHEN 'array' THEN jsonb_array_length(run.warnings) ELSE 0 END,
        ARRAY(SELECT DISTINCT warning.value ->> 'code' FROM jsonb_array_elements(
            CASE jsonb_typeof(run.warnings) WHEN 'array' THEN run.warnings ELSE '[]' END) AS warning
            WHERE warning.value ->> 'code' IS NOT NULL ORDER BY 1),
        other.runs - 1, coalesce(replaced.runs, 0), coalesce(item.items, 0), run.pipeline_run_id
    FROM screenalytics.latest_runs run
    JOIN (SELECT ep_id, count(*) AS runs FROM screenalytics.runs GROUP BY ep_id) AS other USING (ep_id)
    LEFT JOIN (SELECT run_id, sum(onscreen_ms) AS onscreen_ms, sum(speaking_ms) AS speaking_ms
        FROM screenalytics.person_metrics GROUP BY run_id) AS total ON total.run_id = run.run_id
    LEFT JOIN (SELECT known.ep_id, count(*) AS runs FROM screenalytics.replaced_runs
        JOIN screenalytics.runs known USING (run_id) GROUP BY known.ep_id) AS replaced ON replaced.ep_id = run.ep_id
    LEFT JOIN (SELECT known.ep_id, count(*) AS items FROM screenalytics.ingest_items
        JOIN screenalytics.runs known USING (run_id)
        WHERE state IN ('rejected', 'quarantined', 'dead', 'deferred') GROUP BY known.ep_id) AS item
        ON item.ep_id = run.ep_id
    ON CONFLICT (ep_id) DO UPDATE SET show = excluded.show, season = excluded.season, episode = excluded.episode,
        episode_id = excluded.episode_id, run_id = excluded.run_id, status = excluded.status,
        completed_at = excluded.completed_at, persons = excluded.persons, casts = excluded.casts,
        onscreen_ms = excluded.onscreen_ms, speaking_ms = excluded.speaking_ms, warnings = excluded.warnings,
        warning_codes = excluded.warning_codes, older_runs = excluded.older_runs,
        replaced_runs = excluded.replaced_runs, not_ingested = excluded.not_ingested,
        pipeline_run_id = excluded.pipeline_run_id
    WHERE old.* IS DISTINCT FROM excluded.*
"""  # noqa: S608 - our constants
_EPISODES_GONE: Final = """
    DELETE FROM console.episodes old
    WHERE NOT EXISTS (SELECT FROM screenalytics.runs run WHERE run.ep_id = old.ep_id)
"""
# First by the producer's ids, which are unique in a show; then by the catalogue's. Two ids of a show may be one person
# of the catalogue, whose episodes are then counted once each.
_PERSONS: Final = """
    WITH member AS MATERIALIZED (
        SELECT run.show, metric.person_id, max(metric.name COLLATE "C") AS name, count(*) AS episodes,
            sum(metric.onscreen_ms) AS onscreen_ms, sum(metric.speaking_ms) AS speaking_ms,
            count(metric.speaking_ms) AS spoken, min(run.completed_at) AS first_at, max(run.completed_at) AS last_at
        FROM console.episodes run JOIN screenalytics.person_metrics metric USING (run_id)
        GROUP BY run.show, metric.person_id
    ), known AS MATERIALIZED (
        SELECT member.*, coalesce(link.person_ref::text, CASE
            WHEN member.person_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN lower(member.person_id) END)
            AS ref
        FROM member LEFT JOIN screenalytics.person_links link
            ON link.show = member.show AND link.person_id = member.person_id
    ), person AS MATERIALIZED (
        SELECT CASE WHEN ref IS NULL THEN show ELSE '' END AS show, coalesce(ref, person_id) AS person_id,
            max(name COLLATE "C") AS name, array_agg(DISTINCT show) AS shows, sum(episodes)::integer AS episodes,
            least(sum(onscreen_ms), 9223372036854775807)::bigint AS onscreen_ms,
            CASE WHEN sum(speaking_ms) IS NOT NULL THEN least(sum(speaking_ms), 9223372036854775807)::bigint END
                AS speaking_ms, sum(spoken)::integer AS spoken,
            min(first_at) AS first_at, max(last_at) AS last_at, count(*) > count(DISTINCT show) AS twice
        FROM known GROUP BY 1, 2
    ), exact AS MATERIALIZED (
        SELECT person.*, CASE WHEN twice THEN (
            SELECT count(DISTINCT run.ep_id) FROM known
            JOIN console.episodes run ON run.show = known.show
            JOIN screenalytics.person_metrics metric USING (run_id)
            WHERE known.ref = person.person_id AND metric.person_id = known.person_id)::integer
            ELSE episodes END AS counted
        FROM person
    ), written AS (
        INSERT INTO console.persons AS old (show, person_id, name, shows, episodes, onscreen_ms, speaking_ms, spoken,
            first_at, last_at)
        SELECT show, person_id, name, shows, counted, onscreen_ms, speaking_ms, spoken, first_at, last_at FROM exact
        ON CONFLICT (show, person_id) DO UPDATE SET name = excluded.name, shows = excluded.shows,
            episodes = excluded.episodes, onscreen_ms = excluded.onscreen_ms, speaking_ms = excluded.speaking_ms,
            spoken = excluded.spoken, first_at = excluded.first_at, last_at = excluded.last_at
        WHERE old.* IS DISTINCT FROM excluded.*
    )
    DELETE FROM console.persons old WHERE NOT EXISTS (
        SELECT FROM exact WHERE exact.show = old.show AND exact.person_id = old.person_id)
"""


def make(session: DatabaseSession) -> None:
    """Bring both copies to the latest runs, writing only rows that differ.

    Args:
        session: the transaction.
    """
    session.run(_EPISODES)
    session.run(_EPISODES_GONE)
    session.run(_PERSONS)
