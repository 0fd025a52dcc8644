"""A whole table of a page: no pages, no order, but the same cells and exports as a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.web.listing import Column

__all__ = ["Grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        name: its name in the URL of its exports.
        title: what the rows are, in plural.
        columns: in the order of the page.
        rows: all rows.
        exported: further columns of the exports.
        shown: number of rows on the page; None: all.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    exported: tuple[Column, ...] = ()
    shown: int | None = None

    @property
    def first(self) -> Sequence[Any]:
        """The rows of the page."""
        return self.rows[: self.shown]
