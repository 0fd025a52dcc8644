"""Tables of Trakt's engagement for BI, and its service levels."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"

TABLES: tuple[str, ...] = ()


def upgrade() -> None:
    pass
