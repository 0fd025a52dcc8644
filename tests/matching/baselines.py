"""Two other ways to match the same rows: the original's buckets, and unique keys with plain RapidFuzz."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from rapidfuzz import fuzz, process

from jobs.viewership.keys.numbering import season_episode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobs.viewership.matching.prepare import MatchKey
    from tests.matching.catalogue import Episode
    from tests.matching.noise import Labelled
    from tests.matching.score import Answer
    from tests.matching.world import World

__all__ = ["BASELINES", "constant", "original", "plain_rapidfuzz", "title_only"]


def _key(text: str | None) -> str:
    return re.sub("[^A-Za-z0-9]", "", text or "").lower()


class _Index:
    def __init__(self, made: World) -> None:
        active = {one.id for one in made.catalogue.series if one.active}
        self.episodes = [one for one in made.catalogue.episodes if one.series in active]
        self.names = {one: name for one, name in made.names.items() if one in active}
        self.by_ref = {one.ref: one for one in self.episodes}
        self.by_title: dict[str, list[Episode]] = defaultdict(list)
        self.by_series: dict[str, list[Episode]] = defaultdict(list)
        for one in self.episodes:
            self.by_title[_key(one.titles[0])].append(one)
            self.by_series[_key(self.names[one.series])].append(one)
        self.by_title.pop("", None)

    def ref(self, text: str | None) -> Episode | None:
        """The catalogue's ref id that the text contains, anywhere."""
        if not text:
            return None
        pieces = (text, *re.findall(r"[A-Z0-9]+-\d+", text))
        return next((self.by_ref[piece] for piece in pieces if piece in self.by_ref), None)

    def series(self, key: MatchKey) -> str | None:
        """The series of the column, otherwise the longest name that the title contains, anywhere."""
        if key.series:
            return _key(key.series) if _key(key.series) in self.by_series else None
        title = (key.content_name or "").lower()
        found = [name for name in self.names.values() if name.lower() in title]
        return _key(max(found, key=len)) if found else None


def original(made: World, rows: Iterable[Labelled]) -> dict[int, Answer]:
    """The buckets as the replaced system has them: the first row of a join wins, whatever else fits.

    Numbers are compared as text, FULL_DATA does not look at the series, and a row with numbers takes the title of any
    series when they miss.
    """
    index = _Index(made)
    found: dict[int, Answer] = {}
    for row in rows:
        answer = _original(index, row.key)
        if answer is not None:
            found[row.key.key] = answer
    return found


def _original(index: _Index, key: MatchKey) -> Answer | None:
    title, series, ref = _key(key.content_name), index.series(key), index.ref(key.content_id)
    numeric = bool(key.season and key.episode and key.season.isdigit() and key.episode.isdigit())
    by_title = index.by_title.get(title, [])
    mates = index.by_series.get(series or "", [])

    def first(name: str, episodes: Iterable[Episode]) -> Answer | None:
        one = next(iter(episodes), None)
        return None if one is None else (one.id, name)

    answer = None
    if title and ref and series and numeric and by_title and (ref.season, ref.episode) == (key.season, key.episode):
        answer = first("FULL_DATA", [ref])
    if answer is None and title and ref and series:
        answer = first("REF_ID_SERIES", [one for one in mates if one.id == ref.id])
    if answer is None and title and ref and not series:
        answer = first("REF_ID_ONLY", [one for one in by_title if one.id == ref.id])
    if answer is None and title and series and numeric:
        exact = [one for one in mates if (one.season, one.episode) == (key.season, key.episode)]
        answer = first("SERIES_SEASON_EPISODE", exact) or first("SERIES_SEASON_EPISODE", by_title)
    if answer is None and title and series and not ref and not numeric:
        answer = first("SERIES_ONLY", [one for one in by_title if one in mates])
    if answer is None and title and not ref and not series:
        answer = first("TITLE_ONLY", by_title)
    return answer


def plain_rapidfuzz(made: World, rows: Iterable[Labelled]) -> dict[int, Answer]:
    """Unique hits of the original's keys, season and episode read from titles, then ratio >= 80 with a margin of 10."""
    index = _Index(made)
    found: dict[int, Answer] = {}
    for row in rows:
        key = row.key
        numbering = season_episode(key.content_name or "")
        title, series, ref = _key(numbering.rest), index.series(key), index.ref(key.content_id)
        season = (key.season or str(numbering.season or "")).lstrip("0").removesuffix(".0")
        episode = (key.episode or str(numbering.episode or "")).lstrip("0").removesuffix(".0")
        mates = index.by_series.get(series or "", [])
        answer = None
        if ref is not None:
            answer = (ref.id, "REF_ID_ONLY")
        elif mates and season and episode:
            answer = _unique(
                "SERIES_SEASON_EPISODE", [one for one in mates if (one.season, one.episode) == (season, episode)]
            )
        if answer is None and mates and title:
            answer = _unique("SERIES_ONLY", [one for one in mates if _key(one.titles[0]) == title])
        if answer is None and not mates and title:
            answer = _unique("TITLE_ONLY", index.by_title.get(title, []))
        if answer is None and mates and title:
            answer = _similar(numbering.rest.lower(), mates)
        if answer is not None:
            found[key.key] = answer
    return found


def _unique(name: str, episodes: Sequence[Episode]) -> Answer | None:
    return (episodes[0].id, name) if len(episodes) == 1 else None


def _similar(title: str, mates: Sequence[Episode]) -> Answer | None:
    choices = [one.titles[0].lower() for one in mates]
    best = process.extract(title, choices, scorer=fuzz.ratio, limit=2)
    if best and best[0][1] >= 80 and (len(best) < 2 or best[0][1] - best[1][1] >= 10):
        return mates[best[0][2]].id, "FUZZY"
    return None


def title_only(made: World, rows: Iterable[Labelled]) -> dict[int, Answer]:
    """A broken matcher: the first episode with the title, whatever the row says besides."""
    index = _Index(made)
    hits = {row.key.key: index.by_title.get(_key(row.key.content_name), []) for row in rows}
    return {key: (episodes[0].id, "TITLE_ONLY") for key, episodes in hits.items() if episodes}


def constant(made: World, rows: Iterable[Labelled]) -> dict[int, Answer]:
    """A broken matcher: always the same episode."""
    one = made.catalogue.episodes[0].id
    return {row.key.key: (one, "FULL_DATA") for row in rows}


BASELINES: dict[str, Callable[[World, Iterable[Labelled]], dict[int, Answer]]] = {
    "the original's buckets": original,
    "unique keys, RapidFuzz 80/10": plain_rapidfuzz,
}
