"""Widths and labels of bars that are divided into parts: bars of equal length, or on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from shared.report.sections import Amounts, Part, Shares

__all__ = ["Divided", "Segment", "SharedBar", "divided", "scaled"]

# A narrower segment has no room for its label, such as ``12 %``; its tooltip and the legend name it.
_LABELLED: Final = 9.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of one bar: where it begins and its width, in percent of the bar; its text and its tooltip."""

    tone: str
    x: float
    width: float
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class SharedBar:
    """A bar: its label, its total with unit, its segments, and all of it in words; no segments if the total is 0."""

    label: str
    total: str
    segments: list[Segment]
    words: str


@dataclass(frozen=True, slots=True)
class Divided:
    """The bars of a section, and the parts that occur in them."""

    parts: list[Part]
    bars: list[SharedBar]


def divided(shares: Shares) -> Divided:
    """Lay out bars of equal length, which show shares."""
    return _laid(shares, [None for _ in shares.bars])


def scaled(amounts: Amounts) -> Divided:
    """Lay out bars on one scale: the longest fills the whole width."""
    totals = [sum(max(float(value), 0.0) for value in values) for _, values in amounts.bars]
    return _laid(amounts, [max([*totals, 0.0]) for _ in totals])


def _laid(section: Shares | Amounts, widest: Sequence[float | None]) -> Divided:
    """Lay out bars, each on its scale; None stands for the sum of its own amounts."""
    bars, present = [], set()
    for (label, values), most in zip(section.bars, widest, strict=True):
        amounts = [max(float(value), 0.0) for value in values]
        total = sum(amounts)
        segments: list[Segment] = []
        before = 0.0
        for place, (part, amount) in enumerate(zip(section.parts, amounts, strict=True)):
            if not amount:
                continue
            present.add(place)
            share = 100 * amount / total
            width = 100 * amount / (most or total)
            segments.append(
                Segment(
                    part.tone,
                    round(100 * before / (most or total), 3),
                    round(width, 3),
                    _short(share) if width >= _LABELLED else "",
                    f"{label}, {part.name}: {number(amount)} {section.unit}, {_percent(share)}",
                )
            )
            before += amount
        whole = f"{number(_sum(values))} {section.unit}"
        bars.append(SharedBar(label, whole, segments, _words(section, label, whole, amounts)))
    return Divided([part for place, part in enumerate(section.parts) if place in present], bars)


def _sum(values: Sequence[float | Decimal]) -> float:
    return float(sum(values))


def _words(section: Shares | Amounts, label: str, whole: str, amounts: Sequence[float]) -> str:
    """Return a bar in words: ``canonical: 6 rows; final 2, held 4``."""
    if len(section.parts) == 1:
        return f"{label}: {whole}"
    parts = [f"{part.name} {number(amount)}" for part, amount in zip(section.parts, amounts, strict=True) if amount]
    return f"{label}: {whole}{'; ' if parts else ''}{', '.join(parts)}"


def _short(share: float) -> str:
    """Return a share without decimals; only exactly 100 % is shown as 100 %."""
    return f"{share:.0f} %" if share == 100 or round(share) < 100 else "> 99 %"  # noqa: PLR2004


def _percent(share: float) -> str:
    """Return a share; only exact shares are shown as 0 or 100."""
    if share < 0.1:  # noqa: PLR2004 - the least that one decimal shows
        return "< 0.1 %"
    text = f"{share:.1f}"
    return f"{text} %" if text != "100.0" or share == 100 else "> 99.9 %"  # noqa: PLR2004
