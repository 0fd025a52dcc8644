"""Progress of a step: a bar on a terminal, log lines elsewhere, and ``N/M`` in Argo's progress file."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.logs import is_human

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NullProgress", "Progress", "write_argo"]

_LOG = logging.getLogger(__name__)

# Argo's executor reads the progress file every 3 s; writing more than once a second is wasted.
_FILE_EVERY_S: Final = 1.0
_LOG_EVERY_S: Final = 15.0
# From these on, a rate of unfinished work is shown.
_RATE_ITEMS: Final = 2
_RATE_S: Final = 5.0


class _Display(Protocol):
    every_s: float

    def show(self, progress: Progress) -> None:
        """Show the state; called at most once every ``every_s`` seconds, and at the end."""

    def close(self) -> None:
        """Restore the terminal."""


class Progress:
    """Counters of a step, safe to use from several threads.

    :meth:`start` chooses the display: a bar if standard error is a terminal, otherwise log lines every 15 s. The file
    named by ``ARGO_PROGRESS_FILE`` is always written.

    Args:
        title: shown before the bar and in log lines, such as ``extract``.
        clock: returns seconds; tests pass their own.
    """

    def __init__(self, title: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.total = 0
        self.done = 0
        self.unit = "items"
        self.counts: dict[str, int] = {}
        self._clock = clock
        self._started = clock()
        self._displays: list[_Display] = []
        self._shown: list[float] = []
        self._lock = threading.RLock()

    @property
    def seconds(self) -> float:
        """Seconds since :meth:`start`."""
        return self._clock() - self._started

    def start(self, total: int, unit: str = "items") -> None:
        """Start showing ``0/total``; a second call starts over.

        Args:
            total: number of units; 0 if there is nothing to do.
            unit: plural noun, such as ``TARs``.
        """
        with self._lock:
            self._close()
            self.total, self.done, self.unit, self.counts = total, 0, unit, {}
            self._started = self._clock()
            self._displays = self._choose()
            self._shown = [self._started] * len(self._displays)
            for display in self._displays:
                display.show(self)

    def advance(self, n: int = 1, **counts: int) -> None:
        """Count ``n`` more units as done and add to named counts (``failed=1``), which are shown as well."""
        with self._lock:
            self.done += n
            for name, value in counts.items():
                self.counts[name] = self.counts.get(name, 0) + value
            now = self._clock()
            for index, display in enumerate(self._displays):
                if now - self._shown[index] >= display.every_s:
                    self._shown[index] = now
                    display.show(self)

    def finish(self) -> None:
        """Show the final state and close the bar; a second call does nothing."""
        with self._lock:
            for display in self._displays:
                display.show(self)
            self._close()

    def text(self) -> str:
        """Return one line: ``3 of 10 TARs, failed 1, 2.1 TARs/s, 3 s left``."""
        parts = [f"{self.done} of {self.total} {self.unit}"]
        parts += [f"{name} {value}" for name, value in self.counts.items() if value]
        seconds = self.seconds
        # At first, a rate is mostly the time to start workers.
        is_meaningful = self.done >= self.total or (self.done >= _RATE_ITEMS and seconds >= _RATE_S)
        if self.done and seconds >= 1 and is_meaningful:
            rate = self.done / seconds
            parts.append(f"{rate:.3g} {self.unit}/s")
            if self.done < self.total:
                parts.append(f"{(self.total - self.done) / rate:.0f} s left")
        return ", ".join(parts)

    def _choose(self) -> list[_Display]:
        displays: list[_Display] = []
        if path := os.environ.get("ARGO_PROGRESS_FILE"):
            displays.append(_File(Path(path)))
        if is_human():
            displays.append(_Bar(self))
        else:
            displays.append(_Lines())
        return displays

    def _close(self) -> None:
        for display in self._displays:
            display.close()
        self._displays, self._shown = [], []


def write_argo(path: Path, done: int, total: int) -> None:
    """Write ``N/M`` to Argo's progress file. Argo accepts only 0 <= N <= M with M > 0.

    Args:
        path: the file.
        done: units done.
        total: units in total; 0 (nothing to do) is shown as done.
    """
    most = max(total, 1)
    try:
        path.write_text(f"{most if total == 0 else min(done, most)}/{most}\n")
    except OSError as error:
        # Progress is best effort; the work continues without it.
        _LOG.debug("cannot write %s: %s", path, error)


class NullProgress(Progress):
    """Counts without showing anything."""

    def _choose(self) -> list[_Display]:
        return []


class _File:
    """Writes Argo's progress file."""

    every_s = _FILE_EVERY_S

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, progress: Progress) -> None:
        write_argo(self._path, progress.done, progress.total)

    def close(self) -> None:
        pass


class _Lines:
    every_s = _LOG_EVERY_S

    def show(self, progress: Progress) -> None:
        if progress.done:
            # A launcher reads `done` and `total` from its driver's log.
            more = {"done": progress.done, "total": progress.total}
            _LOG.info("%s%s", f"{progress.title}: " if progress.title else "", progress.text(), extra=more)

    def close(self) -> None:
        pass


class _Bar:
    every_s = 0.0

    def __init__(self, progress: Progress) -> None:
        from rich import progress as bars
        from rich.console import Console

        self._bar: Any = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[counts]}", markup=False),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(progress.title or progress.unit, total=max(progress.total, 1), counts="")
        self._bar.start()

    def show(self, progress: Progress) -> None:
        done = progress.done if progress.total else 1
        counts = " ".join(f"{name} {value}" for name, value in progress.counts.items() if value)
        self._bar.update(self._task, completed=done, counts=counts)

    def close(self) -> None:
        self._bar.stop()
