"""Sections of a report's page besides its figures. They appear only in HTML, not in report.json."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - Report's model resolves these annotations
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - likewise
from decimal import Decimal  # noqa: TC003 - likewise
from typing import Any, Final

__all__ = [
    "CHECKED",
    "MARKS",
    "MERGED",
    "TONES",
    "Amounts",
    "Code",
    "Figure",
    "Figures",
    "Histogram",
    "Link",
    "Part",
    "Section",
    "Shares",
    "Span",
    "Spans",
    "Square",
    "Squares",
    "Table",
    "Text",
    "Trend",
    "left_out",
]

TONES: Final = (
    *("blue-1", "blue-2", "blue-3", "teal-1", "teal-2", "teal-3", "violet-1", "violet-2", "violet-3"),
    *("amber", "red", "brown", "dark-red", "gray", "light-gray"),
)
"""Colours of the parts of a bar, from the darkest to the lightest of each hue."""


MARKS: Final = {
    "good": "\N{CHECK MARK}",
    "breach": "\N{MULTIPLICATION X}",
    "no data": "?",
    "not due": "\N{HORIZONTAL ELLIPSIS}",
}
"""Marks of the states of days."""

_BINS: Final = 20


def left_out(shown: int, total: int | None, where: str) -> str:
    """Return a sentence about a truncated list; empty if it shows everything.

    Args:
        shown: number of entries that are shown.
        total: number of all entries; None if all are shown.
        where: where all of them are; empty if they are not stored anywhere.

    >>> left_out(200, 1234, "the manifest")
    '200 of 1,234 shown; all are in the manifest.'
    """
    if total is None or total <= shown:
        return ""
    return f"{shown:,} of {total:,} shown{f'; all are in {where}' if where else ''}."


@dataclass(frozen=True, slots=True)
class Link:
    """A table cell that links to another page.

    Attributes:
        text: the link's text.
        href: a relative path or an http(s) URL; any other scheme is shown as text.
    """

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Code:
    """A table cell with text to copy, in a monospaced font.

    Attributes:
        text: one command per line.
        about: plain text above the commands, such as the question that they answer.
    """

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: heading.
        columns: column names.
        rows: each as long as ``columns``; None is shown as a dash, True and False as yes and no, floats with 3 digits,
            Decimals with all of theirs, tuples of words as labels in a row, a :class:`Link` as a link,
            :class:`Code` as a command to copy.
        note: a sentence below it.
        explains: item and code of failures that this table explains; the page does not list them again.
        total: number of all rows, if ``rows`` has only some of them.
        where: where all rows are, such as ``the manifest``.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    explains: Sequence[tuple[str, str]] = ()
    total: int | None = None
    where: str = ""

    @property
    def left_out(self) -> str:
        """The sentence about rows that are not shown; empty if all are."""
        return left_out(len(self.rows), self.total, self.where)


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram, drawn as inline SVG.

    Attributes:
        title: heading.
        unit: unit of the values, such as ``share of frames``.
        edges: bin edges, ascending, one more than ``counts``.
        counts: number of values in each bin.
        marker: a value drawn as a dashed line (a threshold); None: no line.
        note: a sentence below it.
    """

    title: str
    unit: str
    edges: Sequence[float]
    counts: Sequence[int]
    marker: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError(
                f"got {len(self.edges)} edges for {len(self.counts)} counts; expected {len(self.counts) + 1}"
            )

    @classmethod
    def of(cls, title: str, unit: str, values: Sequence[float], note: str = "") -> Histogram:
        """Return a histogram of values in 20 bins of equal width, from 0 to the largest.

        Args:
            title: heading.
            unit: unit of the values.
            values: at least one, none of them negative.
            note: a sentence below it.
        """
        top = max(values) or 1.0
        counts = [0] * _BINS
        for value in values:
            counts[min(_BINS - 1, int(value / top * _BINS))] += 1
        return cls(title, unit, [round(top * number / _BINS, 4) for number in range(_BINS + 1)], counts, note=note)


@dataclass(frozen=True, slots=True)
class Trend:
    """Values over time, drawn as a line in inline SVG.

    Attributes:
        title: heading.
        unit: unit of the values, such as ``% of the budget``.
        labels: one per value, such as days; the first, the last and some between are shown.
        values: None interrupts the line.
        limit: a value drawn as a dashed line (a threshold); None: no line.
        note: a sentence below it.
    """

    title: str
    unit: str
    labels: Sequence[str]
    values: Sequence[float | None]
    limit: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.values) != len(self.labels):
            raise ValueError(
                f"got {len(self.values)} values for {len(self.labels)} labels; expected {len(self.labels)}"
            )


@dataclass(frozen=True, slots=True)
class Square:
    """A day of :class:`Squares`.

    Attributes:
        label: short text in the square, such as the day of the month.
        state: a key of :data:`MARKS`.
        title: the day, its state and its figures, for pointers and screen readers.
        href: a link; None: no link. Reports have none.
    """

    label: str
    state: str
    title: str
    href: str | None = None

    @property
    def mark(self) -> str:
        """The mark of the state, so that states differ without colour."""
        return MARKS[self.state]


@dataclass(frozen=True, slots=True)
class Squares:
    """Days as squares with a mark for their state.

    Attributes:
        title: heading.
        squares: oldest first.
        note: a sentence below it.
    """

    title: str
    squares: Sequence[Square]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of every bar.

    Attributes:
        name: its name in the legend.
        tone: its colour, one of :data:`TONES`.
    """

    name: str
    tone: str

    def __post_init__(self) -> None:
        if self.tone not in TONES:
            raise ValueError(f"tone {self.tone!r} is unknown; expected one of {', '.join(TONES)}")


MERGED: Final = (
    Part("new", "blue-2"),
    Part("changed", "amber"),
    Part("unchanged", "light-gray"),
    Part("removed", "red"),
)
"""Changes of rows in a publication."""

CHECKED: Final = (Part("equal", "teal-2"), Part("stale", "amber"), Part("wrong", "red"))
"""Results of comparing values in a verification."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Bars of equal length, each divided into the shares of its parts.

    Attributes:
        title: heading.
        unit: unit of the values, such as ``hours``.
        parts: in the order in which a bar shows them; a part without any value is left out.
        bars: label and one value per part; negative values count as 0.
        note: a sentence below it.
    """

    title: str
    unit: str
    parts: Sequence[Part]
    bars: Sequence[tuple[str, Sequence[float | Decimal]]]
    note: str = ""

    def __post_init__(self) -> None:
        for label, values in self.bars:
            if len(values) != len(self.parts):
                raise ValueError(f"got {len(values)} values for {label!r}; expected {len(self.parts)}")


@dataclass(frozen=True, slots=True)
class Amounts:
    """Bars on one scale: each is as long as its total, and divided into its parts.

    Attributes:
        title: heading.
        unit: unit of the values, such as ``runs``.
        parts: in the order in which a bar shows them. A part without any value is left out; a single part needs no
            legend.
        bars: label and one value per part; negative values count as 0.
        note: a sentence below it.
        total: number of all bars, if ``bars`` has only some of them.
        where: where all of them are, such as ``the table below``.
    """

    title: str
    unit: str
    parts: Sequence[Part]
    bars: Sequence[tuple[str, Sequence[float | Decimal]]]
    note: str = ""
    total: int | None = None
    where: str = ""

    def __post_init__(self) -> None:
        for label, values in self.bars:
            if len(values) != len(self.parts):
                raise ValueError(f"got {len(values)} values for {label!r}; expected {len(self.parts)}")

    @property
    def left_out(self) -> str:
        """The sentence about bars that are not shown; empty if all are."""
        return left_out(len(self.bars), self.total, self.where)


@dataclass(frozen=True, slots=True)
class Span:
    """A stage of :class:`Spans`.

    Attributes:
        label: its name.
        status: its status, which colours the bar.
        begin: when it started; None if it has not.
        seconds: its duration.
    """

    label: str
    status: str
    begin: datetime | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Spans:
    """Stages as bars over a common axis of time.

    Attributes:
        title: heading.
        spans: in the order of the page.
        note: a sentence below them.
    """

    title: str
    spans: Sequence[Span]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One image with a caption.

    Attributes:
        png: the bytes of a PNG file (JPEG, GIF and WebP work as well).
        caption: text below the image.
    """

    png: bytes
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """A grid of images, embedded as data URIs.

    Attributes:
        title: heading.
        items: the images; a few dozen of about 10 kB each keep the page small.
        note: a sentence below it.
    """

    title: str
    items: Sequence[Figure]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs of plain text, separated by empty lines.

    Attributes:
        title: heading; empty for none.
        body: plain text without markup.
    """

    title: str
    body: str


Section = Table | Histogram | Trend | Shares | Amounts | Spans | Squares | Figures | Text
