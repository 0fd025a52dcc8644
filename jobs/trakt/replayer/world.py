"""The world: a state changed by events. It depends only on the seed and the time, never on who requested what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.replayer.catalogue import POISONED
from jobs.trakt.replayer.clock import DAY, START
from jobs.trakt.replayer.draw import mix
from jobs.trakt.replayer.state import REPLIES_AT_MOST, State

if TYPE_CHECKING:
    from jobs.trakt.replayer.habits import EventKind, Habits

__all__ = ["World"]

_TRIES: Final = 8
_FORTNIGHT: Final = 14 * DAY
# A site on which all titles have merged would test nothing.
_MOVIES_KEPT: Final = 6


class World(State):
    """A world whose events happen when :meth:`advance_to` passes them.

    Args:
        seed: of everything in it.
        habits: how it lives.
    """

    def __init__(self, seed: int, habits: Habits) -> None:
        super().__init__(seed, habits)
        self._next = 0
        self._kinds: list[EventKind] = [kind for kind, weight in habits.events.items() for _ in range(weight)]

    def advance_to(self, moment: int) -> None:
        """Let everything happen that is due by a time."""
        gap = self.habits.event_gap
        self.now = max(self.now, moment)
        if gap is None:
            return
        while (due := START + gap * (self._next + 1) + mix(self.seed + 30, self._next) % gap) <= moment:
            bits = mix(self.seed + 31, self._next)
            self._next += 1
            self.version += 1
            self._happen(self._kinds[bits % len(self._kinds)], mix(self.seed + 32, self._next), due)

    def _happen(self, kind: EventKind, bits: int, now: int) -> None:
        if kind == "insert":
            thread = self.catalogue.pattern[bits % len(self.catalogue.pattern)]
            kept = self.merged.get(self.catalogue.threads[thread].title)
            self.insert(thread if kept is None else self.title_thread(kept), now)
        elif kind == "vote":
            thread = bits % len(self.catalogue.threads)
            self.votes.setdefault(thread, [0] * 10)[(bits >> 16) % 10] += 1
        elif kind == "restore":
            if self.deleted:
                self.restore(self.deleted.pop(bits % len(self.deleted)))
        elif kind == "slug":
            title = bits % len(self.catalogue.titles)
            self.slugs[title] = f"{self.catalogue.titles[title].slug}-{1 + (bits >> 16) % 9}"
        elif kind == "merge":
            self._merge(bits)
        elif (number := self._drawn(bits, now if kind == "delete" else None)) is not None:
            self._alter(kind, number, bits >> 32, now)

    def _drawn(self, bits: int, deletable: int | None) -> int | None:
        """Return a comment that is shown; None if several draws find none."""
        for at in range(_TRIES):
            number = mix(bits, at) % self.total
            if not self.visible(number) or number == self.poisoned:
                continue
            # An author may delete a comment that is younger than two weeks or has no replies.
            if deletable is None or not self.replies(number) or deletable - self.created(number) < _FORTNIGHT:
                return number
        return None

    def _alter(self, kind: EventKind, number: int, bits: int, now: int) -> None:
        change = self.altered(number)
        if kind == "edit":
            self.edit(number, now)
        elif kind == "delete":
            self.delete(number)
        elif kind == "like":
            change.likes += 1 + bits % 3
        elif kind == "unlike":
            change.likes -= min(self.likes(number), 1 + bits % 3)
        elif kind == "rate":
            change.rating = 1 + bits % 10
        elif kind == "reply":
            if self.replies(number) < REPLIES_AT_MOST:
                change.replied.append(now)
        elif kind == "move":
            thread = bits % len(self.catalogue.threads)
            if self.catalogue.threads[thread].title not in self.merged:
                self.move(number, thread)

    def _merge(self, bits: int) -> None:
        """Merge one ordinary title into another of its kind: its comments move, and its ids answer 404."""
        titles = [title for title in self.catalogue.titles[POISONED + 1 :] if title.number not in self.merged]
        movies = [title.number for title in titles if title.kind == "movie"]
        if len(movies) <= _MOVIES_KEPT:
            return
        lost = movies.pop(bits % len(movies))
        kept = movies[(bits >> 16) % len(movies)]
        target = self.title_thread(kept)
        for number in list(self._materialized(self.title_thread(lost))):
            self.move(number, target)
        for number in self.deleted:
            # A comment that comes back after the merge comes back where the others are.
            if self.thread_of(number) == self.title_thread(lost):
                self.altered(number).thread = target
        self.merged = {source: kept if there == lost else there for source, there in self.merged.items()}
        self.merged[lost] = kept
