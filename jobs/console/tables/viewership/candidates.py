"""Episodes of the catalogue that a review key may mean, compared field by field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.tables.runs.ledger import like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["Candidate", "Field", "candidates_of", "find_episodes"]

_CANDIDATES: Final = 9
_FOUND: Final = 9


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a key and that of an episode.

    Attributes:
        name: title, series, season, episode or id.
        mine: the key's text; None if it has none.
        its: the episode's text; None if it has none.
        result: equal, different or missing.
    """

    name: str
    mine: str | None
    its: str | None
    result: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An episode that a key may mean.

    Attributes:
        episode_id: its number.
        name: its ref id, or its number with ``id:``.
        title: series and title.
        active: whether rows may match it.
        score: 0 to 100; None for one that a search found.
        margin: points ahead of the next, or behind the best; None without a score or another candidate.
        found_by: names of the evidence.
        fields: the key's fields next to its own.
    """

    episode_id: int
    name: str
    title: str
    active: bool
    score: float | None
    margin: float | None
    found_by: tuple[str, ...]
    fields: tuple[Field, ...]


def candidates_of(database: DatabaseSession, mine: Any, found: Sequence[dict[str, Any]]) -> tuple[Candidate, ...]:
    """Return stored candidates, best first, each compared with a spelling."""
    ranked = sorted(found, key=lambda each: -float(each["score"]))[:_CANDIDATES]
    known = {row.id: row for row in _episodes(database, [each["episode_id"] for each in ranked], mine)}
    scores = [float(each["score"]) for each in ranked]
    shown = []
    for place, each in enumerate(ranked):
        next_best = scores[1] if len(scores) > 1 else None
        ahead = None if next_best is None else scores[0] - next_best
        margin = ahead if place == 0 else scores[place] - scores[0]
        if each["episode_id"] in known:
            row = known[each["episode_id"]]
            words = tuple(str(word).lower().replace("_", " ") for word in each.get("found_by", ()))
            shown.append(_candidate(row, mine, scores[place], margin, words))
    return tuple(shown)


def find_episodes(database: DatabaseSession, digest: bytes, text: str) -> tuple[Candidate, ...]:
    """Return up to nine active episodes whose ref id, series, title and numbers contain every word of a text.

    Args:
        database: a transaction.
        digest: the key to compare them with.
        text: words, such as ``harbour storm`` or ``HL-0101``.
    """
    words = text.split()[:8]
    rows = database.rows(
        """
        SELECT DISTINCT ON (e.id) e.id FROM catalog.episodes e
        JOIN catalog.series s ON s.id = e.series_id AND s.status = 'active'
        LEFT JOIN catalog.series_titles st ON st.series_id = s.id
        LEFT JOIN catalog.episode_titles t ON t.episode_id = e.id
        WHERE e.active
            AND concat_ws(' ', e.ref_id, st.title, t.title, 's' || e.season, 'e' || e.episode) ILIKE ALL (:words)
        ORDER BY e.id LIMIT :most
        """,
        words=["%" + like(word) for word in words],
        most=_FOUND,
    )
    if not rows:
        return ()
    mine = database.rows(
        "SELECT k.* FROM viewership.keys k WHERE k.review_digest = :digest ORDER BY k.key_id LIMIT 1", digest=digest
    )
    found = _episodes(database, [row.id for row in rows], mine[0])
    return tuple(_candidate(row, mine[0], None, None, ()) for row in found)


def _episodes(database: DatabaseSession, ids: Sequence[int], mine: Any) -> list[Any]:
    """Return episodes with those of their titles that a spelling equals, or else their main ones."""
    return database.rows(
        """
        SELECT e.id, e.ref_id, e.ref_key, e.season, e.episode, e.season_no, e.episode_no,
            e.active AND c.status = 'active' AS active, t.title, t.title_key, st.title AS series, st.series_key
        FROM catalog.episodes e
        JOIN catalog.series c ON c.id = e.series_id
        LEFT JOIN LATERAL (
            SELECT x.title, x.title_key FROM catalog.episode_titles x WHERE x.episode_id = e.id
            ORDER BY x.title_key = ANY (CAST(:titles AS text[])) DESC, x.main DESC, x.title LIMIT 1
        ) t ON true
        LEFT JOIN LATERAL (
            SELECT x.title, x.series_key FROM catalog.series_titles x WHERE x.series_id = c.id
            ORDER BY COALESCE(x.series_key = :series, false) DESC, x.main DESC, x.title LIMIT 1
        ) st ON true
        WHERE e.id = ANY (CAST(:ids AS bigint[]))
        ORDER BY st.title, e.season_no, e.episode_no, e.id
        """,
        ids=list(ids),
        titles=[each for each in (mine.title_key, mine.title_key_2) if each],
        series=mine.series_key,
    )


def _candidate(row: Any, mine: Any, score: float | None, margin: float | None, found_by: tuple[str, ...]) -> Candidate:
    titles = [mine.title_key, mine.title_key_2]
    second = mine.title_key != row.title_key and mine.title_key_2 == row.title_key
    fields = (
        _field(
            "title",
            mine.content_name_2 if second else mine.content_name or mine.content_name_2,
            row.title,
            equal=row.title_key in titles,
        ),
        _field("series", mine.series, row.series, equal=mine.series_key == row.series_key),
        _field("season", mine.season, row.season, equal=_number(row.season_no, row.season) == mine.review_key[3]),
        _field("episode", mine.episode, row.episode, equal=_number(row.episode_no, row.episode) == mine.review_key[4]),
        _field("id", mine.content_id, row.ref_id, equal=_within(row.ref_key, mine.content_key)),
    )
    return Candidate(
        row.id,
        row.ref_id or f"id:{row.id}",
        ": ".join(part for part in (row.series, row.title) if part),
        row.active,
        score,
        None if margin is None else round(margin, 2),
        found_by,
        fields,
    )


def _field(name: str, mine: str | None, its: str | None, *, equal: bool) -> Field:
    result = "missing" if not mine or not its else "equal" if equal else "different"
    return Field(name, mine or None, its or None, result)


def _number(number: int | None, text: str | None) -> str:
    """Return a season or episode of the catalogue as a review key has it."""
    return str(number) if number is not None else (text or "").strip().casefold()


def _within(part: str | None, whole: str | None) -> bool:
    """Return whether an id occurs in another with no letter or digit next to it; both are keys."""
    return bool(part and whole and re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", whole))
