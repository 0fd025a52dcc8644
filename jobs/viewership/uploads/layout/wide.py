"""Find the header of a wide sheet: one column per date, or per date and metric."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.layout.score import is_data
from jobs.viewership.uploads.layout.texts import is_blank, is_number, is_typed, split_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.viewership.uploads.layout.head import Head

__all__ = ["WideHeader", "find_wide"]

_MOST: Final = 0.8
_FEW: Final = 0.2


@dataclass(frozen=True, slots=True)
class WideHeader:
    """The header of a wide sheet.

    Attributes:
        rows: indexes of its one or two rows.
        dates: position of each date column -> its date and metric, as texts; the metric may be empty.
    """

    rows: tuple[int, ...]
    dates: Mapping[int, tuple[str, str]]


def find_wide(head: Head, row: int) -> WideHeader | None:
    """Return the header of a wide sheet if this is its row of dates, else None."""
    if not 0 <= row < len(head.rows):
        return None
    cells = head.filled(row)
    dates = {position: found for position, text in cells.items() if (found := split_date(text)) is not None}
    others = [text for position, text in cells.items() if position not in dates]
    if len(dates) < 2 or any(map(is_number, others)):  # noqa: PLR2004 - a date alone may be a banner's
        return None
    below = head.rows[row + 1] if row + 1 < len(head.rows) else []
    if _names_metrics(below, dates):
        return _metrics_below(head, row, dates)
    if not others:
        return None
    typed, values, dated = (_total(head.count(kind, row), dates) for kind in ("typed", "value", "dated"))
    if not is_data(typed, values) or dated > _FEW * values:
        return None
    return _metrics_above(head, row, dates) or WideHeader((row,), dates)


def _total(counts: Sequence[int], dates: Mapping[int, object]) -> int:
    return sum(counts[position] for position in dates)


def _names_metrics(below: Sequence[str | None], dates: Mapping[int, object]) -> bool:
    texts = [below[position] for position in dates if position < len(below)]
    names = [text for text in texts if text is not None and not is_blank(text) and not is_typed(text)]
    return bool(names) and len(names) >= _MOST * len(dates)


def _metrics_below(head: Head, row: int, dates: Mapping[int, tuple[str, str]]) -> WideHeader | None:
    """Give each metric the date above it.

    A workbook exported as text has a merged date in its first cell only: it counts for the blank cells to its right
    that have a name below them. A period in a banner, with two dates above two names, has other metrics per date.
    """
    above, below = head.rows[row], head.rows[row + 1]
    complete: dict[int, tuple[str, str]] = {}
    current: str | None = None
    for position, name in enumerate(below):
        if position in dates:
            current = dates[position][0]
        elif above[position] is not None or name is None:
            current = None
        if current is not None and name is not None:
            complete[position] = (current, clean_header(name))
    metrics: defaultdict[str, list[str]] = defaultdict(list)
    for date, metric in complete.values():
        metrics[date].append(header_key(metric))
    most = Counter(tuple(sorted(names)) for names in metrics.values()).most_common(1)[0][1]
    if len(metrics) > 1 and most < max(2, len(metrics) / 2):
        return None
    return WideHeader((row, row + 1), complete)


def _metrics_above(head: Head, row: int, dates: Mapping[int, tuple[str, str]]) -> WideHeader | None:
    """Return the header if each date occurs once per metric, and the row above names the metrics."""
    is_repeated = len({text for text, _ in dates.values()}) < len(dates)
    if not is_repeated or row == 0 or any(rest for _, rest in dates.values()):
        return None
    names: dict[int, str] = {}
    current = ""
    for position in range(min(dates), max(dates) + 1):
        current = clean_header(head.rows[row - 1][position]) or current
        if position in dates and current and not is_typed(current):
            names[position] = current
    if names.keys() != dates.keys() or len(set(names.values())) < 2:  # noqa: PLR2004 - one name is a banner
        return None
    return WideHeader((row - 1, row), {position: (dates[position][0], names[position]) for position in dates})
