"""Recover what killed runs left: page objects without a row, and loads that were not committed."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.ingest.page_read import outcome_of
from shared.errors import IntegrityError, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.ingest.ledger import Ledger
    from jobs.trakt.ingest.ledger_rows import Outcome, Planned
    from jobs.trakt.ingest.loads import Loads

__all__ = ["recover"]

_READ: Final = re.compile(r"-r([0-9]+)\.json\.gz\Z")


async def recover(ledger: Ledger, place: BronzePlace, loads: Loads) -> int:
    """Note the pages that killed runs had read, commit their loads, and return the number of these pages.

    A page object is complete or absent, and its key follows from the request: a planned row whose object exists was
    answered. Rows of single documents without an object are skipped; those of a sweep are planned again when it is
    resumed. A committed load has no object without a row, but one of its rows may have its object in a later load.
    """
    left = await asyncio.to_thread(ledger.left_loads)
    if not left:
        return 0
    loads_left = [each.load_id for each in left]
    waiting = [each.load_id for each in left if not each.is_committed]

    def noted() -> list[Outcome]:
        outcomes = []
        objects = _Objects((key for load in waiting for key in place.pages.keys(load)), ledger.page_keys(waiting))
        for row in ledger.planned(loads_left):
            # The load may have filled up between the plan and the answer, which is then in a later load.
            after = loads_left[loads_left.index(row.load_id) :]
            found = next((key for load in after if (key := objects.take(_key(row, load))) is not None), None)
            outcome = _noted(place, row, found) if found is not None else None
            if outcome is not None:
                outcomes.append(outcome)
        ledger.write(outcomes)
        return outcomes

    outcomes = await asyncio.to_thread(noted)
    await loads.commit_left(waiting)
    await asyncio.to_thread(ledger.skip_singles, loads_left)
    return len(outcomes)


class _Objects:
    """Page objects that no row of the ledger names yet.

    Args:
        keys: of all objects.
        named: keys that rows name.
    """

    def __init__(self, keys: Iterable[str], named: Iterable[str]) -> None:
        self._last: dict[str, int] = {}
        for key in named:
            first, read = _split(key)
            self._last[first] = max(read, self._last.get(first, 0))
        self._reads: dict[str, list[int]] = {}
        self._keys: dict[tuple[str, int], str] = {}
        for key in keys:
            first, read = _split(key)
            # A row whose page was read again names only the last object: those before it are taken too.
            if read > self._last.get(first, 0):
                self._reads.setdefault(first, []).append(read)
                self._keys[first, read] = key

    def take(self, first: str) -> str | None:
        """Return the key of the earliest free object, given that of the first read; it is then no longer free."""
        reads = self._reads.get(first)
        if not reads:
            return None
        read = min(reads)
        reads.remove(read)
        return self._keys[first, read]


def _split(key: str) -> tuple[str, int]:
    """Return the key of the first read of a page, and the number of this read."""
    found = _READ.search(key)
    return (key, 1) if found is None else (f"{key[: found.start()]}.json.gz", int(found[1]))


def _request(row: Planned, load: str) -> PageRequest:
    in_sweep = row.in_sweep
    return PageRequest(
        load,
        row.resource,  # type: ignore[arg-type]  # the columns' check names the same
        row.ref if row.resource in ("comments", "rating", "title") else None,
        sort=row.sort,
        page=row.page if in_sweep else None,
        limit=row.page_limit if in_sweep else None,
        comment_id=row.comment_id,
    )


def _key(row: Planned, load: str) -> str:
    return _request(row, load).key


def _noted(place: BronzePlace, row: Planned, key: str) -> Outcome | None:
    try:
        page = place.pages.get(key)
    except (IntegrityError, ObjectMissing):
        return None
    return outcome_of(row.page_id, page)
