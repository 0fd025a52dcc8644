"""The titles of a world, their threads of comments, and which comment belongs to which thread."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final, Literal

from jobs.trakt.replayer.draw import mix

__all__ = ["EMPTY_TITLE", "HOLLOW", "POISONED", "Catalogue", "Thread", "ThreadKind", "Title", "title_document"]

ThreadKind = Literal["movie", "show", "season", "episode"]

HOLLOW: Final = 0
"""Title whose comments 250 to 499 are hidden: with 250 per page, its second page is empty."""
EMPTY_TITLE: Final = 1
"""Title that has neither votes nor a rating."""
POISONED: Final = 4
"""Title that has the comment of the scenario ``poisoned``."""

_FIRST: Final = ("Night", "Silent", "Amber", "Hollow", "Northern", "Paper", "Second", "Glass", "Winter", "Distant")
_SECOND: Final = ("Harbour", "Ferry", "Orchard", "Signal", "Garden", "Station", "Letters", "Coast", "Engine", "Choir")
_SPECIAL: Final[dict[int, tuple[Literal["movie", "show"], int, str, str]]] = {
    HOLLOW: ("movie", 1_001, "the-hollow-2015", "The Hollow"),
    EMPTY_TITLE: ("movie", 1_002, "the-unrated-2026", "The Unrated"),
    # A numeric slug that is another title's id: a path is looked up as an id first.
    2: ("show", 24, "another-show", "Another Show"),
    3: ("show", 460, "24", "24"),
    POISONED: ("movie", 1_005, "the-poison-2019", "The Poison"),
}
_HOLLOW_WEIGHT: Final = 40


@dataclass(frozen=True, slots=True)
class Title:
    """A movie or a show; ids of movies and of shows are separate sequences."""

    number: int
    kind: Literal["movie", "show"]
    trakt: int
    slug: str
    name: str
    year: int

    @property
    def imdb(self) -> str:
        """The id at IMDb."""
        return f"tt{9_000_000 + self.number}"

    @property
    def tmdb(self) -> int:
        """The id at TMDb."""
        return 700_000 + self.number


@dataclass(frozen=True, slots=True)
class Thread:
    """A list of comments: of a title, a season or an episode.

    Attributes:
        number: place in the catalogue.
        kind: its subject.
        title: number of its title.
        season: of a season or an episode.
        episode: of an episode.
        pool: how many users comment here; few make a title intense, many make it broad.
    """

    number: int
    kind: ThreadKind
    title: int
    season: int | None
    episode: int | None
    pool: int


class Catalogue:
    """Titles and threads, and the fixed bijection between a comment's number and its place in a thread.

    Comments are numbered by age. A round is a seeded order of slots, and every thread has as many slots as its weight;
    the comments of a world are rounds in a row. So the thread of a comment and the n-th comment of a thread are
    computed, never stored.

    Args:
        seed: of the world.
        titles: how many.
        comments: how many comments are made in advance.
    """

    def __init__(self, seed: int, *, titles: int, comments: int) -> None:
        self.titles = [_title(seed, number) for number in range(titles)]
        self.threads: list[Thread] = []
        self.comments = comments
        weights: list[int] = []
        for title in self.titles:
            bits = mix(seed + 11, title.number)
            weight = {HOLLOW: _HOLLOW_WEIGHT, EMPTY_TITLE: 1}.get(title.number, 1 + bits % 20)
            pool = 2 + (bits >> 8) % 9 * (comments // (titles * 8) + 1)
            self._add(title, title.kind, None, None, pool)
            weights.append(weight)
            if title.kind == "show":
                for episode in (None, 1, 2):
                    self._add(title, "season" if episode is None else "episode", 1, episode, pool)
                    weights.append(1 + (bits >> (16 + 4 * (episode or 0))) % 3)
        slots = [number for number, weight in enumerate(weights) for _ in range(weight)]
        order = sorted(range(len(slots)), key=lambda at: mix(seed + 12, at))
        self.pattern = [slots[at] for at in order]
        self.weights = weights
        self._slots: list[list[int]] = [[] for _ in self.threads]
        self._rank: list[int] = []
        for at, thread in enumerate(self.pattern):
            self._rank.append(len(self._slots[thread]))
            self._slots[thread].append(at)

    def _add(self, title: Title, kind: ThreadKind, season: int | None, episode: int | None, pool: int) -> None:
        self.threads.append(Thread(len(self.threads), kind, title.number, season, episode, pool))

    def thread_of(self, number: int) -> int:
        """Return the thread in which a comment was made in advance."""
        return self.pattern[number % len(self.pattern)]

    def place_of(self, number: int) -> int:
        """Return the place of a comment in its thread, from 0."""
        rounds, slot = divmod(number, len(self.pattern))
        return rounds * self.weights[self.pattern[slot]] + self._rank[slot]

    def size_of(self, thread: int) -> int:
        """Return how many comments a thread has in advance."""
        rounds, rest = divmod(self.comments, len(self.pattern))
        return rounds * self.weights[thread] + bisect_left(self._slots[thread], rest)

    def number_at(self, thread: int, place: int) -> int:
        """Return the comment at a place of a thread: the inverse of :meth:`thread_of` and :meth:`place_of`."""
        rounds, rank = divmod(place, self.weights[thread])
        return rounds * len(self.pattern) + self._slots[thread][rank]


def _title(seed: int, number: int) -> Title:
    if number in _SPECIAL:
        kind, trakt, slug, name = _SPECIAL[number]
        return Title(number, kind, trakt, slug, name, int(slug[-4:]) if kind == "movie" else 2004)
    bits = mix(seed + 10, number)
    year = 1990 + bits % 36
    name = f"{_FIRST[(bits >> 8) % len(_FIRST)]} {_SECOND[(bits >> 16) % len(_SECOND)]} {number}"
    base = name.lower().replace(" ", "-")
    is_show = number % 3 == 0
    return Title(
        number, "show" if is_show else "movie", 1_001 + 13 * number, base if is_show else f"{base}-{year}", name, year
    )


def title_document(title: Title, slug: str) -> dict[str, Any]:
    """Return a title as it is nested in other documents.

    Args:
        title: the title.
        slug: its slug now, which may have changed.
    """
    ids: dict[str, Any] = {"trakt": title.trakt, "slug": slug, "imdb": title.imdb, "tmdb": title.tmdb}
    if title.kind == "show":
        ids["tvdb"] = 400_000 + title.number
    return {"title": title.name, "year": title.year, "ids": ids}
