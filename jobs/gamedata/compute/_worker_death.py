"""The death of a worker while its cause is unknown: the work itself, or the loss of the node."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["WorkerDeath"]

Q = TypeVar("Q")


@dataclass(slots=True)
class WorkerDeath(Generic[Q]):
    """A dead worker and the work it was processing, kept until the cause is known.

    Attributes:
        node: Ray's id of the node the worker ran on.
        queued: the queue entry it was working on.
        reason: Ray's message.
        grace_until: end of the grace period on the monotonic clock. Until then Ray may report the node dead; after it
            the node is probed.
    """

    node: str
    queued: Q
    reason: str
    grace_until: float
    _probe: Any = None

    def node_alive(self) -> bool | None:
        """Return whether the node answers a probe; None while the answer is pending.

        Ray alone can take more than a minute to notice that a node's whole pod was killed.
        """
        import ray

        if self._probe is None:
            if time.monotonic() >= self.grace_until:
                self._probe = _start_probe(self.node)
            return None
        if not ray.wait([self._probe], timeout=0)[0]:
            return None
        try:
            return bool(ray.get(self._probe))
        except ray.exceptions.RayError:
            return False


def _start_probe(node: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    pinned = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(_answer).options(scheduling_strategy=pinned).remote()


def _answer() -> bool:
    return True
