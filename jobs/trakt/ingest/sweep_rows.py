"""Rows of the ledger of one sweep, planned before their requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.trakt.ingest.ledger import Ledger
    from jobs.trakt.ingest.ledger_rows import Target
    from jobs.trakt.ingest.loads import Loads
    from jobs.trakt.ingest.sweep import Sweep, Want

__all__ = ["SweepRows"]


class SweepRows:
    """Rows of the ledger of one sweep, planned before their requests."""

    def __init__(self, ledger: Ledger, loads: Loads, sweep_id: int, target: Target) -> None:
        self._ledger = ledger
        self._loads = loads
        self._sweep_id = sweep_id
        self._target = target
        self._planned: dict[tuple[int, int], int] = {}
        self._read: set[tuple[int, int]] = set()

    async def of(self, want: Want, sweep: Sweep) -> int:
        """Return the number of a page's row.

        The pages that are expected next are planned together with it.
        """
        key = (want.page, want.limit)
        if key not in self._planned:
            pages = {want.page}
            if want.purpose != "slice":
                pages.update(sweep.open_pages)
            found = await asyncio.to_thread(
                self._ledger.plan_pages,
                self._sweep_id,
                self._target,
                sorted(pages),
                want.limit,
                await self._loads.current(),
                part=want.purpose == "slice",
            )
            self._planned.update({(page, want.limit): page_id for page, page_id in found.items()})
        return self._planned[key]

    def read(self, want: Want) -> None:
        """Note that a page was read."""
        self._read.add((want.page, want.limit))

    def is_reread(self, want: Want) -> bool:
        """Return whether a page was read before by this process."""
        return (want.page, want.limit) in self._read
