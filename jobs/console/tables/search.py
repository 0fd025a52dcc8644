"""Search for runs, failed items, sessions, episodes and persons by prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from jobs.console.tables.errors import errors_url, items_with_prefix
from jobs.console.tables.ledger import like, runs_with_prefix
from jobs.console.tables.screen import episode_href, episodes_with_prefix
from jobs.console.tables.screen_persons import person_href, persons_with_prefix

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["MOST", "Hit", "search"]

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit: its kind (``run``, ``item``, ``session``, ``episode`` or ``person``), name, note and URL."""

    kind: str
    name: str
    note: str
    href: str


def search(database: DatabaseSession, text: str) -> list[Hit]:
    """Return up to 20 hits of each kind.

    Args:
        database: an open transaction.
        text: prefix of a run id, failed item, session key, episode, or of a person's name or id.
    """
    hits = [
        Hit("run", row.run_id, f"{row.pipeline}, {row.status}", f"/runs/{quote(row.run_id, safe='')}")
        for row in runs_with_prefix(database, text, MOST)
    ]
    hits += [
        Hit("item", row.item, f"failed {row.number:,} times", errors_url(row.item))
        for row in items_with_prefix(database, text, MOST)
    ]
    sessions = database.rows(
        "SELECT s3_key FROM gold.gamedata_sessions WHERE s3_key LIKE :prefix ORDER BY s3_key LIMIT :most",
        prefix=like(text),
        most=MOST,
    )
    hits += [Hit("session", row.s3_key, "", f"/sessions/by-key?{urlencode({'key': row.s3_key})}") for row in sessions]
    hits += [
        Hit("episode", row.ep_id, f"{row.persons:,} persons", episode_href(row.ep_id))
        for row in episodes_with_prefix(database, text, MOST)
    ]
    return hits + [
        Hit(
            "person",
            row.name or row.person_id,
            f"{', '.join(row.shows[:3])}, {row.episodes:,} episodes",
            person_href(row.show, row.person_id),
        )
        for row in persons_with_prefix(database, text, MOST)
    ]
