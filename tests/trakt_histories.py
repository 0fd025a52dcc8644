"""Random histories of comments, read by loads that are committed in any order, and what silver must then say."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.trakt_loads import Load, comment, moment

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Expected", "Histories", "ties"]

TITLES = (("movie", 1), ("movie", 2), ("show", 3), ("show", 4))
# A state of a comment: what it is, and the title that it is about; None: it is deleted.
State = tuple[dict[str, Any], tuple[str, int]] | None


# Of a comment, at most one of these is later than another; the fourth is the third in another zone.
TIMES = (
    *(None, 5, "soon", "2026-05-03T00:00:00.000", "2026-05-01T00:00:00.000Z"),
    *("2026-05-03T00:00:00.000Z", "2026-05-03T02:00:00.000+02:00", "2026-05-04t00:00:00z"),
)
SUBJECTS = ("", "movie-90", "show-91", "show-91/1", "show-91/1/2", "show-91/2/1")


def ties(seed: int, *, comments: int = 250, loads: int = 5) -> list[Load]:
    """Return loads that see comments 200 and up in several states within few seconds, gone and elsewhere at once.

    Args:
        seed: of the generator.
        comments: number of comments.
        loads: number of loads, in any order.
    """
    draw = random.Random(seed)
    found = [Load(f"ties-{place}") for place in range(loads)]
    seconds = (moment(2), moment(2) + timedelta(seconds=1), moment(3))
    for number in range(200, 200 + comments):
        states = [
            comment(
                number,
                comment=f"state {place}",
                created_at=draw.choice(TIMES),
                updated_at=draw.choice(TIMES),
                user_rating=draw.choice([None, 1, 9]),
                user=f"user_{draw.randrange(9)}",
            )
            for place in range(3)
        ]
        for _ in range(draw.randint(1, 6)):
            load, at, subject = draw.choice(found), draw.choice(seconds), draw.choice(SUBJECTS)
            if subject in ("movie-90", "show-91") and draw.random() < 0.5:
                kind, _, of = subject.partition("-")
                load.page(at, (kind, int(of)), draw.choice(states))
            else:
                load.feed(at, (subject, draw.choice(states)))
        for _ in range(draw.choice([0, 0, 1, 2])):
            draw.choice(found).gone(draw.choice(seconds), number)
    return found


@dataclass
class Expected:
    """The newest state of a comment.

    Attributes:
        body: its text.
        likes: its likes.
        title: the title that it was last seen at.
        is_deleted: whether it was found gone after that.
        rating_first_seen: its author's rating at first sight.
    """

    body: str
    likes: int
    title: tuple[str, int]
    is_deleted: bool
    rating_first_seen: int | None


class Histories:
    """A site that changes at random, and loads that see parts of it.

    Args:
        seed: of the generator.
        comments: number of comments.
        loads: number of loads; the first has no rows but a page.
    """

    def __init__(self, seed: int, *, comments: int = 150, loads: int = 12) -> None:
        self._random = random.Random(seed)
        self._states: dict[int, State] = {}
        self._sightings: dict[int, list[tuple[datetime, dict[str, Any], tuple[str, int]]]] = {}
        self._gone: dict[int, list[datetime]] = {}
        for number in range(1000, 1000 + comments):
            written = moment(self._random.uniform(-60, 0)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            item = comment(
                number,
                user=f"user_{self._random.randrange(40)}",
                created_at=written,
                updated_at=written,
                likes=self._random.randrange(5),
                user_rating=self._random.choice([None, 4, 7, 9]),
                parent_id=self._random.choice([0, 0, 0, 7]),
            )
            self._states[number] = item, self._random.choice(TITLES)
        self.loads = [Load(f"load-{place:02}") for place in range(loads)]
        self.loads[0].page(moment(0), TITLES[0])
        for place, load in enumerate(self.loads[1:], 1):
            for step in range(3):
                at = moment(place + step / 10)
                self._change()
                self._see(load, at)
        self._random.shuffle(self.loads)

    def expected(self) -> dict[int, Expected]:
        """Return the newest state of every comment that was seen."""
        found = {}
        for number, sightings in self._sightings.items():
            ordered = sorted(sightings, key=lambda one: one[0])
            at, item, title = ordered[-1]
            found[number] = Expected(
                item["comment"],
                item["likes"],
                title,
                max(self._gone.get(number, [moment(-1000)])) > at,
                ordered[0][1]["user_rating"],
            )
        return found

    def _change(self) -> None:
        draw = self._random
        for number in draw.sample(sorted(self._states), len(self._states) // 5):
            state = self._states[number]
            if state is None:
                self._states[number] = self._last(number)
                continue
            item, title = state
            match draw.choice(["likes", "likes", "edit", "rating", "move", "delete"]):
                case "likes":
                    item = {**item, "likes": max(0, item["likes"] + draw.choice([-2, -1, 1, 2]))}
                case "edit":
                    text = f"text {draw.randrange(5)}"
                    item = {**item, "comment": text, "updated_at": "2026-05-02T19:00:00.000Z"}
                case "rating":
                    item = {**item, "user_rating": draw.choice([None, 1, 10])}
                case "move":
                    title = draw.choice(TITLES)
                case _ if number in self._sightings:
                    self._states[number] = None
                    continue
            self._states[number] = item, title

    def _last(self, number: int) -> State:
        _, item, title = max(self._sightings[number], key=lambda one: one[0])
        return item, title

    def _see(self, load: Load, at: datetime) -> None:
        draw = self._random
        seen = draw.sample(sorted(self._states), len(self._states) // 4)
        pages: dict[tuple[str, int], list[dict[str, Any]]] = {}
        feed = []
        for number in seen:
            state = self._states[number]
            if state is None:
                load.gone(at, number)
                self._gone.setdefault(number, []).append(at)
                continue
            item, title = state
            if draw.random() < 0.3:
                feed.append((f"{title[0]}-{title[1]}", item))
                when = at + timedelta(seconds=1)
            else:
                pages.setdefault(title, []).append(item)
                when = at
            self._sightings.setdefault(number, []).append((when, item, title))
        for title, items in pages.items():
            load.page(at, title, *items)
        load.feed(at + timedelta(seconds=1), *feed)
