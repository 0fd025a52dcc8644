"""Find the formats that fit a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.library import CANONICAL, find_format, shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.layout.names import header_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.formats.model import Condition, Format, Rule
    from jobs.viewership.uploads.layout.model import Layout

__all__ = ["LEAST_MARGIN", "Fit", "best_fit", "rank_formats"]

LEAST_SCORE: Final = 0.6
"""A format with two thirds of the file's columns and half of its own rules scores 0.6."""

LEAST_MARGIN: Final = 0.05

_CHECKED_ROWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Fit:
    """A format and how well it fits a file.

    Attributes:
        format: the format.
        score: 0 to 1; 0 if it does not fit.
        reasons: what fits and what does not, as sentences.
        layout: of the file, found with the format's hints; None if it has none.
        binding: of the format to the layout; None if it does not fit, or leaves a question open.
        question: the question that the binding leaves open; None if it leaves none.
        is_distinct: the file has a column that the format knows and the canonical one does not, or a condition holds.
    """

    format: Format
    score: float
    reasons: tuple[str, ...]
    layout: Layout | None = None
    binding: Binding | None = None
    question: NeedsChoice | None = None
    is_distinct: bool = False

    @property
    def fits(self) -> bool:
        """Return whether the file can be read with the format."""
        return self.score >= LEAST_SCORE


def rank_formats(sheet: Sheet, formats: Mapping[str, Format], layout: Layout | None = None) -> list[Fit]:
    """Return all formats, the best fit first.

    Args:
        sheet: the table.
        formats: by full name.
        layout: of the sheet, found without a format; found here if None.
    """
    fits = [_fit(sheet, found, layout) for found in formats.values()]
    return sorted(
        fits, key=lambda fit: (-fit.score, fit.format.name == CANONICAL, fit.format.name, -fit.format.version)
    )


def best_fit(fits: list[Fit]) -> Fit | None:
    """Return the fit to use without a question, or None if no format fits or several fit as well.

    A newer version wins over an older one, and a format with conditions over one without. A platform's format wins over
    the canonical one if it is distinct: "Series Name, Sessions, Net Revenue" may be any platform's.
    """
    rivals = [fit for fit in fits if fit.fits]
    if any(fit.is_distinct for fit in rivals):
        rivals = [fit for fit in rivals if fit.format.name != CANONICAL]
    if not rivals:
        return None
    best = rivals[0]
    margin = LEAST_MARGIN if best.is_distinct else 1.0
    close = [fit for fit in rivals if fit.format.name != best.format.name and best.score - fit.score < margin]
    if not close:
        return best
    certain = [fit for fit in (best, *close) if fit.format.identify]
    return certain[0] if len(certain) == 1 else None


def _fit(sheet: Sheet, found: Format, layout: Layout | None) -> Fit:
    try:
        if layout is None or found.header.line is not None:
            layout = find_layout(sheet, found)
    except (NeedsChoice, Refused) as error:
        return Fit(found, 0.0, (str(error),))
    for condition in found.identify:
        if problem := _violates(sheet, layout, condition):
            return Fit(found, 0.0, (problem,), layout)
    known = {header_key(name) for rule in _rules(found) for name in rule.sources} | set(map(header_key, found.ignore))
    columns = {column.key or header_key(column.name) for column in layout.columns} | {
        date.key for date in layout.dates if date.key
    }
    question = None
    try:
        binding = bind(found, layout)
    except NeedsChoice as error:
        binding, question = None, error.with_traceback(None)
    except Refused as error:
        return Fit(found, 0.0, (str(error).partition("; ")[0],), layout)
    read = len(columns & known)
    present = sum(any(header_key(name) in columns for name in rule.sources) for rule in _rules(found))
    rules = len(list(_rules(found)))
    if (found.wide is not None) != layout.is_wide and found.name != CANONICAL:
        shape = "one column per date" if found.wide is not None else "one row per date"
        return Fit(found, 0.0, (f"the format has {shape}, but the file does not",), layout)
    score = round(0.8 * read / max(len(columns), 1) + 0.2 * present / rules, 4)
    reasons = (
        f"{read} of the file's {len(columns)} columns are known to the format",
        f"{present} of the format's {rules} fields have a column",
    )
    is_distinct = bool(found.identify or columns & known - _canonical_names())
    return Fit(found, score, reasons, layout, binding, question, is_distinct)


@cache
def _canonical_names() -> frozenset[str]:
    canonical = find_format(CANONICAL, shipped_formats())
    return frozenset(header_key(name) for rule in canonical.columns for name in rule.sources)


def _rules(found: Format) -> tuple[Rule, ...]:
    return (*found.columns, *(found.wide.metrics if found.wide else ()))


def _violates(sheet: Sheet, layout: Layout, condition: Condition) -> str | None:
    columns = [column for name in condition.sources for column in layout.by_key(header_key(name))]
    if not columns:
        return f"the file has no column {condition.sources[0]!r}, which identifies the format"
    texts = sheet.cells.slice(layout.first_row, _CHECKED_ROWS).select(pl.nth(columns[0].position)).to_series()
    texts = texts.drop_nulls().str.strip_chars()
    others = texts.filter(
        (texts != "") & ~texts.str.contains(condition.pattern) & ~texts.str.contains("^(?i:(grand )?total)")
    )
    if len(others):
        return f"{columns[0].name!r} holds {others[0]!r}, which does not identify the format"
    return None
