"""A listing that changes while it is read, for tests of the planner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs.trakt.ingest.sweep import Facts, Known, Sweep, Want

__all__ = ["START", "Failed", "ListingSite", "drive", "facts"]

START = datetime(2026, 5, 4, tzinfo=UTC)
OLD = "2026-05-01T00:00:00.000Z"
NEW = "2026-05-04T00:00:05.000Z"


class Failed(Exception):
    """A page that fails."""


def facts(ids: list[int], **headers: int | None) -> Facts:
    return Facts(tuple(ids), **headers, created=(OLD,) * len(ids))  # type: ignore[arg-type]


@dataclass
class ListingSite:
    """Comments with consecutive ids in the order ``oldest``; hidden ones take a place and are not shown.

    Attributes:
        ids: all that exist now.
        most: comments per page that it grants.
        hidden: ids that are not shown.
        poisoned: ids whose pages fail for good.
        lies: name of a lie -> told in that answer and taken from the list; "" for the truth.
        stumbles: whether each next request fails once.
    """

    ids: list[int]
    most: int = 250
    hidden: frozenset[int] = frozenset()
    poisoned: frozenset[int] = frozenset()
    lies: list[str] = field(default_factory=list)
    stumbles: list[bool] = field(default_factory=list)
    requests: int = 0
    next_id: int = 10_000

    def insert(self) -> None:
        self.ids.append(self.next_id)
        self.next_id += 1

    def delete(self, place: int) -> None:
        """Delete one of the comments that were there at the start."""
        old = [each for each in self.ids if each < 10_000]
        if old:
            self.ids.remove(old[place % len(old)])

    def visible(self) -> set[int]:
        return set(self.ids) - self.hidden

    def get(self, want: Want) -> Facts:
        self.requests += 1
        if self.stumbles and self.stumbles.pop(0):
            raise Failed
        limit = min(want.limit, self.most)
        here = self.ids[(want.page - 1) * limit : want.page * limit]
        if self.poisoned.intersection(here):
            raise Failed
        shown = tuple(each for each in here if each not in self.hidden)
        pages, items = -(-len(self.ids) // limit), len(self.ids)
        lie = self.lies.pop(0) if self.lies else ""
        if lie == "missing":
            return Facts(shown)
        return Facts(
            shown,
            page_count={"pages-high": pages + 1, "pages-low": max(pages - 1, want.page)}.get(lie, pages),
            item_count={"items-high": items + 1, "items-low": max(items - 3, 0)}.get(lie, items),
            limit=limit,
            page=want.page,
            created=tuple(OLD if each < 10_000 else NEW for each in shown),
        )


def drive(
    site: ListingSite, sweep: Sweep, *, changes: list[tuple[str, int]] | None = None, stop: int = -1
) -> list[Known]:
    """Read a listing to its end, with a change before each request, or to its ``stop``-th request.

    Returns the pages that a ledger would know.
    """
    known: dict[int, Known] = {}
    sweep.started = START
    changes = list(changes or ())
    while (want := sweep.next()) is not None and stop != 0:
        stop -= 1
        for kind, place in changes[:1]:
            if kind == "insert":
                site.insert()
            elif kind == "delete":
                site.delete(place)
        del changes[:1]
        assert site.requests < 2_000, "the sweep does not end"
        try:
            found = site.get(want)
        except Failed:
            sweep.failed(want, "SERVER_ERROR", slices=True)
            continue
        sweep.landed(want, found)
        if want.purpose != "slice" and sweep.stopped is None:
            last = known.get(want.page, Known(want.page, (), None, found.item_count))
            earlier = tuple(each for each in last.ids if each not in found.ids)
            known[want.page] = Known(want.page, earlier + found.ids, found.page_count, last.item_count)
    return list(known.values())
