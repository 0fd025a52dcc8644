"""Sections of a report's page besides its figures. They appear only in HTML, not in report.json."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - Report's model resolves these annotations
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "Figures", "Histogram", "Link", "Section", "Table", "Text"]


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
class Table:
    """A table.

    Attributes:
        title: heading.
        columns: column names.
        rows: each as long as ``columns``; None is shown as a dash, True and False as yes and no, floats with 3 digits,
            tuples of words as labels in a row, a :class:`Link` as a link.
        note: a sentence below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


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


Section = Table | Histogram | Figures | Text
