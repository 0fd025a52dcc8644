"""The values of a chart as a table, for readers who cannot see it or want the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.report.format import duration, number
from shared.report.sections import Amounts, Histogram, Shares, Spans, Table, Trend

if TYPE_CHECKING:
    from shared.report.sections import Part

__all__ = ["twin"]


def twin(section: object) -> Table | None:
    """Return the values of a chart; None if there are none, or if the chart already shows all of them as text.

    Args:
        section: any section of a report.
    """
    if isinstance(section, Histogram):
        return _histogram(section)
    if isinstance(section, Trend):
        rows = [[label, value] for label, value in zip(section.labels, section.values, strict=True)]
        return _table(section.title, ["", section.unit], rows)
    if isinstance(section, Spans):
        stages = [[each.label, each.status, duration(each.seconds)] for each in section.spans]
        return _table(section.title, ["stage", "status", "took"], stages)
    if isinstance(section, Shares | Amounts) and len(section.parts) > 1:
        return _parts(section)
    return None


def _histogram(section: Histogram) -> Table | None:
    bins = zip(section.edges, section.edges[1:], section.counts, strict=False)
    rows = [[f"{number(low)} to {number(high)}", count] for low, high, count in bins if count]
    return _table(section.title, [section.unit, "number"], rows)


def _parts(section: Shares | Amounts) -> Table | None:
    present = [place for place in range(len(section.parts)) if any(values[place] for _, values in section.bars)]
    names: list[Part] = [section.parts[place] for place in present]
    rows: list[list[Any]] = [[label, *(values[place] for place in present)] for label, values in section.bars]
    return _table(section.title, [section.unit, *(part.name for part in names)], rows)


def _table(title: str, columns: list[str], rows: list[list[Any]]) -> Table | None:
    return Table(title, columns, rows) if rows else None
