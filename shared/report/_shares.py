"""Widths and labels of bars that are divided into shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.report.chart import number

if TYPE_CHECKING:
    from shared.report.sections import Part, Shares

__all__ = ["Divided", "Segment", "SharedBar", "divided"]

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
    """A bar: its label, its total with unit, and its segments; none if the total is 0."""

    label: str
    total: str
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Divided:
    """The bars of a section, and the parts that occur in them."""

    parts: list[Part]
    bars: list[SharedBar]


def divided(shares: Shares) -> Divided:
    """Lay out the bars of a section."""
    bars, present = [], set()
    for label, values in shares.bars:
        amounts = [max(float(value), 0.0) for value in values]
        total = sum(amounts)
        segments: list[Segment] = []
        before = 0.0
        for place, (part, amount) in enumerate(zip(shares.parts, amounts, strict=True)):
            if not amount:
                continue
            present.add(place)
            share = 100 * amount / total
            segments.append(
                Segment(
                    part.tone,
                    round(100 * before / total, 3),
                    round(share, 3),
                    f"{share:.0f} %" if share >= _LABELLED else "",
                    f"{label}, {part.name}: {number(amount)} {shares.unit}, {_percent(share)}",
                )
            )
            before += amount
        bars.append(SharedBar(label, f"{number(float(sum(values)))} {shares.unit}", segments))
    return Divided([part for place, part in enumerate(shares.parts) if place in present], bars)


def _percent(share: float) -> str:
    """Return a share; only exact shares are shown as 0 or 100."""
    if share < 0.1:  # noqa: PLR2004 - the least that one decimal shows
        return "< 0.1 %"
    text = f"{share:.1f}"
    return f"{text} %" if text != "100.0" or share == 100 else "> 99.9 %"  # noqa: PLR2004
