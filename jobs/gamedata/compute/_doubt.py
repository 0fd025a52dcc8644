"""A worker that died with its work: it may have been the work, or the node."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Doubt"]

P = TypeVar("P")


@dataclass(slots=True)
class Doubt(Generic[P]):
    """One such death, until it is known what it was.

    Attributes:
        node: where the worker was, by Ray's id.
        piece: what it worked at.
        died: why, in Ray's words.
        until: the node's own death is waited for until then, on the monotonic clock.
    """

    node: str
    piece: P
    died: str
    until: float
    _answer: Any = None

    def lives(self) -> bool | None:
        """Whether a node that Ray still counts does something when it is asked to; None while it is not known.

        Ray takes a minute and more to miss a node whose pod was killed with everything in it.
        """
        import ray

        if self._answer is None:
            if time.monotonic() >= self.until:
                self._answer = _ask(self.node)
            return None
        if not ray.wait([self._answer], timeout=0)[0]:
            return None
        try:
            return bool(ray.get(self._answer))
        except ray.exceptions.RayError:
            return False


def _ask(node: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(_here).options(scheduling_strategy=where).remote()


def _here() -> bool:
    return True
