"""Recover what killed runs left: page objects without a row, and loads that were not committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.ingest.reading import outcome_of
from shared.errors import IntegrityError, ObjectMissing

if TYPE_CHECKING:
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.ingest.ledger import Ledger, Outcome, Planned
    from jobs.trakt.ingest.loads import Loads

__all__ = ["recover"]


async def recover(ledger: Ledger, place: BronzePlace, loads: Loads) -> int:
    """Note the pages that killed runs had read, commit their loads, and return the number of these pages.

    A page object is complete or absent, and its key follows from the request: a planned row whose object exists was
    answered. Rows of single documents without one are skipped; those of a sweep are planned again when it is resumed.
    """
    left = await asyncio.to_thread(ledger.left_loads)
    if not left:
        return 0

    def noted() -> list[Outcome]:
        outcomes = []
        keys = {load: frozenset(place.pages.keys(load)) for load in left}
        for row in ledger.planned(left):
            # A load may have been full between the plan and the answer.
            found = next((load for load in left if _key(row, load) in keys[load]), None)
            outcome = _noted(place, row, found) if found is not None else None
            if outcome is not None:
                outcomes.append(outcome)
        ledger.write(outcomes)
        return outcomes

    outcomes = await asyncio.to_thread(noted)
    await loads.commit_left(left)
    await asyncio.to_thread(ledger.skip_singles, left)
    return len(outcomes)


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


def _noted(place: BronzePlace, row: Planned, load: str) -> Outcome | None:
    try:
        page = place.pages.get(_key(row, load))
    except (IntegrityError, ObjectMissing):
        return None
    return outcome_of(row.page_id, page)
