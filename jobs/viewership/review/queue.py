"""The queue: keys that wait for a decision, by the hours at stake, each with its candidates."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.viewership.keys.text import cleaned
from jobs.viewership.keys.titles import series_form
from jobs.viewership.matching.model import REASONS
from jobs.viewership.review.episodes import Episode, episodes_of
from jobs.viewership.review.names import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from shared.database.session import DatabaseSession

__all__ = [
    "Candidate",
    "Total",
    "Waiting",
    "candidates_of",
    "near_series",
    "platform_form",
    "sentences",
    "total",
    "waiting",
]

_ALONE: Final = 100.0
# difflib compares this many names in a tenth of a second.
_COMPARED: Final = 2_000


class Candidate(NamedTuple):
    """An episode that a key may mean.

    Attributes:
        episode_id: its number.
        score: 0 to 100.
        margin: points ahead of the next; 100 if there is none, negative behind the best.
        found_by: names of the evidence.
        episode: what the catalogue has of it; None if it was deleted.
    """

    episode_id: int
    score: float
    margin: float
    found_by: tuple[str, ...]
    episode: Episode | None


class Total(NamedTuple):
    """Sums of the queue, or of what a filter leaves."""

    keys: int
    rows: int
    hours: Decimal
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Waiting:
    """A review key that waits.

    Attributes:
        digest: its digest.
        name: its short name.
        platform: the platform.
        status: ``review`` or ``unmatched``.
        title: as the rows with most hours have it.
        title_2: second title.
        series: series.
        season: season.
        episode: episode.
        content_id: id of the content.
        keys: numbers of its spellings.
        rows: rows that wait.
        held: further rows that wait for a deal, channel or territory first.
        uploads: uploads with these rows.
        hours: hours of the rows.
        revenue: their revenue.
        candidates: best first.
        reasons: why it waits, as sentences.
        accepted_before: episode that was accepted for earlier uploads.
        since: when it started to wait.
    """

    digest: bytes
    name: str
    platform: str
    status: str
    title: str | None
    title_2: str | None
    series: str | None
    season: str | None
    episode: str | None
    content_id: str | None
    keys: tuple[int, ...]
    rows: int
    held: int
    uploads: int
    hours: Decimal
    revenue: Decimal
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    accepted_before: int | None
    since: datetime


_WHERE: Final = """
    WHERE (CAST(:platform AS text) IS NULL OR q.platform = :platform)
        AND (CAST(:series AS text) IS NULL OR q.series_key = :series)
        AND (CAST(:status AS text) IS NULL OR q.status = :status)
"""


def platform_form(text: str) -> str:
    """Return the name of a platform in its stored form."""
    return cleaned(text).casefold()


def near_series(session: DatabaseSession, series: str, *, platform: str | None, status: str | None) -> list[str]:
    """Return the series of waiting keys with names close to this one, nearest first.

    Args:
        session: a transaction.
        series: a name that no key has.
        platform: as for :func:`waiting`.
        status: as for :func:`waiting`.
    """
    rows = session.rows(
        f"SELECT q.series_key, min(q.series) AS series FROM viewership.review_queue q {_WHERE}"  # noqa: S608
        " AND q.series_key <> '' GROUP BY q.series_key ORDER BY sum(q.hours) DESC, q.series_key LIMIT :most",
        **_filters(platform, None, status),
        most=_COMPARED,
    )
    names = {str(row.series_key): str(row.series) for row in rows}
    return [names[key] for key in difflib.get_close_matches(series_form(series).key, names, n=3)]


def _filters(platform: str | None, series: str | None, status: str | None) -> dict[str, str | None]:
    return {
        "platform": platform_form(platform) if platform is not None else None,
        "series": series_form(series).key if series is not None else None,
        "status": None if status == "all" else status,
    }


def waiting(
    session: DatabaseSession,
    *,
    platform: str | None = None,
    series: str | None = None,
    status: str | None = None,
    digests: Sequence[bytes] | None = None,
    limit: int | None = None,
) -> list[Waiting]:
    """Return keys that wait, most hours first; equal hours by revenue, rows, then digest.

    Args:
        session: a transaction.
        platform: only this platform.
        series: only this series; compared by its key.
        status: ``review``, ``unmatched`` or ``all``.
        digests: only these keys.
        limit: at most this many.
    """
    rows = session.rows(
        f"""
        SELECT q.* FROM viewership.review_queue q {_WHERE}
            AND (CAST(:digests AS bytea[]) IS NULL OR q.review_digest = ANY (:digests))
        ORDER BY q.hours DESC, q.revenue DESC, q.rows DESC, q.review_digest
        LIMIT CAST(:limit AS bigint)
        """,  # noqa: S608 - a constant of this module
        **_filters(platform, series, status),
        digests=None if digests is None else list(digests),
        limit=limit,
    )
    names = names_of(session, [bytes(row.review_digest) for row in rows])
    ids = {each["episode_id"] for row in rows for each in row.candidates}
    ids |= {row.accepted_before for row in rows if row.accepted_before is not None}
    known = episodes_of(session, ids)
    return [_waiting(row, names, known) for row in rows]


def _waiting(row: Any, names: dict[bytes, str], known: dict[int, Episode]) -> Waiting:
    digest = bytes(row.review_digest)
    before = row.accepted_before
    found = [{"episode_id": before, "score": 100.0, "found_by": ["DECISION"]}] if before is not None else row.candidates
    return Waiting(
        digest=digest,
        name=names[digest],
        platform=row.platform,
        status=row.status,
        title=row.content_name,
        title_2=row.content_name_2,
        series=row.series,
        season=row.season,
        episode=row.episode,
        content_id=row.content_id,
        keys=tuple(row.keys),
        rows=row.rows,
        held=row.held,
        uploads=row.uploads,
        hours=row.hours,
        revenue=row.revenue,
        candidates=candidates_of(found, known),
        reasons=(REASONS["ACCEPTED_BEFORE"],) if before is not None else sentences(row.reasons),
        accepted_before=before,
        since=row.waiting_since,
    )


def candidates_of(found: Sequence[dict[str, Any]], known: dict[int, Episode]) -> tuple[Candidate, ...]:
    """Return stored candidates, best first, each with its margin: to the next for the best, to the best for others."""
    ranked = sorted(found, key=lambda each: -float(each["score"]))
    scores = [float(each["score"]) for each in ranked]
    margins = [scores[0] - scores[1] if len(scores) > 1 else _ALONE, *(score - scores[0] for score in scores[1:])]
    return tuple(
        Candidate(
            each["episode_id"],
            score,
            round(margin, 2),
            tuple(each.get("found_by", ())),
            known.get(each["episode_id"]),
        )
        for each, score, margin in zip(ranked, scores, margins[: len(scores)], strict=True)
    )


def sentences(reasons: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return stored reasons as sentences, with the note of a decision."""
    found = []
    for each in reasons:
        text = str(each.get("message") or REASONS.get(each.get("code", ""), each.get("code", "")))
        found.append(f"{text}: {each['note']}" if each.get("note") else text)
    return tuple(found)


def total(
    session: DatabaseSession, *, platform: str | None = None, series: str | None = None, status: str | None = None
) -> Total:
    """Return the sums of all keys that wait, with the filters of :func:`waiting`."""
    row = session.rows(
        f"SELECT count(*), COALESCE(sum(q.rows), 0)::bigint, COALESCE(sum(q.hours), 0), COALESCE(sum(q.revenue), 0)"  # noqa: S608
        f" FROM viewership.review_queue q {_WHERE}",
        **_filters(platform, series, status),
    )[0]
    return Total(*row)
