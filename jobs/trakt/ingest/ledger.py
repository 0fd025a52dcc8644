"""The page ledger: a row for every expected page, written before its request, and what became of it.

A killed run leaves rows that are planned. The next run finds their page objects, or plans them again, or says that they
were skipped; it can tell a killed run from one that is still reading by the advisory lock that each holds.
"""

from __future__ import annotations

from jobs.trakt.ingest.load_ledger import LoadLedger
from jobs.trakt.ingest.sweep_ledger import SweepLedger

__all__ = ["Ledger"]


class Ledger(SweepLedger, LoadLedger):
    """The ledger, as one process writes it. Its methods block: call them from a thread."""
