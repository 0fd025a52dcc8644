"""The page ledger: a row for every expected page, written before its request, and what became of it.

A killed run leaves rows with the status ``planned``. For each of them, the next run finds the page object, plans the
page again, or marks it as skipped. A run holds an advisory lock while it reads, which tells a live run from a killed
one.
"""

from __future__ import annotations

from jobs.trakt.ingest.load_ledger import LoadLedger
from jobs.trakt.ingest.sweep_ledger import SweepLedger

__all__ = ["Ledger"]


class Ledger(SweepLedger, LoadLedger):
    """The ledger, as one process writes it. Its methods block: call them from a thread."""
