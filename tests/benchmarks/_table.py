"""CPU seconds of a call and tables of ratios: figures of one run on one machine, never asserted."""

from __future__ import annotations

import platform
import resource
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["Row", "Used", "cpu_seconds", "machine", "measure", "print_table", "progress", "ratios"]


@dataclass(frozen=True, slots=True)
class Used:
    """CPU time and memory of a call that ran in another process."""

    cpu_s: float
    megabytes: float
    times: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do the work: medians of CPU seconds (user + system, ended children included) and bytes read."""

    name: str
    cpu_s: float
    megabytes: float
    rounds: int


def cpu_seconds() -> float:
    """User and system seconds of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def machine() -> str:
    """The processor, cores, memory, Python's and the decoders' versions, and the load that others make."""
    import os

    import av

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) * 1024 / 1e9
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return (
        f"{len(names)} x {names[0] if names else platform.machine()}, {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, PyAV {av.__version__} (libavcodec {codec}), "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )


def bytes_read() -> int:
    """Bytes that this process has read through system calls, whichever library made them."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def measure(
    ways: dict[str, Callable[[], Used | float | None]], *, rounds: int, once: Collection[str] = ()
) -> list[Row]:
    """Run every way in turns; those named in ``once`` in the first round only.

    A way that works on a part of the file gives the factor to the whole; one that works in another process gives
    :class:`Used`.
    """
    found: dict[str, list[Used]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if number and name in once:
                continue
            progress(f"{name}, round {number + 1} of {rounds}")
            read, start = bytes_read(), cpu_seconds()
            used = way()
            if not isinstance(used, Used):
                times = used or 1.0
                used = Used((cpu_seconds() - start) * times, (bytes_read() - read) / 1e6 * times)
            found[name].append(used)
    return [
        Row(
            name,
            statistics.median(used.cpu_s for used in all_used),
            statistics.median(used.megabytes for used in all_used),
            len(all_used),
        )
        for name, all_used in found.items()
    ]


def ratios(title: str, rows: Sequence[Row], baselines: Sequence[str]) -> None:
    """Print each row's ratios to the baselines' CPU seconds (larger is faster), then seconds and bytes."""
    of = {row.name: row.cpu_s for row in rows}
    known = [name for name in baselines if name in of]
    print_table(
        title,
        ["way", *(f"x {name}" for name in known), "CPU s", "MB read", "rounds"],
        [
            [
                row.name,
                *(f"{of[name] / max(row.cpu_s, 1e-6):.1f}" for name in known),
                f"{row.cpu_s:.3f}",
                f"{row.megabytes:.1f}",
                row.rounds,
            ]
            for row in rows
        ],
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table with aligned columns."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = "| " + " | ".join("-" * (width - 1) + (":" if number else "-") for number, width in enumerate(widths)) + " |"
    print(f"\n{title}\n", line(cells[0]), rule, *map(line, cells[1:]), sep="\n", flush=True)


def progress(text: str) -> None:
    """Say on stderr what is running."""
    import sys

    sys.stderr.write(f"  {text}\n")
