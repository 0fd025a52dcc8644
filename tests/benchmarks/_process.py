"""Run a command, and measure its time and the memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Measured", "measured"]

_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """A command that has ended.

    Attributes:
        code: its exit code.
        out: its output.
        err: what it wrote to stderr.
        s: seconds of real time.
        cpu_s: CPU seconds, its children's included.
        largest_mb: the most resident memory that any of its processes had.
        together_mb: the most that all of them had at once; pages that several share are counted once (PSS).
    """

    code: int
    out: str
    err: str
    s: float
    cpu_s: float
    largest_mb: float
    together_mb: float


def measured(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Measured:
    """Run a command in a folder until it ends.

    Args:
        argv: the command.
        folder: where it runs; its output is kept there meanwhile.
        environ: its whole environment.
    """
    out, err = folder / "stdout", folder / "stderr"
    began = monotonic()
    with out.open("wb") as to, err.open("wb") as errors:
        process = subprocess.Popen(
            argv, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=to, stderr=errors
        )
    peaks = [0.0, 0.0]
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended), daemon=True)
    sampler.start()
    _, status, used = os.wait4(process.pid, 0)
    took = monotonic() - began
    ended.set()
    sampler.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(
        code=process.returncode,
        out=out.read_text(errors="replace"),
        err=err.read_text(errors="replace"),
        s=took,
        cpu_s=used.ru_utime + used.ru_stime,
        largest_mb=peaks[0],
        together_mb=max(peaks),
    )


def _sample(root: int, peaks: list[float], ended: threading.Event) -> None:
    # Not ru_maxrss: that of a child begins with what this process has when it forks.
    while not ended.wait(_EVERY_S):
        tree = _tree(root)
        peaks[0] = max(peaks[0], *(_megabytes(process, "status", "VmHWM:") for process in tree))
        peaks[1] = max(peaks[1], sum(_megabytes(process, "smaps_rollup", "Pss:") for process in tree))


def _tree(root: int) -> list[int]:
    """Return a process and its descendants, without those of a database server, which outlives a command."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name != "postgres":
                parents.setdefault(int(rest.split()[1]), []).append(int(folder.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def _megabytes(process: int, file: str, name: str) -> float:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
