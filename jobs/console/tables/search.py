"""Search for runs, failed items, sessions and titles by prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from jobs.console.tables.errors import errors_url, items_with_prefix
from jobs.console.tables.ledger import like, runs_with_prefix
from jobs.console.tables.meanings import name_of
from jobs.console.tables.titles import with_prefix

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["MOST", "Hit", "search"]

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit: its kind (``run``, ``item``, ``session`` or ``title``), name, note and URL."""

    kind: str
    name: str
    note: str
    href: str


def search(database: DatabaseSession, text: str) -> list[Hit]:
    """Return up to 20 hits of each kind.

    Args:
        database: an open transaction.
        text: prefix of a run id, failed item, session key or title, or the id of a title.
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
        Hit("title", name_of(row), row.title_kind, f"/titles/{row.title_kind}/{row.title_id_trakt}")
        for row in with_prefix(database, text, MOST)
    ]
    return hits
