"""Trakt's titles, sweeps, the page ledger, loads, dead letters and tombstones."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"

TABLES: tuple[str, ...] = ()


def upgrade() -> None:
    pass
