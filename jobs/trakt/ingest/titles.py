"""Titles of watch lists in the database: their Trakt ids, their state, and when their next sweep is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.ingest.listing import whole
from jobs.trakt.model import TitleRef
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.database.session import DatabaseSession

__all__ = [
    "GONE_DAYS",
    "Title",
    "TitleFacts",
    "by_name",
    "drop_others",
    "found",
    "known_ids",
    "missing",
    "store",
    "swept",
    "tmdb_id",
    "tracked",
]

GONE_DAYS: Final = 3
"""A title is gone after 404 on this many days: well-known titles have answered 404 for two (trakt/trakt-api#611)."""
_TEXT: Final = 500
_MAX_YEAR: Final = 9999


@dataclass(frozen=True, slots=True)
class Title:
    """A title of a watch list.

    Attributes:
        ref: its kind and Trakt id.
        state: tracked, gone or dropped.
        is_due: whether its next sweep is due.
        is_fresh: whether the title itself was read in the last 12 hours, such as to resolve its name.
        comments: number of comments that the API stated for it; None if unknown.
        last_pages: pages of its last complete sweep; None if there is none.
    """

    ref: TitleRef
    state: str
    is_due: bool
    is_fresh: bool
    comments: int | None
    last_pages: int | None


@dataclass(frozen=True, slots=True)
class TitleFacts:
    """The facts that the API states about a title.

    Attributes:
        ref: its kind and Trakt id.
        slug: its slug now.
        imdb: its id at IMDb.
        tmdb: its id at TMDb.
        title: its name.
        year: its year.
        released: its date of release, or of its first episode.
        comments: how many comments it has.
    """

    ref: TitleRef
    slug: str | None
    imdb: str | None
    tmdb: int | None
    title: str | None
    year: int | None
    released: date | None
    comments: int | None

    @classmethod
    def of(cls, kind: str, document: Any) -> TitleFacts | None:
        """Return the facts of an answer; None if it has no Trakt id.

        Args:
            kind: movie or show.
            document: the answer as a JSON value.
        """
        ids = document.get("ids") if isinstance(document, dict) else None
        number = whole(ids.get("trakt")) if isinstance(ids, dict) else None
        if not number or not isinstance(ids, dict):
            return None
        year = whole(document.get("year"))
        comments = whole(document.get("comment_count"))
        return cls(
            TitleRef("movie" if kind == "movie" else "show", number),
            _words(ids.get("slug")),
            _words(ids.get("imdb")),
            whole(ids.get("tmdb")),
            _words(document.get("title")),
            year if year is not None and year <= _MAX_YEAR else None,
            _date(document.get("released") or document.get("first_aired")),
            comments if comments is not None and comments < 2**31 else None,
        )


def _words(value: Any) -> str | None:
    return clean_text(value, _TEXT) if isinstance(value, str) and value else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


_TITLES: Final = """
    SELECT t.kind, t.trakt_id, t.names, t.state, t.next_sweep_at <= now() AS is_due,
        t.resolved_at > now() - interval '12 hours' AS is_fresh, t.comments,
        (SELECT pages_expected FROM trakt.sweeps s WHERE s.complete AND s.resource = 'comments'
            AND s.kind = t.kind AND s.trakt_id = t.trakt_id ORDER BY ended_at DESC LIMIT 1) AS last_pages
    FROM trakt.titles t
"""


def by_name(session: DatabaseSession, names: Sequence[str]) -> dict[str, Title]:
    """Return the titles that some names of watch lists stand for; names that were never resolved are absent."""
    rows = session.rows(f"{_TITLES} WHERE t.names && CAST(:names AS text[])", names=list(names))
    found: dict[str, Title] = {}
    for row in rows:
        title = _title(row)
        found.update(dict.fromkeys(set(row.names).intersection(names), title))
    return found


def tracked(session: DatabaseSession, *, gone: bool = False) -> list[Title]:
    """Return all titles that are tracked.

    Args:
        session: the transaction.
        gone: whether to include titles that are gone.
    """
    rows = session.rows(f"{_TITLES} WHERE t.state = ANY (:states)", states=["tracked", *(["gone"] if gone else [])])
    return [_title(row) for row in rows]


def _title(row: Any) -> Title:
    ref = TitleRef(row.kind, row.trakt_id)
    return Title(ref, row.state, row.is_due, row.is_fresh, row.comments, row.last_pages)


def store(session: DatabaseSession, facts: TitleFacts, name: str | None = None) -> None:
    """Store what the API says about a title, and a name that stands for it."""
    session.run(
        """
        INSERT INTO trakt.titles AS t
            (kind, trakt_id, names, slug, imdb, tmdb, title, year, released, comments)
        VALUES (:kind, :trakt_id, CAST(:names AS text[]), :slug, :imdb, :tmdb, :title, :year, :released, :comments)
        ON CONFLICT (kind, trakt_id) DO UPDATE SET
            names = ARRAY(SELECT DISTINCT unnest(t.names || excluded.names) ORDER BY 1),
            slug = excluded.slug, imdb = excluded.imdb, tmdb = excluded.tmdb, title = excluded.title,
            year = excluded.year, released = excluded.released, comments = excluded.comments,
            state = 'tracked', not_found_days = '{}', resolved_at = clock_timestamp()
        """,
        kind=facts.ref.kind,
        trakt_id=facts.ref.trakt_id,
        names=[] if name is None else [name],
        slug=facts.slug,
        imdb=facts.imdb,
        tmdb=facts.tmdb,
        title=facts.title,
        year=facts.year,
        released=facts.released,
        comments=facts.comments,
    )


def tmdb_id(session: DatabaseSession, ref: TitleRef) -> int | None:
    """Return the id of a title at TMDb; None if Trakt does not state one."""
    rows = session.rows(
        "SELECT tmdb FROM trakt.titles WHERE kind = :kind AND trakt_id = :trakt_id AND tmdb > 0",
        kind=ref.kind,
        trakt_id=ref.trakt_id,
    )
    return int(rows[0].tmdb) if rows else None


def found(session: DatabaseSession, refs: Sequence[TitleRef]) -> None:
    """Track titles again that are in the watch list and were dropped; they are due at once."""
    session.run(
        """
        UPDATE trakt.titles SET state = 'tracked', next_sweep_at = clock_timestamp()
        WHERE state = 'dropped' AND kind || '-' || trakt_id = ANY (:refs)
        """,
        refs=[str(ref) for ref in refs],
    )


def drop_others(session: DatabaseSession, refs: Sequence[TitleRef]) -> int:
    """Drop the titles that are no longer in the watch list, and return their number; all rows are kept."""
    return session.run(
        "UPDATE trakt.titles SET state = 'dropped' WHERE state <> 'dropped' AND kind || '-' || trakt_id <> ALL (:refs)",
        refs=[str(ref) for ref in refs],
    )


def missing(session: DatabaseSession, ref: TitleRef, on: date, again: datetime) -> str:
    """Record that a title answered 404, and return its state: gone after :data:`GONE_DAYS` different days.

    Args:
        session: the transaction.
        ref: the title.
        on: the day (UTC) of the answer, by the server's clock.
        again: when it is asked for next.
    """
    rows = session.rows(
        """
        UPDATE trakt.titles SET
            not_found_days = ARRAY(SELECT DISTINCT unnest(not_found_days || CAST(:on AS date)) ORDER BY 1),
            state = CASE WHEN cardinality(ARRAY(SELECT DISTINCT unnest(not_found_days || CAST(:on AS date)))) >= :days
                THEN 'gone' ELSE state END,
            next_sweep_at = :again
        WHERE kind = :kind AND trakt_id = :trakt_id RETURNING state
        """,
        kind=ref.kind,
        trakt_id=ref.trakt_id,
        on=on,
        days=GONE_DAYS,
        again=again,
    )
    return str(rows[0].state) if rows else "tracked"


def swept(session: DatabaseSession, ref: TitleRef, days: int) -> None:
    """Set when the next sweep of a title is due, after a complete one.

    All titles usually have their first sweep in one run. Their second sweep is due after 1 to ``days`` days, by id, so
    each day gets its share. A daily run may start earlier than on the day before: a sweep is therefore due 12 hours
    before ``days`` days have passed, so the last sweep is never older when that day's run reads the title.

    Args:
        session: the transaction.
        ref: the title.
        days: between sweeps.
    """
    first = not session.rows(
        """
        SELECT 1 FROM trakt.sweeps WHERE complete AND resource = 'comments' AND kind = :kind AND trakt_id = :trakt_id
        OFFSET 1 LIMIT 1
        """,
        kind=ref.kind,
        trakt_id=ref.trakt_id,
    )
    wait = timedelta(days=ref.trakt_id % days + 1 if first else days) - timedelta(hours=12)
    session.run(
        "UPDATE trakt.titles SET next_sweep_at = clock_timestamp() + :wait WHERE kind = :kind AND trakt_id = :trakt_id",
        kind=ref.kind,
        trakt_id=ref.trakt_id,
        wait=wait,
    )


def known_ids(session: DatabaseSession, ref: TitleRef, but: int) -> set[int]:
    """Return the comments of a title that are known to have been there: candidates for a deletion.

    They are those of its last complete sweep and of incomplete ones since, those that the feed named or that moved here
    since, and those whose deletion could not be checked yet.

    Args:
        session: the transaction.
        ref: the title.
        but: the sweep that has just ended.
    """
    rows = session.rows(
        """
        WITH last AS (
            SELECT sweep_id, started_at FROM trakt.sweeps
            WHERE complete AND resource = 'comments' AND kind = :kind AND trakt_id = :trakt_id AND sweep_id <> :but
            ORDER BY ended_at DESC LIMIT 1
        )
        SELECT DISTINCT id FROM (
            SELECT unnest(ids) AS id FROM trakt.pages WHERE sweep_id IN (
                SELECT sweep_id FROM trakt.sweeps
                WHERE resource = 'comments' AND kind = :kind AND trakt_id = :trakt_id AND sweep_id <> :but
                    AND started_at >= coalesce((SELECT started_at FROM last), started_at)
            )
            UNION ALL
            SELECT unnest(comment_ids) FROM trakt.named_titles
            WHERE kind = :kind AND trakt_id = :trakt_id
                AND named_at >= coalesce((SELECT started_at FROM last), named_at)
            UNION ALL
            SELECT comment_id FROM trakt.pages p
            WHERE resource = 'comment' AND kind = :kind AND trakt_id = :trakt_id
                AND status IN ('planned', 'failed', 'skipped')
                AND NOT EXISTS (SELECT 1 FROM trakt.pages q WHERE q.resource = 'comment' AND q.kind = p.kind
                    AND q.trakt_id = p.trakt_id AND q.comment_id = p.comment_id AND q.page_id > p.page_id)
        ) AS known
        """,
        kind=ref.kind,
        trakt_id=ref.trakt_id,
        but=but,
    )
    return {row.id for row in rows}


def moved(session: DatabaseSession, sweep_id: int, ref: TitleRef, comment_id: int, day: date) -> None:
    """Record that a comment which a sweep lacked is at a title, if that is on the watch list.

    Otherwise, one that is deleted before the next sweep of that title would stay in silver for ever.

    Args:
        session: the transaction.
        sweep_id: the sweep, of this title or of another one.
        ref: the title that the API names.
        comment_id: the comment.
        day: day in America/Chicago of the read.
    """
    session.run(
        """
        INSERT INTO trakt.named_titles AS n (sweep_id, kind, trakt_id, day, comment_ids, action)
        SELECT :sweep_id, kind, trakt_id, :day, ARRAY[CAST(:comment_id AS bigint)], 'stored'
        FROM trakt.titles WHERE kind = :kind AND trakt_id = :trakt_id
        ON CONFLICT (sweep_id, kind, trakt_id) DO UPDATE SET comment_ids = n.comment_ids || excluded.comment_ids
        """,
        sweep_id=sweep_id,
        kind=ref.kind,
        trakt_id=ref.trakt_id,
        day=day,
        comment_id=comment_id,
    )
