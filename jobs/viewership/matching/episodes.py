"""The titles of all episodes of the catalogue, as judges compare them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from jobs.viewership.matching.fuzzy import Episode, Proposals, SeriesTitles

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.viewership.matching.model import MatchRules
    from shared.database.session import DatabaseSession

__all__ = ["CatalogueTitles"]

_EPISODES: Final = """
    SELECT e.id, e.ref_id, e.series_id, e.season_no, e.episode_no, e.active AND s.status = 'active' AS active,
        t.title, t.title_key
    FROM catalog.episodes e
    JOIN catalog.series s ON s.id = e.series_id
    JOIN catalog.episode_titles t ON t.episode_id = e.id
    WHERE NOT t.placeholder
    ORDER BY e.id, t.language, t.position
"""


class CatalogueTitles:
    """The titles of all episodes, read once for the judges of several cascades.

    Args:
        rules: the numbers that decide.

    Attributes:
        episodes: series -> its titles.
        proposals: all titles by their words; None until :meth:`load`.
    """

    def __init__(self, rules: MatchRules) -> None:
        self._rules = rules
        self._finders: dict[tuple[int, ...], SeriesTitles] = {}
        self._exact: dict[int, dict[str, set[int]]] = {}
        self.episodes: dict[int, list[Episode]] = defaultdict(list)
        self.proposals: Proposals | None = None

    def load(self, session: DatabaseSession) -> None:
        """Read the titles, unless they have been read."""
        if self.proposals is not None:
            return
        every = [Episode(*row) for row in session.rows(_EPISODES)]
        for one in every:
            self.episodes[one.series_id].append(one)
        self.proposals = Proposals(every, self._rules)

    def finder(self, places: tuple[int, ...]) -> SeriesTitles:
        """Return the titles of some series."""
        finder = self._finders.get(places)
        if finder is None:
            every = (one for place in places for one in self.episodes[place])
            words: Collection[str] = self.proposals.words if self.proposals is not None else ()
            finder = self._finders[places] = SeriesTitles(every, self._rules, words)
        return finder

    def exact(self, series: int) -> dict[str, set[int]]:
        """Return the episodes of a series by the key of their titles."""
        known = self._exact.get(series)
        if known is None:
            known = self._exact[series] = defaultdict(set)
            for one in self.episodes[series]:
                known[one.title_key].add(one.episode_id)
        return known
