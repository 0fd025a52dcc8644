"""Search for runs, failed items, uploads, keys, sessions, episodes, persons and titles by prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from jobs.console.tables.runs.errors import errors_url, items_with_prefix
from jobs.console.tables.runs.ledger import like, runs_with_prefix
from jobs.console.tables.screenalytics.screen import episode_href, episodes_with_prefix
from jobs.console.tables.screenalytics.screen_persons import person_href, persons_with_prefix
from jobs.console.tables.trakt.meanings import name_of
from jobs.console.tables.trakt.titles import with_prefix
from jobs.console.tables.viewership.uploads import uploads_named
from shared.report.format import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.database.session import DatabaseSession

__all__ = ["MOST", "Hit", "search"]

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit: its kind, such as ``run`` or ``upload``, name, note and URL."""

    kind: str
    name: str
    note: str
    href: str


def search(database: DatabaseSession, text: str) -> list[Hit]:
    """Return up to 20 hits of each kind.

    Args:
        database: an open transaction.
        text: prefix of a run's id, a failed item, a file name, a session's key, an episode, a person's name or id, or a
            title; or the number of an upload.
    """
    return [*_of_runs(database, text), *_of_viewership(database, text), *_of_results(database, text)]


def _of_runs(database: DatabaseSession, text: str) -> Iterator[Hit]:
    for row in runs_with_prefix(database, text, MOST):
        yield Hit("run", row.run_id, f"{row.pipeline}, {row.status}", f"/runs/{quote(row.run_id, safe='')}")
    for row in items_with_prefix(database, text, MOST):
        yield Hit("item", row.item, f"failed {row.number:,} times", errors_url(row.item))


def _of_viewership(database: DatabaseSession, text: str) -> Iterator[Hit]:
    for row in uploads_named(database, text, MOST):
        note = ", ".join(filter(None, (row.platform, row.status)))
        yield Hit("upload", f"{row.upload_id}: {row.filename}", note, f"/uploads/{row.upload_id}")
    keys = database.rows(
        "SELECT review_digest, platform, series, title, hours FROM console.review_keys"
        " WHERE title ILIKE :prefix OR series ILIKE :prefix ORDER BY hours DESC, review_digest LIMIT :most",
        prefix=like(text),
        most=MOST,
    )
    for row in keys:
        yield Hit(
            "review",
            ": ".join(filter(None, (row.series, row.title))),
            f"{row.platform}, {number(float(row.hours))} hours in review",
            f"/review?{urlencode({'key': bytes(row.review_digest).hex()})}",
        )


def _of_results(database: DatabaseSession, text: str) -> Iterator[Hit]:
    sessions = database.rows(
        "SELECT s3_key FROM gold.gamedata_sessions WHERE s3_key LIKE :prefix ORDER BY s3_key LIMIT :most",
        prefix=like(text),
        most=MOST,
    )
    for row in sessions:
        yield Hit("session", row.s3_key, "", f"/sessions/by-key?{urlencode({'key': row.s3_key})}")
    for row in episodes_with_prefix(database, text, MOST):
        yield Hit("episode", row.ep_id, f"{row.persons:,} persons", episode_href(row.ep_id))
    for row in persons_with_prefix(database, text, MOST):
        note = f"{', '.join(row.shows[:3])}, {row.episodes:,} episodes"
        yield Hit("person", row.name or row.person_id, note, person_href(row.show, row.person_id))
    for row in with_prefix(database, text, MOST):
        yield Hit("title", name_of(row), row.title_kind, f"/titles/{row.title_kind}/{row.title_id_trakt}")
