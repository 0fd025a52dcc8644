"""Episodes of the catalogue as a reviewer sees them: titles, series, numbers, ids."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.ids import id_key
from shared.errors import UsageError
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = ["Episode", "episodes_of", "find_episode"]

# difflib compares this many ids in a third of a second.
_COMPARED: Final = 20_000
_NUMBER: Final = re.compile(r"(?:id:)?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of the catalogue.

    Attributes:
        episode_id: its number.
        ref_id: its ref id.
        title: its main title.
        titles: all of its titles.
        series: main title of its series.
        series_names: all names of the series.
        season: its season.
        episode: its episode number.
        active: whether rows may match it.
    """

    episode_id: int
    ref_id: str | None
    title: str | None
    titles: tuple[str, ...]
    series: str | None
    series_names: tuple[str, ...]
    season: str | None
    episode: str | None
    active: bool


def episodes_of(session: DatabaseSession, ids: Iterable[int]) -> dict[int, Episode]:
    """Return episodes by number; those that the catalogue lacks are absent."""
    rows = session.rows(
        """
        SELECT e.id, e.ref_id, (
                SELECT t.title FROM catalog.episode_titles t WHERE t.episode_id = e.id AND t.main
            ) AS title, ARRAY(
                SELECT t.title FROM catalog.episode_titles t WHERE t.episode_id = e.id ORDER BY NOT t.main, t.title
            ) AS titles, (
                SELECT t.title FROM catalog.series_titles t WHERE t.series_id = s.id AND t.main
            ) AS series, ARRAY(
                SELECT t.title FROM catalog.series_titles t WHERE t.series_id = s.id ORDER BY NOT t.main, t.title
            ) AS series_names, e.season, e.episode, e.active AND s.status = 'active' AS active
        FROM catalog.episodes e JOIN catalog.series s ON s.id = e.series_id
        WHERE e.id = ANY (CAST(:ids AS bigint[]))
        """,
        ids=sorted(set(ids)),
    )
    return {
        row.id: Episode(
            row.id,
            row.ref_id,
            row.title,
            tuple(row.titles),
            row.series,
            tuple(row.series_names),
            row.season,
            row.episode,
            row.active,
        )
        for row in rows
    }


def _near(session: DatabaseSession, text: str) -> str:
    """Return a question that suggests the ref id most similar to a text; empty if none is similar."""
    rows = session.rows(
        "SELECT ref_id FROM catalog.episodes WHERE ref_id IS NOT NULL ORDER BY ref_id LIMIT :most", most=_COMPARED
    )
    known = {str(row.ref_id).casefold(): str(row.ref_id) for row in rows}
    close = difflib.get_close_matches(text.strip().casefold(), known, n=1)
    return f"; did you mean '{one_line(cut(known[close[0]], 100))}'?" if close else ""


def find_episode(session: DatabaseSession, text: str) -> int:
    """Return the number of an episode that a user names by its ref id or as ``id:N``; a bare number may be either.

    Raises:
        UsageError: no episode matches, or the value is the ref id of one and the number of another.
    """
    shown = one_line(cut(text, 100))
    number = _NUMBER.fullmatch(text.strip())
    by_number = (
        session.rows("SELECT id FROM catalog.episodes WHERE id = :id", id=int(number[1])) if number is not None else []
    )
    if text.strip().startswith("id:"):
        if by_number:
            return int(by_number[0].id)
        raise UsageError(f"the catalogue has no episode '{shown}'; expected id:N, such as id:12, or a ref id")
    by_ref = session.rows("SELECT id FROM catalog.episodes WHERE ref_key = :key", key=id_key(text))
    found = {int(row.id) for row in (*by_ref, *by_number)}
    if len(found) == 1:
        return found.pop()
    if found:
        raise UsageError(
            f"'{shown}' is the ref id of episode {by_ref[0].id} and the number of another one; expected"
            f" id:{by_ref[0].id} or id:{by_number[0].id}"
        )
    raise UsageError(
        f"the catalogue has no episode '{shown}'; expected a ref id from `telecine viewership catalog export`, "
        f"or id:N{_near(session, text)}"
    )
