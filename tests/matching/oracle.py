"""The buckets as plain Python over dictionaries, one key at a time: what the statements must find."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.titles import series_key, title_key
from jobs.viewership.matching.names import Source
from jobs.viewership.matching.prepare import FORM, REST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.matching.prepare import Prepared
    from tests.matching.catalogue import Alias, Catalogue, Episode

__all__ = ["Oracle"]


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 9 else None


class Oracle:
    """Answers key by key, from the same catalogue."""

    def __init__(self, catalogue: Catalogue, common: int) -> None:
        self._aliases = catalogue.aliases
        self._episodes = {one.id: one for one in catalogue.episodes}
        live = {one.id for one in catalogue.series if one.active}
        self._active = {one.id for one in catalogue.episodes if one.active and one.series in live}
        self._by_ref = {id_key(one.ref): one.id for one in catalogue.episodes if one.ref is not None}
        self._titles = {one.id: [title_key(title) for title in one.titles] for one in catalogue.episodes}
        self._uses = Counter(key for keys in self._titles.values() for key in keys)
        self._common = common

    def find(self, key: Prepared) -> tuple[int, str] | None:
        """Return episode and bucket; None if no bucket accepts one."""
        decided = self._decided(key)
        if decided:
            return (decided.pop(), "ALIAS") if len(decided) == 1 and decided <= self._active else None
        if key.held is not None:
            return None
        strong = {one for one, source in key.series.items() if source is not Source.WORDS}
        by_id = {self._by_ref[key.ids[0]]} if key.ids else set()
        by_numbers = self._numbers(key, strong)
        by_title = self._in_series(key)
        anywhere = self._anywhere(key)
        kinds = (by_id, by_numbers, by_title, anywhere)
        gone = {one for one in set().union(*kinds) - self._active if self._is_covered(one, kinds)}
        by_id, by_numbers, by_title, anywhere = (kind - gone for kind in kinds)
        every = by_id | by_numbers | by_title | anywhere
        of_series = {one for one in every if self._episodes[one].series in strong}
        standing = {
            one
            for one in every
            if (not by_id or one in by_id)
            and (not strong or one in of_series)
            and (not by_numbers or one in by_numbers)
            and (not by_title or one in by_title)
            and (len(anywhere) != 1 or one in anywhere or one in by_title)
        }
        agreeing = {one for one in standing if one in by_numbers or self._agrees(key, self._episodes[one])}
        given, known = key.given, bool(key.series)
        complete = key.season is not None and key.episode is not None
        buckets: list[tuple[str, set[int]]] = [
            ("FULL_DATA", by_id & of_series & by_numbers & by_title if given else set()),
            ("REF_ID_SERIES", by_id & of_series if given else set()),
            ("REF_ID_ONLY", by_id if not given else set() if known else by_id & anywhere),
            (
                "SERIES_SEASON_EPISODE",
                (by_numbers if len(strong) == 1 else by_numbers & by_title)
                if by_numbers
                else (by_title & agreeing if complete else set()),
            ),
            ("SERIES_ONLY", by_title & agreeing),
            ("TITLE_ONLY", anywhere & agreeing if not given and not key.generic else set()),
        ]
        for name, found in buckets:
            accepted = found & standing
            if len(accepted) == 1 and accepted <= self._active:
                return accepted.pop(), name
        return None

    def _is_covered(self, episode: int, kinds: Sequence[set[int]]) -> bool:
        """Return whether active episodes of its series have all evidence of an episode."""
        mates = {one for one in self._active if self._episodes[one].series == self._episodes[episode].series}
        return all(kind & mates for kind in kinds if episode in kind)

    def _numbers(self, key: Prepared, strong: set[int]) -> set[int]:
        if key.season is None or key.episode is None:
            return set()
        wanted = (key.season, key.episode)
        mates = [one for one in self._episodes.values() if one.series in strong]
        others = [
            (one.id, place, (_whole(season), _whole(number))) for one in mates for place, season, number in one.numbers
        ]
        own = {one for one, place, numbers in others if place == key.platform and numbers == wanted}
        main = {one.id for one in mates if (_whole(one.season), _whole(one.episode)) == wanted}
        return own or main or {one for one, place, numbers in others if place is None and numbers == wanted}

    def _in_series(self, key: Prepared) -> set[int]:
        for kind in (FORM, REST):
            forms = {form for form, each, _ in key.forms if each == kind}
            found = {
                one.id
                for one in self._episodes.values()
                if one.series in key.series and forms & set(self._titles[one.id])
            }
            if found:
                return found
        return set()

    def _anywhere(self, key: Prepared) -> set[int]:
        if key.given and key.series:
            return set()
        forms = {form for form, kind, _ in key.forms if kind == FORM and self._uses[form] <= self._common}
        return {one for one, titles in self._titles.items() if forms & set(titles)}

    @staticmethod
    def _agrees(key: Prepared, one: Episode) -> bool:
        pairs = ((key.season, _whole(one.season)), (key.episode, _whole(one.episode)))
        return all(mine is None or its is None or mine == its for mine, its in pairs)

    def _decided(self, key: Prepared) -> set[int]:
        fitting: dict[tuple[bool, int, bool], set[int]] = {}
        for alias in self._aliases:
            rank = self._rank(key, alias)
            if rank is not None and alias.episode is not None:
                fitting.setdefault(rank, set()).add(alias.episode)
        return fitting[max(fitting)] if fitting else set()

    @staticmethod
    def _rank(key: Prepared, alias: Alias) -> tuple[bool, int, bool] | None:
        if alias.platform is not None and alias.platform != key.platform:
            return None
        wanted = [
            (alias.title and title_key(alias.title), key.title_key, key.title_key),
            (alias.series_name and series_key(alias.series_name), key.series_key, key.series_key),
            (alias.content_id and id_key(alias.content_id), key.content_key, key.content_key),
            (_whole(alias.season), key.season, key.columns[0]),
            (_whole(alias.number), key.episode, key.columns[1]),
        ]
        for its, mine, column in wanted:
            if (its != column) if alias.exact else (its is not None and its != mine):
                return None
        return alias.platform is not None, sum(its is not None for its, _, _ in wanted), alias.exact
