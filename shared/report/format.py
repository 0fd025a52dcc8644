"""Format the figures at the top of a report's page, one block per stage, and values in words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.text import duration, number

if TYPE_CHECKING:
    from shared.report.model import Report

__all__ = ["Block", "Tile", "blocks", "duration", "label", "number", "size"]

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
# Counts shown in red if they are not zero.
_BAD: Final = frozenset({"failed", "failed_before", "errors", "rejected", "broken_parts"})
_KILO: Final = 1000
_BOUNDS: Final = {
    "network": "Network-bound",
    "cpu": "CPU-bound",
    "queue": "Waiting for items",
}
_WORDS: Final = {"cpu": "CPU", "kb": "kB", "mb": "MB", "gb": "GB"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure: name, value with unit, and the tone ``bad`` or ``none`` if it has one."""

    name: str
    value: str
    tone: str = ""


@dataclass(slots=True)
class Block:
    """The counters of one stage; ``title`` is empty if the report covers a single step.

    Attributes:
        title: the stage's name.
        facts: text next to the title, such as the time.
        counts: tiles of counts and sizes.
        rates: tiles of rates.
        bound: what limited the speed, in words.
        reason: the evidence for it.
    """

    title: str
    facts: str = ""
    counts: list[Tile] = field(default_factory=list)
    rates: list[Tile] = field(default_factory=list)
    bound: str = ""
    reason: str = ""


def blocks(report: Report) -> list[Block]:
    """Return the figures by stage; the part of a key before its first dot is the stage (``extract.failed``)."""
    found: dict[str, Block] = {}

    def of(key: str) -> tuple[Block, str]:
        title, dot, name = key.partition(".")
        title, name = (title, name) if dot else ("", key)
        return found.setdefault(title, Block(title)), name

    for title in report.stages:
        found[title] = Block(title)
    for key, value in report.counts.items():
        if report.tiles is None or key in report.tiles:
            block, name = of(key)
            block.counts.append(
                Tile(label(name), number(value), "none" if not value else "bad" if name in _BAD else "")
            )
    for key, value in report.bytes.items():
        block, name = of(key)
        block.counts.append(Tile(label(name), size(value), "" if value else "none"))
    for key, rate in report.rates.items():
        block, name = of(key)
        block.rates.append(_rate(name, rate))
    for title, stage in report.stages.items():
        block = found[title]
        block.facts = f"{stage.status}, {duration(stage.seconds)}"
        block.bound, block.reason = _BOUNDS.get(stage.bound or "", ""), stage.bound_reason
    if not report.stages and (report.bound or report.bound_reason):
        block = next(iter(found.values()), None) or found.setdefault("", Block(""))
        block.bound, block.reason = _BOUNDS.get(report.bound or "", ""), report.bound_reason
    return list(found.values())


def label(name: str) -> str:
    """Return a key as words: ``mb_per_s`` -> ``MB/s``, ``extract.plan`` -> ``extract: plan``."""
    words = name.replace("video_s_per_s", "video-s/s").replace("_per_", "/").replace("_", " ").replace(".", ": ")
    return re.sub(r"\b(cpu|[kmgt]b)\b", lambda found: _WORDS.get(found[0], found[0]), words)


def _rate(name: str, value: float) -> Tile:
    """Return the tile of a rate: shares become percentages, times get a unit; other units are in the name."""
    if name.endswith("_share"):
        return Tile(
            label(name.removesuffix("_share")), f"{100 * value:.0f} %" if math.isfinite(value) else "\N{EN DASH}"
        )
    if name.endswith("_s") and "_per_" not in name:
        return Tile(label(name.removesuffix("_s")), duration(value))
    return Tile(label(name), number(float(f"{value:.3g}")))


def size(count: float) -> str:
    """Return a number of bytes with a unit: ``48.2 MB``."""
    power = 0
    while count >= _KILO and power < len(_UNITS) - 1:
        count /= _KILO
        power += 1
    return f"{number(float(f'{count:.3g}'))} {_UNITS[power]}"
