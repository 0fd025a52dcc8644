"""CPU seconds of a call and a table of ratios: figures of one run on one machine, never asserted."""

from __future__ import annotations

import platform
import resource
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """One way to do the work: CPU seconds (user + system, this process and its ended children) and bytes read."""

    name: str
    cpu_s: float
    megabytes: float | None = None


def cpu_seconds() -> float:
    """User and system seconds of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def measure(ways: dict[str, Callable[[], float | None]], rounds: int = ROUNDS) -> list[Row]:
    """Run every way in turns, ``rounds`` times; a way returns the megabytes that it read, or None. Medians."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    megabytes: dict[str, float | None] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = cpu_seconds()
            megabytes[name] = way()
            seconds[name].append(cpu_seconds() - start)
    return [Row(name, statistics.median(seconds[name]), megabytes[name]) for name in ways]


def show(title: str, rows: list[Row], baseline: str) -> None:
    """Print a table with each row's ratio to the baseline's CPU seconds (larger is faster)."""
    base = next(row for row in rows if row.name == baseline)
    table = Table(
        title=f"{title}\n{platform.machine()}, Python {platform.python_version()}, median of {ROUNDS} rounds in turns"
    )
    table.add_column("way")
    for column in ("CPU s", f"x {baseline}", "MB read"):
        table.add_column(column, justify="right")
    for row in rows:
        read = "" if row.megabytes is None else f"{row.megabytes:.1f}"
        table.add_row(row.name, f"{row.cpu_s:.3f}", f"{base.cpu_s / max(row.cpu_s, 1e-6):.1f}", read)
    Console().print(table)
