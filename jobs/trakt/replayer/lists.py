"""The lists that the API pages through: threads by sort order, and feeds by kind."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Literal

from jobs.trakt.replayer.documents import is_reply_review, is_review_now
from jobs.trakt.replayer.paging import SYNONYMS
from jobs.trakt.replayer.sequences import Periodic
from jobs.trakt.replayer.state import BLOCK, REPLIES_AT_MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.trakt.replayer.paging import Page
    from jobs.trakt.replayer.world import World

__all__ = ["FEEDS", "SUBJECTS", "WRITTEN", "FeedName", "Lists", "reply_of"]

FeedName = Literal["recent", "updates", "trending"]
FEEDS: Final = ("recent", "updates", "trending")
WRITTEN: Final = ("all", "reviews", "shouts")
SUBJECTS: Final = ("all", "movies", "shows", "seasons", "episodes", "lists")

_KEPT: Final = 32
_TRENDING: Final = 1_000


def reply_of(item: int) -> tuple[int, int] | None:
    """Return the comment and the place of a reply in a feed; None for a top-level comment.

    In the lists of a feed, a reply is a negative number.
    """
    return divmod(-item - 1, REPLIES_AT_MOST + 1) if item < 0 else None


class Lists:
    """Slices of the lists of a world. Those that need a sort are kept until the world changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sorted: OrderedDict[tuple[object, ...], list[int]] = OrderedDict()
        self._about: dict[str, Periodic] = {}

    def thread(self, thread: int, sort: str, page: Page) -> tuple[list[int], int]:
        """Return one page of a thread's comments, hidden ones included, and how many the thread has."""
        world = self._world
        size = world.size(thread)
        sort = SYNONYMS.get(sort, sort)
        if sort == "oldest":
            return world.slice(thread, page.start, page.stop), size
        if sort == "newest":
            stop = min(page.stop, size)
            found = world.slice(thread, size - stop, size - page.start)[::-1] if page.start < stop else []
            return found, size
        key = (world.version, thread, sort)
        found_sorted = self._sorted.get(key)
        if found_sorted is None:
            found_sorted = self._keep(key, self._by(sort, world.slice(thread, 0, size)))
        return found_sorted[page.start : page.stop], size

    def _by(self, sort: str, numbers: list[int]) -> list[int]:
        world = self._world
        if sort == "likes":
            return sorted(numbers, key=lambda each: (-world.likes(each), -each))
        if sort == "replies":
            return sorted(numbers, key=lambda each: (-world.replies(each), -each))
        if sort == "plays":
            return sorted(numbers, key=lambda each: (-world.plays(each), -each))
        # Comments without a rating come last in both directions.
        sign = -1 if sort == "highest" else 1
        return sorted(numbers, key=lambda each: ((rated := world.rating(each)) is None, sign * (rated or 0), -each))

    def feed(self, name: FeedName, kind: str, subject: str, page: Page, *, replies: bool) -> tuple[list[int], int]:
        """Return one page of a feed, and how many items it has.

        Args:
            name: ``recent`` by creation, ``updates`` by the last edit, ``trending`` by likes and replies.
            kind: all, reviews or shouts.
            subject: all, or the kind of subject.
            page: the page.
            replies: whether replies are items too.
        """
        world = self._world
        if name != "trending" and (kind, subject, replies) == ("all", "all", False):
            ordered = world.newest if name == "recent" else world.last_updated
            return ordered(page.start, page.stop), len(world.recent)
        if name != "trending" and kind == "all" and not replies and not world.version:
            return self._untouched(name, subject, page)
        key = (world.version, name, kind, subject, replies)
        found = self._sorted.get(key)
        if found is None:
            # A whole pass over the world: 10 ms for 6,000 comments, 1 to 6 s for a million; then it is kept.
            found = self._keep(key, self._filtered(name, kind, subject, replies=replies))
        return found[page.start : page.stop], len(found)

    def _untouched(self, name: FeedName, subject: str, page: Page) -> tuple[list[int], int]:
        """Return one page of the comments of one kind of subject, in a world in which nothing has happened yet.

        Which comments these are repeats with the catalogue's pattern: no comment before the page is looked at.
        """
        world = self._world
        about = self._about.get(subject)
        if about is None:
            wanted = [_is_about(world, thread, subject) for thread in world.catalogue.pattern]
            about = self._about[subject] = Periodic(world.habits.comments, wanted)
        there = len(about)
        # The newest comes first: places count from the end.
        places = range(there - 1 - page.start, there - 1 - min(page.stop, there), -1)
        if name == "recent":
            return [about.at(place) for place in places], there
        found = []
        members: dict[int, list[int]] = {}
        for place in places:
            block = about.at(place) // BLOCK
            if block not in members:
                members[block] = [number for number in world.block(block) if number in about]
            found.append(members[block][place - about.below(block * BLOCK)])
        return found, there

    def _filtered(self, name: FeedName, kind: str, subject: str, *, replies: bool) -> list[int]:
        world = self._world
        limit = _TRENDING if name == "trending" else len(world.recent)
        numbers = (world.last_updated if name == "updates" else world.newest)(0, limit)
        if subject != "all":
            numbers = [each for each in numbers if _is_about(world, world.thread_of(each), subject)]
        items = numbers
        if replies:
            # A hidden comment takes its replies with it.
            items = numbers + [
                -(each * (REPLIES_AT_MOST + 1) + place) - 1
                for each in numbers
                if not world.hidden(each)
                for place in range(world.replies(each))
            ]
            moment = world.created if name == "recent" else world.updated
            items.sort(key=lambda each: -_time(world, each, moment))
        if kind != "all":
            items = [each for each in items if self._is_review(each) == (kind == "reviews")]
        if name == "trending":
            items = sorted(items, key=lambda each: 0 if each < 0 else -world.likes(each) - 2 * world.replies(each))
        return items

    def _is_review(self, item: int) -> bool:
        world = self._world
        reply = reply_of(item)
        return is_reply_review(world, *reply) if reply else is_review_now(world, item)

    def _keep(self, key: tuple[object, ...], items: list[int]) -> list[int]:
        self._sorted[key] = items
        while len(self._sorted) > _KEPT or next(iter(self._sorted))[0] != key[0]:
            self._sorted.popitem(last=False)
        return items


def _time(world: World, item: int, moment: Callable[[int], int]) -> int:
    reply = reply_of(item)
    return world.replied(*reply) if reply else moment(item)


def _is_about(world: World, thread: int, subject: str) -> bool:
    return world.catalogue.threads[thread].kind == subject.removesuffix("s")
