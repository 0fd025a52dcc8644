"""The planner of a sweep: which page of a listing is asked for next, and whether the listing was read completely.

The planner sends no request: a driver asks it for the next page, and reports the answer. Its rules can therefore be
tested against any listing that changes, fails or lies while it is read.

- Expected pages are the largest count that any page stated. A short or empty page is never taken for the last.
- With the order ``oldest``, new comments land on the last page, but a deletion moves all later comments one place
  forward: the first of page k + 1 crosses the border and becomes the last of page k, which was read before. Page k is
  read again if the number of items falls between the two reads, or if one of the two numbers is missing.
- A page that fails is read again in slices of 50, 10 and 1: one bad comment costs only itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from jobs.trakt.contract.moments import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

__all__ = ["LIMIT", "SLICES", "Facts", "Known", "Sweep", "Want"]

LIMIT: Final = 250
"""Comments per page: the most that the API grants."""
SLICES: Final = (50, 10, 1)
# 250 hidden comments in a row are one empty page. 20 such pages would be 5,000 hidden comments in a row, which no title
# has. Without this limit, a nonsensical count of pages would cost as many requests. The same holds for pages that only
# repeat comments: an API that ignores the number of the page never returns an empty one.
_EMPTY_RUN: Final = 20
# Ledger rows that are planned ahead. Without this limit, a nonsensical count of pages would cost memory and 10^9 rows.
# All but a few titles have fewer than 50 pages, which is 12,500 comments.
_AHEAD: Final = 50
# This many failures in a row, from a page down to its single comments, are caused by the API and not by one bad
# comment: to continue slicing would cost 280 requests a page. The rest of the listing is left for later.
_FAILED_RUN: Final = 8
# One comment out of order, or with a wrong time, does not end a window: this many at the end of a page do.
_LAST: Final = 3
# If comments are deleted all the time, a page is read again and again: give up its border after this many reads.
_REREADS: Final = 3

Purpose = Literal["page", "overlap", "border", "slice"]


@dataclass(frozen=True, slots=True)
class Want:
    """A page to be asked for.

    Attributes:
        page: number of the page, from 1, as the API counts it with this limit.
        limit: comments per page.
        purpose: ``page`` for the first read, ``overlap`` to compare a border that may have moved, ``border`` to check
            where an interrupted sweep resumes, ``slice`` for a part of a page that failed.
    """

    page: int
    limit: int
    purpose: Purpose = "page"


@dataclass(frozen=True, slots=True)
class Facts:
    """The ids and counts of an answer.

    Attributes:
        ids: ids of its comments, in order.
        page_count: number of pages that its headers state; None if absent.
        item_count: number of items that they state.
        limit: comments per page that they state.
        page: number of the page that they state.
        created: times at which its comments were written, as the API writes them; as many as ``ids``, or none.
        at: time of the answer by the API's clock.
    """

    ids: tuple[int, ...]
    page_count: int | None = None
    item_count: int | None = None
    limit: int | None = None
    page: int | None = None
    created: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A page that an interrupted sweep has read.

    Attributes:
        page: its number.
        ids: ids of its comments.
        page_count: number of pages that it stated.
        item_count: number of items that it stated when it was read first.
    """

    page: int
    ids: tuple[int, ...]
    page_count: int | None
    item_count: int | None


@dataclass(slots=True)
class _Page:
    """One page: all ids that any read of it had, the number of items at its last read, and why it failed."""

    ids: set[int] = field(default_factory=set)
    last_id: int | None = None
    items: int | None = None
    failure: str | None = None
    lost: int = 0
    reads: int = 0
    slices: int = 0

    def take(self, facts: Facts) -> None:
        """Take an answer that has all of the page."""
        self.ids.update(facts.ids)
        self.last_id = facts.ids[-1] if facts.ids else None
        self.items = facts.item_count
        self.failure, self.lost = None, 0
        self.reads += 1


class Sweep:
    """One pass over a listing.

    Args:
        limit: comments per page that are asked for; the first answer may state fewer.
        sort: order of the listing.
        hint: number of the last page with comments in the sweep before; pages up to it are read even if the headers
            state fewer.
        since: with the order ``newest``, stop at a page whose last comments were written before this time.
        first_page: stop after the first page.
        most: read at most this many pages; more are ``TOO_LONG``.
        known: pages that an interrupted sweep has read.
        started: time of the first answer; comments written later are new.
        rechecks: whether the last known page is read again, as something may have moved since.
    """

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        sort: str = "oldest",
        hint: int = 0,
        since: datetime | None = None,
        first_page: bool = False,
        most: int | None = None,
        known: Iterable[Known] = (),
        started: datetime | None = None,
        rechecks: bool = True,
    ) -> None:
        self.limit = limit
        self.sort = sort
        self.started = started
        self.expected = 0
        self.stated = False
        self.stopped: str | None = None
        self.notes: set[str] = set()
        self.sliced: set[int] = set()
        self.duplicates = 0
        self.ids: set[int] = set()
        self._asked = limit
        self._hint = hint
        self._since = since
        self._first_page = first_page
        self._most = most
        self._reached_since = False
        self._pages: dict[int, _Page] = {}
        self._extra: deque[Want] = deque()
        self._cursor = 1
        self._safe: set[int] = set()
        self._new: dict[int, datetime] = {}
        self._growth: list[tuple[datetime, int]] = []
        self._items: int | None = None
        self._first_items: int | None = None
        self._fallen = 0
        self._hides_new = False
        self._are_borders_recompared = False
        self._empty = 0
        self._failed = 0
        self._gave_up = False
        self._resume(sorted(known, key=lambda each: each.page), rechecks=rechecks)

    # Requests

    def next(self) -> Want | None:
        """Return the next page to ask for; None at the end of the sweep."""
        if self.stopped is not None:
            return None
        if self._extra:
            return self._extra[0]
        while self._cursor in self._pages and self._pages[self._cursor].reads:
            self._cursor += 1
        if self._goes_on():
            if self._most is not None and self._cursor > self._most:
                self.stopped = "TOO_LONG"
                return None
            return Want(self._cursor, self._asked)
        self._close_borders()
        return self._extra[0] if self._extra else None

    def _goes_on(self) -> bool:
        if self._gave_up or self._reached_since:
            return False
        if not self.stated:
            # Without any header: until a page is empty, and at least as far as the last sweep saw comments.
            last = self._pages.get(self._cursor - 1)
            is_end = last is not None and last.failure is None and not last.ids
            return not is_end or self._cursor <= self._hint
        return self._cursor <= self._bound()

    def _bound(self) -> int:
        """Return the number of the last page to read."""
        bound = max(self.expected, self._hint, 1)
        # The two counts in the headers may contradict each other: the larger one costs a request, the smaller a page.
        if self._items is not None:
            return max(bound, -(-self._items // self.limit))
        last = self._pages.get(bound)
        return bound + 1 if last is not None and len(last.ids) >= self.limit else bound

    @property
    def open_pages(self) -> range:
        """The next pages that are expected and were not asked for yet, at most 50."""
        # It is not known how far a window reaches.
        if not self.stated or self._since is not None or self._first_page:
            return range(0)
        return range(self._cursor, min(self._bound() + 1, self._cursor + _AHEAD))

    # Answers

    def landed(self, want: Want, facts: Facts) -> int:
        """Take an answer, and return how many of its comments an earlier page had too."""
        self._answered(want)
        if self.started is not None:
            new = zip(facts.ids, facts.created, strict=False)
            self._new.update(
                {each: time for each, text in new if (time := moment(text)) is not None and time > self.started}
            )
        if want.purpose == "slice":
            return self._take_slice(want, facts)
        if not self._fits(want, facts):
            return 0
        self._count(facts)
        page = self._pages.setdefault(want.page, _Page())
        if want.purpose == "border":
            if page.last_id != (facts.ids[-1] if facts.ids else None):
                self.stopped = "BORDER_CHANGED"
                return 0
            # New comments on pages before this one are not counted as new: deletions could hide behind them.
            self._hides_new = bool(facts.ids) and self._new.keys() >= set(facts.ids)
        repeated = len(self.ids.intersection(facts.ids) - page.ids)
        self.duplicates += repeated
        is_new = not self.ids.issuperset(facts.ids)
        self.ids.update(facts.ids)
        is_first = page.reads == 0
        page.take(facts)
        if is_first:
            self._empty = 0 if is_new else self._empty + 1
            if self._empty >= _EMPTY_RUN:
                self._give_up("EMPTY_RUN")
            self._compare(want.page)
            if facts.at is not None and facts.item_count is not None and self._first_items is not None:
                self._growth.append((facts.at, facts.item_count - self._first_items + self._fallen))
        elif (successor := self._pages.get(want.page + 1)) is None or successor.reads:
            # Read after its successor: whatever moved between the two is now in one of them.
            self._safe.add(want.page)
        self._reached_since |= self._first_page or self._ends_window(facts)
        return repeated

    def _ends_window(self, facts: Facts) -> bool:
        """Return whether the last comments of a page that have a time were all written before the window."""
        if self._since is None:
            return False
        times = [time for text in facts.created if (time := moment(text)) is not None][-_LAST:]
        return bool(times) and max(times) < self._since

    def _answered(self, want: Want) -> None:
        if self._extra and self._extra[0] == want:
            self._extra.popleft()

    def _count(self, facts: Facts) -> None:
        """Take the counts of an answer's headers."""
        self._failed = 0
        if facts.page_count is not None:
            self.stated = True
            self.expected = max(self.expected, facts.page_count)
        else:
            self.notes.add("PAGE_HEADERS_MISSING")
        if facts.item_count is not None:
            self._items = facts.item_count
            if self._first_items is None:
                self._first_items = facts.item_count

    def _give_up(self, note: str) -> None:
        self._extra.clear()
        self._gave_up = True
        self.notes.add(note)

    def _fits(self, want: Want, facts: Facts) -> bool:
        """Return whether an answer is the page that was asked for, with the limit of the others."""
        if facts.page is not None and facts.page != want.page:
            self.failed(want, "WRONG_PAGE", slices=False)
            return False
        if facts.limit is None or facts.limit == self.limit:
            return True
        if facts.limit < max(len(facts.ids), 1):
            return True  # nonsense: the page has more than that
        if any(page.reads for page in self._pages.values()):
            # Pages of two sizes do not fit together: comments between them would be lost.
            self.stopped = "LIMIT_CHANGED"
            return False
        self.limit = facts.limit
        self._asked = min(self._asked, facts.limit)
        return True

    def _compare(self, number: int) -> None:
        """Compare the border before a page that was read for the first time."""
        self._safe.discard(number - 1)
        before, here = self._pages.get(number - 1), self._pages[number]
        if before is None or not before.reads:
            return
        if before.items is None or here.items is None:
            return  # at the end, the page before is read again
        if here.items < before.items:
            self.notes.add("ITEM_COUNT_FELL")
            self._fallen += before.items - here.items
            self._again(number - 1)
        else:
            self._safe.add(number - 1)

    def _again(self, number: int) -> None:
        want = Want(number, self._asked, "overlap")
        if self._pages[number].reads < _REREADS and want not in self._extra:
            self._extra.append(want)

    def _close_borders(self) -> None:
        """At the end, read again the pages whose border could not be compared, and those that were read in slices.

        The last pages come first: a comment only moves to an earlier page, which is then still to be read.
        """
        if self.failures or self._gave_up:
            return  # the sweep is not complete in any case
        for number in reversed(self._open_borders()):
            self._again(number)
        if self._extra or self._are_borders_recompared:
            return
        # A deletion together with an insert leaves the number of items unchanged. But then more comments were written
        # than the rises and falls of the number explain: by the end, or by an earlier answer if a hidden comment came
        # later. Where it happened is not known, so all borders are compared again. This is rare: both must fall within
        # the seconds of one sweep of one title. Not seen: a deletion and a hidden comment between the same two answers.
        read = self._read_pages()
        last = self._pages[read[-1]] if read else None
        if last is None or last.items is None or self._first_items is None:
            return
        written = sorted(self._new.values())
        if (
            self._hides_new
            or len(written) > last.items - self._first_items + self._fallen
            or any(bisect_left(written, at) > grown for at, grown in self._growth)
        ):
            self._are_borders_recompared = True
            self.notes.add("DELETED_MEANWHILE")
            for number in reversed(read[:-1]):
                self._safe.discard(number)
                self._again(number)

    def _open_borders(self) -> list[int]:
        """Return the pages behind which a comment may have passed unseen."""
        read = self._read_pages()
        return [each for each in read if each not in self._safe and (each != read[-1] or each in self.sliced)]

    def _read_pages(self) -> list[int]:
        return sorted(number for number, page in self._pages.items() if page.reads)

    # Failures

    def failed(self, want: Want, code: str, *, slices: bool) -> None:
        """Take the failure of a page.

        Args:
            want: the page.
            code: why.
            slices: whether smaller parts of it may succeed.
        """
        self._answered(want)
        if want.purpose == "overlap":
            # Its comments are kept; only its border stays open, and is compared again at the end.
            self._pages[want.page].reads += 1
            self._safe.discard(want.page)
            return
        if want.purpose == "border":
            self.stopped = code
            return
        number = (want.page - 1) * want.limit // self.limit + 1
        page = self._pages.setdefault(number, _Page())
        page.reads = max(page.reads, 1)
        page.failure = page.failure or code
        smaller = next((each for each in SLICES if each < want.limit and want.limit % each == 0), None)
        if want.purpose == "slice":
            page.slices -= 1
        if slices and smaller is not None:
            parts = want.limit // smaller
            first = (want.page - 1) * parts + 1
            # In place of the part that failed, so that the order stays that of the listing.
            self._extra.extendleft(Want(first + at, smaller, "slice") for at in reversed(range(parts)))
            page.slices += parts
        else:
            page.lost += want.limit
        self._failed += 1
        if self._failed >= _FAILED_RUN:
            page.lost += 1
            self._give_up("FAILED_RUN")
        self._settle(number, page)

    def _take_slice(self, want: Want, facts: Facts) -> int:
        number = (want.page - 1) * want.limit // self.limit + 1
        page = self._pages[number]
        self._failed = 0
        if facts.limit not in (None, want.limit) or facts.page not in (None, want.page):
            page.lost += want.limit
        elif facts.page_count is not None:
            self.stated = True
            self.expected = max(self.expected, -(-facts.page_count * want.limit // self.limit))
        repeated = self.ids.intersection(facts.ids)
        self.duplicates += len(repeated)
        self.ids.update(facts.ids)
        page.ids.update(facts.ids)
        page.slices -= 1
        self._settle(number, page)
        return len(repeated)

    def _settle(self, number: int, page: _Page) -> None:
        if page.slices == 0 and page.lost == 0 and page.failure is not None:
            page.failure = None
            self.sliced.add(number)
            self.notes.add("SLICED")

    # The result

    @property
    def failures(self) -> dict[int, str]:
        """Page -> code, for pages with something missing."""
        return {number: page.failure for number, page in sorted(self._pages.items()) if page.failure is not None}

    @property
    def borders(self) -> bool:
        """True if no comment can have passed between two pages unseen."""
        return not self._open_borders()

    @property
    def reason(self) -> str | None:
        """The reason why the sweep is not complete; None if it is."""
        found = self.uncovered
        return "PARTIAL_WINDOW" if found is None and self._reached_since else found

    @property
    def uncovered(self) -> str | None:
        """The reason why something since ``since`` may be missing; None if nothing is."""
        if self.stopped is not None:
            return self.stopped
        if self.failures:
            return next(iter(self.failures.values()))
        if not self.stated and not self._reached_since:
            return "PAGE_HEADERS_MISSING"
        if self._gave_up:
            return "EMPTY_RUN"
        if self._extra or self._goes_on():
            return "INTERRUPTED"
        return None if self.borders else "BORDER_UNREAD"

    @property
    def complete(self) -> bool:
        """True if every page was read, so that an absent comment is deleted, hidden or moved."""
        return self.reason is None

    def absent(self, known: Collection[int]) -> list[int]:
        """Return the known comments that a complete sweep did not see; none if it is not complete."""
        return sorted(set(known) - self.ids) if self.complete else []

    # Resuming

    def _resume(self, known: list[Known], *, rechecks: bool) -> None:
        if not known:
            return
        read = [each for each in known if each.page <= len(known)]
        # Only pages without a hole before them: pages behind a hole are read again.
        read = [each for at, each in enumerate(read, 1) if each.page == at]
        if not read:
            return
        for each in read:
            self._pages[each.page] = _Page(set(each.ids), each.ids[-1] if each.ids else None, each.item_count, reads=1)
            self.ids.update(each.ids)
            if each.page_count is not None:
                self.stated = True
                self.expected = max(self.expected, each.page_count)
        self._first_items = read[0].item_count
        for each in read[1:]:
            self._compare(each.page)
        # Borders that need a comparison are compared at the end, when their pages are read again.
        self._extra.clear()
        if not rechecks:
            return
        last = next((each for each in reversed(read) if each.ids), read[-1])
        self._extra.append(Want(last.page, self._asked, "border"))
