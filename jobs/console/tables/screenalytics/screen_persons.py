"""Screenalytics: a person over the latest runs of all episodes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jobs.console.tables.runs.ledger import like

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = [
    "PERSON_PATH",
    "episodes_of_person",
    "linked_person",
    "person",
    "person_href",
    "persons_with_prefix",
    "runs_with_person",
]

PERSON_PATH: Final = "/persons/by-id"

_ROWS_SHOWN: Final = 200
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def person_href(show: str, person_id: str) -> str:
    """Return the URL of a person; a person of the catalogue has no show.

    >>> person_href("rhoslc", "p_0001"), person_href("", "6f0c…")
    ('/persons/by-id?id=p_0001&of=rhoslc', '/persons/by-id?id=6f0c%E2%80%A6')
    """
    return f"{PERSON_PATH}?{urlencode({'id': person_id, **({'of': show} if show else {})})}"


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
