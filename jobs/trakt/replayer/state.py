"""The state of a world: what is true now, computed from the seed and from the changes since the start."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.trakt.replayer.catalogue import EMPTY_TITLE, POISONED, Catalogue
from jobs.trakt.replayer.clock import DAY, START
from jobs.trakt.replayer.draw import mix
from jobs.trakt.replayer.sequences import Gaps, insert_sorted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.replayer.habits import Habits

__all__ = ["BLOCK", "REPLIES_AT_MOST", "Change", "State", "comment_id"]

ID_STEP: Final = 7
"""Ids of comments increase with age, with gaps: one of every seven numbers is used."""
REPLIES_AT_MOST: Final = 15
_FIRST_ID: Final = 100
_FIRST_REPLY_ID: Final = 50_000_000
BLOCK: Final = 1_000
"""Comments made in advance are sorted by their last edit in blocks of this many: an edit never leaves its block, so the
order of a feed can be computed block by block."""
_EDITED: Final = 12  # of 98 recorded comments
_HIDDEN_RUN: Final = range(250, 500)
_SILENT: Final = 7  # comments of ten have no reply


@dataclass(slots=True)
class Change:
    """All that events did to one comment."""

    thread: int | None = None
    likes: int = 0
    edits: int = 0
    updated: int | None = None
    rating: int | None = None
    gone: bool = False
    replied: list[int] = field(default_factory=list)


_UNCHANGED: Final = Change()


def comment_id(seed: int, number: int) -> int:
    """Return the id of a comment."""
    return _FIRST_ID + number * ID_STEP + mix(seed + 20, number) % ID_STEP


class State:
    """Titles, threads, comments and votes at :attr:`now`, and the changes that an event can make.

    Args:
        seed: of everything in it.
        habits: its size and its events.
    """

    def __init__(self, seed: int, habits: Habits) -> None:
        self.seed = seed
        self.habits = habits
        self.now = START
        self.version = 0
        self.catalogue = Catalogue(seed, titles=habits.titles, comments=habits.comments)
        self._numbers = {(each.title, each.season, each.episode): each.number for each in self.catalogue.threads}
        self.spacing = habits.span // habits.comments
        self.launch = START - self.spacing * habits.comments
        self.born: list[tuple[int, int]] = []
        self.votes: dict[int, list[int]] = {}
        self.slugs = {title.number: title.slug for title in self.catalogue.titles}
        self.merged: dict[int, int] = {}
        self.recent = Gaps(habits.comments)
        self._changes: dict[int, Change] = {}
        self._members: dict[int, list[int]] = {}
        self.deleted: list[int] = []
        self._fresh: list[tuple[int, int]] = []
        self._untouched = Gaps(habits.comments)
        self._blocks: OrderedDict[int, list[int]] = OrderedDict()
        self.poisoned = self.catalogue.number_at(self.title_thread(POISONED), 7)

    # Comments

    def change_of(self, number: int) -> Change:
        """Return what events did to a comment."""
        return self._changes.get(number, _UNCHANGED)

    def thread_of(self, number: int) -> int:
        """Return the thread that a comment is in now."""
        moved = self.change_of(number).thread
        if moved is not None:
            return moved
        made = self.habits.comments
        return self.catalogue.thread_of(number) if number < made else self.born[number - made][0]

    def created(self, number: int) -> int:
        """Return when a comment was written; increases with its number."""
        made = self.habits.comments
        if number >= made:
            return self.born[number - made][1]
        return self.launch + number * self.spacing + mix(self.seed + 21, number) % self.spacing

    def updated(self, number: int) -> int:
        """Return when a comment was last edited; if never, when it was written."""
        changed = self.change_of(number).updated
        if changed is not None:
            return changed
        return self._first_edit(number) if number < self.habits.comments else self.created(number)

    def _first_edit(self, number: int) -> int:
        created = self.created(number)
        bits = mix(self.seed + 22, number)
        if bits % 98 >= _EDITED:
            return created
        last = min((number // BLOCK + 1) * BLOCK, self.habits.comments)
        return created + 1 + (bits >> 8) % max(self.launch + last * self.spacing - created - 1, 1)

    def hidden(self, number: int) -> bool:
        """Return whether a comment is hidden: it takes a place on its page, but is not shown."""
        if number < self.habits.comments:
            catalogue = self.catalogue
            if catalogue.thread_of(number) == 0 and catalogue.place_of(number) in _HIDDEN_RUN:
                return True
        return mix(self.seed + 23, number) % 100 < self.habits.hidden

    def visible(self, number: int) -> bool:
        """Return whether a comment exists and is shown."""
        return not self.change_of(number).gone and not self.hidden(number)

    def likes(self, number: int) -> int:
        """Return the likes of a comment: few for most, many for some."""
        return ((mix(self.seed + 24, number) % 100) ** 3) // 20_000 + self.change_of(number).likes

    def rating(self, number: int) -> int | None:
        """Return the present rating of the comment's author."""
        changed = self.change_of(number).rating
        if changed is not None:
            return changed
        bits = mix(self.seed + 25, number)
        return None if bits % 10 == 0 else 1 + max((bits >> 8) % 10, (bits >> 16) % 10)

    def plays(self, number: int) -> int:
        """Return how often the author watched the subject."""
        return mix(self.seed + 26, number) % 5

    def replies(self, number: int) -> int:
        """Return how many replies a comment has."""
        return self._first_replies(number) + len(self.change_of(number).replied)

    def _first_replies(self, number: int) -> int:
        bits = mix(self.seed + 27, number)
        return 0 if number >= self.habits.comments or bits % 10 < _SILENT else 1 + (bits >> 8) % 5

    def replied(self, number: int, place: int) -> int:
        """Return when the reply at a place was written."""
        first = self._first_replies(number)
        if place >= first:
            return self.change_of(number).replied[place - first]
        created = self.created(number)
        return min(created + (place + 1) * (1 + mix(self.seed + 28, number) % (DAY // 4)), START)

    def reply_id(self, number: int, place: int) -> int:
        """Return the id of a reply."""
        return _FIRST_REPLY_ID + number * (REPLIES_AT_MOST + 1) + place

    def find(self, identifier: int) -> tuple[int, int | None] | None:
        """Return the comment with an id and, of a reply, its place; None if nothing with that id is shown."""
        if identifier >= _FIRST_REPLY_ID:
            number, place = divmod(identifier - _FIRST_REPLY_ID, REPLIES_AT_MOST + 1)
            there = number < self.total and self.visible(number) and place < self.replies(number)
            return (number, place) if there else None
        number = (identifier - _FIRST_ID) // ID_STEP
        if not 0 <= number < self.total or comment_id(self.seed, number) != identifier or not self.visible(number):
            return None
        return number, None

    # Lists

    @property
    def total(self) -> int:
        """The number of comments that were ever written."""
        return self.habits.comments + len(self.born)

    def title_thread(self, title: int) -> int:
        """Return the thread of a title's own comments."""
        return self.thread_number(title, None, None)

    def thread_number(self, title: int, season: int | None, episode: int | None) -> int:
        """Return the thread of a title, a season or an episode.

        Raises:
            KeyError: there is no such thread.
        """
        return self._numbers[title, season, episode]

    def size(self, thread: int) -> int:
        """Return how many comments a thread has, hidden ones included."""
        members = self._members.get(thread)
        return self.catalogue.size_of(thread) if members is None else len(members)

    def slice(self, thread: int, start: int, stop: int) -> list[int]:
        """Return the comments at some places of a thread, oldest first."""
        members = self._members.get(thread)
        if members is not None:
            return members[start:stop]
        return [self.catalogue.number_at(thread, at) for at in range(start, min(stop, self.size(thread)))]

    def newest(self, start: int, stop: int) -> list[int]:
        """Return comments of all threads, newest first."""
        there = len(self.recent)
        stop = min(stop, there)
        return self.recent.slice(there - stop, there - start)[::-1] if start < stop else []

    def last_updated(self, start: int, stop: int) -> list[int]:
        """Return comments of all threads, the last written or edited first."""
        fresh, there = len(self._fresh), len(self._untouched)
        found = [number for _, number in reversed(self._fresh[max(fresh - stop, 0) : max(fresh - start, 0)])]
        first, last = max(start - fresh, 0), min(max(stop - fresh, 0), there)
        if first < last:
            ranks = self._untouched.slice(there - last, there - first)
            found += [self._ranked(rank) for rank in reversed(ranks)]
        return found

    def _ranked(self, rank: int) -> int:
        block, at = divmod(rank, BLOCK)
        return self.block(block)[at]

    def block(self, block: int) -> list[int]:
        """Return the comments of a block made in advance, in the order of their first edits."""
        found = self._blocks.get(block)
        if found is None:
            numbers = range(block * BLOCK, min((block + 1) * BLOCK, self.habits.comments))
            found = sorted(numbers, key=lambda number: (self._first_edit(number), number))
            self._blocks[block] = found
            if len(self._blocks) > 64:  # noqa: PLR2004 - 64 blocks are 0.5 MB
                self._blocks.popitem(last=False)
        return found

    def away(self, title: int) -> bool:
        """Return whether a title answers 404 now."""
        if title in self.merged:
            return True
        if title not in self.habits.away:
            return False
        until = self.habits.away[title]
        return until is None or self.now < START + until

    def distribution(self, thread: int) -> list[int]:
        """Return the votes for the ratings 1 to 10."""
        if self.catalogue.threads[thread].title == EMPTY_TITLE:
            return [0] * 10
        cast = self.votes.get(thread, [0] * 10)
        bits = mix(self.seed + 29, thread)
        scale = 40 + bits % 400
        first = [scale * (place + 1) * (1 + (bits >> (8 + 3 * place)) % 8) // 8 for place in range(10)]
        return [one + more for one, more in zip(first, cast, strict=True)]

    def shown(self) -> Iterator[int]:
        """Yield all comments that are shown, oldest first."""
        return (number for number in range(self.total) if self.visible(number))

    # Changes

    def altered(self, number: int) -> Change:
        """Return the changes of a comment, to be changed further."""
        return self._changes.setdefault(number, Change())

    def insert(self, thread: int, now: int) -> None:
        """Write a comment."""
        members = self._materialized(thread)
        number = self.total
        self.born.append((thread, now))
        members.append(number)
        self.recent.size = self.total
        self._fresh.append((now, number))

    def edit(self, number: int, now: int) -> None:
        """Change the text of a comment."""
        self._take_from_feed(number)
        change = self.altered(number)
        change.edits += 1
        change.updated = now
        self._fresh.append((now, number))

    def delete(self, number: int) -> None:
        """Delete a comment, which leaves no trace in any list."""
        self.altered(number).gone = True
        self._materialized(self.thread_of(number)).remove(number)
        self.recent.remove(number)
        self._take_from_feed(number)
        self.deleted.append(number)

    def restore(self, number: int) -> None:
        """Bring a deleted comment back to its old places."""
        change = self._changes[number]
        change.gone = False
        insert_sorted(self._materialized(self.thread_of(number)), number)
        self.recent.put_back(number)
        if change.updated is None and number < self.habits.comments:
            self._untouched.put_back(self._rank(number))
        else:
            insort(self._fresh, (self.updated(number), number))

    def move(self, number: int, thread: int) -> None:
        """Move a comment to another thread, where it takes the place of its age."""
        self._materialized(self.thread_of(number)).remove(number)
        self.altered(number).thread = thread
        insert_sorted(self._materialized(thread), number)

    def _take_from_feed(self, number: int) -> None:
        """Take a comment out of the order of edits."""
        if number < self.habits.comments and self.change_of(number).updated is None:
            self._untouched.remove(self._rank(number))
        else:
            del self._fresh[bisect_left(self._fresh, (self.updated(number), number))]

    def _rank(self, number: int) -> int:
        block = number // BLOCK
        return block * BLOCK + self.block(block).index(number)

    def _materialized(self, thread: int) -> list[int]:
        members = self._members.get(thread)
        if members is None:
            size = self.catalogue.size_of(thread)
            members = self._members[thread] = [self.catalogue.number_at(thread, at) for at in range(size)]
        return members
