"""Estimate the CPU time of extraction, by which ``--compute auto`` chooses where to extract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.extraction.batches import Item
    from jobs.gamedata.settings import ExtractSettings

__all__ = ["EXACT", "GB_CPU_S", "TAR_CPU_S", "Choice", "Place", "choose", "cluster_of", "cpu_seconds"]

Place = Literal["local", "cpu", "gpu", "mixed"]

TAR_CPU_S: Final = 0.35
"""CPU seconds for ten minutes of 640x360 video (204 MB) at the default sampling; docs/performance.md."""

GB_CPU_S: Final = 1.85
"""CPU seconds per GB, for larger frames: 0.67 s for 374 MB of 1280x720, 1.70 s for 921 MB of 1920x1080."""

EXACT: Final = 5
"""Factor of ``--sampling exact``."""

_BYTES_PER_GB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """The place where extraction runs.

    Attributes:
        compute: a value of ``--compute`` other than ``auto``.
        reason: one clause, for the report and the log.
    """

    compute: Place
    reason: str


def cpu_seconds(settings: ExtractSettings, items: Sequence[Item]) -> float:
    """Estimate the CPU seconds for these TARs: a constant for each, or by its size if that is more."""
    seconds = sum(max(TAR_CPU_S, item.size / _BYTES_PER_GB * GB_CPU_S) for item in items)
    return seconds * (EXACT if settings.sampling == "exact" else 1)


def cluster_of(settings: ExtractSettings) -> Place:
    """Return the kind of workers that extraction would have on a Ray cluster."""
    if settings.compute == "auto":
        return "gpu" if settings.device == "cuda" else "cpu"
    return settings.compute


def choose(settings: ExtractSettings, cpu_s: float) -> Choice:
    """Choose where to extract: as requested, or with ``auto`` by the estimated CPU time.

    Decoding does not use a GPU, so ``auto`` chooses GPU workers only with ``--device cuda``, and then always: the pod
    of ``local`` has no GPU.

    Args:
        settings: settings of the run.
        cpu_s: CPU seconds of the TARs that are still to be read.
    """
    if settings.compute != "auto":
        return Choice(settings.compute, "as requested")
    work = f"about {cpu_s:,.0f} s of CPU time"
    if settings.device == "cuda":
        return Choice("gpu", f"gpu: {work}, and --device cuda needs a GPU")
    if cpu_s <= settings.one_pod_s:
        return Choice("local", f"local: {work}, within --one-pod-s {settings.one_pod_s:g}")
    return Choice("cpu", f"cpu: {work}, more than --one-pod-s {settings.one_pod_s:g}")
