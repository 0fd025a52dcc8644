"""What a report's page may hold beside its numbers. Sections are shown in HTML only; report.json has none."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - Report's model resolves these annotations
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "Figures", "Histogram", "Link", "Section", "Table", "Text"]


@dataclass(frozen=True, slots=True)
class Link:
    """A cell of a table that leads to another page.

    Attributes:
        text: what is shown.
        href: a relative place or an http(s) URL; another scheme is shown as text only.
    """

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: heading.
        columns: column names.
        rows: each as long as ``columns``; None shows as a dash, True and False as yes and no, floats with 3 digits,
            tuples of words as labels side by side, a :class:`Link` as a link.
        note: one sentence below.
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
        unit: what the values are, such as ``share of frames``.
        edges: bin edges, ascending, one more than ``counts``.
        counts: values in each bin.
        marker: a value drawn as a dashed line (a threshold); None draws none.
        note: one sentence below.
    """

    title: str
    unit: str
    edges: Sequence[float]
    counts: Sequence[int]
    marker: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.counts)} counts need {len(self.counts) + 1} edges, not {len(self.edges)}")


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture.

    Attributes:
        png: a PNG file's bytes (a JPEG's, GIF's or WebP's do as well).
        caption: text below it.
    """

    png: bytes
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """A grid of pictures, inlined as data URIs.

    Attributes:
        title: heading.
        items: the pictures; a few dozen of some 10 kB each keep the page light.
        note: one sentence below.
    """

    title: str
    items: Sequence[Figure]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs of plain text, split at empty lines.

    Attributes:
        title: heading; empty for none.
        body: plain text, no markup.
    """

    title: str
    body: str


Section = Table | Histogram | Figures | Text
