"""Bind a format to a layout: find the column of each field, and ask about columns that have the same name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.uploads.formats.model import ColumnRule, Format, Metric
    from jobs.viewership.uploads.layout.model import Column, DateColumn, Layout

__all__ = ["Binding", "BoundColumn", "BoundMetric", "bind"]


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A field and the column that it is read from."""

    rule: ColumnRule
    column: Column

    @property
    def field(self) -> str:
        """Return the field."""
        return self.rule.field


@dataclass(frozen=True, slots=True)
class BoundMetric:
    """A metric of a wide sheet and its columns, one per date."""

    rule: Metric
    columns: tuple[DateColumn, ...]

    @property
    def field(self) -> str:
        """Return the field."""
        return self.rule.field


@dataclass(frozen=True, slots=True)
class Binding:
    """Which columns of a sheet become which fields.

    Attributes:
        format: the format.
        columns: fields that are read from a column.
        metrics: fields that are read from date columns; empty unless the sheet is wide.
        absent: rules whose column the sheet lacks, none of which is required.
        unread: columns that no rule reads and the format does not list under ``ignore``.
    """

    format: Format
    columns: tuple[BoundColumn, ...]
    metrics: tuple[BoundMetric, ...] = ()
    absent: tuple[ColumnRule | Metric, ...] = ()
    unread: tuple[Column | DateColumn, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)

    def column(self, field_name: str) -> Column | None:
        """Return the column of a field, or None."""
        return next((bound.column for bound in self.columns if bound.field == field_name), None)


def bind(chosen_format: Format, layout: Layout, mapping: Mapping[str, str] | None = None) -> Binding:
    """Find the column of each field.

    Args:
        chosen_format: the format.
        layout: of the sheet.
        mapping: field -> name of its column, chosen by the user; it overrides the format's names.

    Raises:
        NeedsChoice: a field's column name occurs twice; ``--map`` settles it.
        Refused: ``COLUMNS`` if the sheet lacks required columns.
    """
    raise NotImplementedError
