"""A worker's process on a Ray cluster, and what a process knows of the RayJob that it is part of."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from shared.rayjob.manifest import GROUP_VARIABLE, RAYJOB_VARIABLE, SLOTS_VARIABLE
from shared.rayjob.versions import Versions, versions_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.gamedata.compute.pool import Runner

__all__ = ["ClusterWorker", "cluster_group", "cluster_slots", "in_rayjob"]


def in_rayjob() -> bool:
    """Whether this process is the driver of a RayJob."""
    return bool(os.environ.get(RAYJOB_VARIABLE))


def cluster_slots() -> int | None:
    """Return how many workers the RayJob's groups hold in all; None outside a RayJob."""
    given = os.environ.get(SLOTS_VARIABLE)
    return int(given) if given and in_rayjob() else None


def cluster_group() -> str | None:
    """Return the group of workers that this process's pod belongs to; None outside a RayJob."""
    return os.environ.get(GROUP_VARIABLE) or None


class ClusterWorker:
    """The process of one worker, as Ray's actor.

    Args:
        make: makes the runner.
    """

    def __init__(self, make: Callable[[], Runner[Any, Any]]) -> None:
        # An error in here would reach the driver as text; in `start` it keeps its type.
        self._make = make

    def start(self) -> tuple[str, Versions]:
        """Make the runner; return the pod's name, and what its image holds."""
        self._runner = self._make()
        return socket.gethostname(), versions_here()

    def run(self, work: Any) -> Any:
        """Do one piece of work."""
        return self._runner.run(work)
