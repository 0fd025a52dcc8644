"""Environment of a process that runs as part of a RayJob."""

from __future__ import annotations

import os

from shared.rayjob.manifest import GROUP_VARIABLE, RAYJOB_VARIABLE, SLOTS_VARIABLE

__all__ = ["cluster_group", "cluster_slots", "in_rayjob"]


def in_rayjob() -> bool:
    """Return True if this process is the driver of a RayJob."""
    return bool(os.environ.get(RAYJOB_VARIABLE))


def cluster_slots() -> int | None:
    """Return the total number of workers in all groups of the RayJob; None outside a RayJob."""
    slots = os.environ.get(SLOTS_VARIABLE)
    return int(slots) if slots and in_rayjob() else None


def cluster_group() -> str | None:
    """Return the worker group of this process's pod; None outside a RayJob."""
    return os.environ.get(GROUP_VARIABLE) or None
