"""Workers on the nodes of a Ray cluster that is there already: the driver's side of a RayJob.

One actor per CPU of each worker node, on nodes that join late as well. Work that was lost with its node is done again
by another one; only a process that died while its node lived is held against the work.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from jobs.gamedata.compute._doubt import Doubt
from jobs.gamedata.compute._signals import deferred_signals
from jobs.gamedata.compute.cluster_worker import ClusterWorker
from jobs.gamedata.compute.pool import Outcome, R, RayPool, W
from shared.errors import TransientError
from shared.rayjob.versions import check_versions, launcher_versions, versions_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Runner

__all__ = ["ClusterRay", "Limits"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often a pool bears with a cluster.

    Attributes:
        wait_s: a signal's handler runs between two waits of this.
        look_s: between two looks at the nodes.
        doubt_s: a worker's death is known some seconds before its node's; then the node is asked to answer.
        empty_s: without any worker; a pod takes minutes where a node has to be made for it.
        losses: so many times may a piece of work be lost with its node.
        failures: so many workers in a row may die as they start.
    """

    wait_s: float = 0.2
    look_s: float = 2.0
    doubt_s: float = 15.0
    empty_s: float = 900.0
    losses: int = 4
    failures: int = 10


@dataclass(slots=True)
class _Member:
    actor: Any
    node: str


@dataclass(slots=True)
class _Piece(Generic[W]):
    work: W
    losses: int = 0


class ClusterRay(RayPool, Generic[W, R]):
    """A :class:`jobs.gamedata.compute.pool.Pool` over the cluster that this process is the driver of.

    Args:
        make: makes the runner, in the worker's process; travels there by pickle.
        workers: at most so many; each takes one CPU of its node.
        address: of the cluster.
        limits: see there.

    Raises:
        TransientError: the cluster cannot be reached, or has no worker for too long.
        ConfigurationError: its images are of several builds.
    """

    def __init__(
        self,
        make: Callable[[], Runner[W, R]],
        *,
        workers: int,
        address: str = "auto",
        limits: Limits | None = None,
    ) -> None:
        self._make = make
        self._workers = workers
        self._address = address
        self._limits = limits or Limits()
        self._queue: deque[_Piece[W]] = deque()
        self._idle: list[_Member] = []
        self._starting: dict[Any, _Member] = {}
        self._running: dict[Any, tuple[_Member, _Piece[W]]] = {}
        self._doubtful: list[Doubt[_Piece[W]]] = []
        self._nodes: dict[str, int] = {}
        self._looked = self._last_seen = float("-inf")
        self._failures = 0
        self._actor: Any = None

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""
        self._queue.append(_Piece(work))

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes as they come; work may be submitted in between.

        Raises:
            Exception: what a runner raised, as it raised it.
            TransientError: nodes are lost again and again, or none is left.
        """
        while self._queue or self._running or self._doubtful:
            with deferred_signals():
                outcomes = self._turn()
            yield from outcomes

    def _turn(self) -> list[Outcome[W, R]]:
        import ray

        self._look()
        while self._queue and self._idle:
            member = self._idle.pop()
            if member.node in self._nodes:
                piece = self._queue.popleft()
                self._running[member.actor.run.remote(piece.work)] = (member, piece)
        waited = [*self._starting, *self._running]
        if not waited:
            time.sleep(self._limits.wait_s)
        ready, _ = ray.wait(waited, num_returns=1, timeout=self._limits.wait_s) if waited else ([], [])
        outcomes = []
        for reference in ready:
            if reference in self._starting:
                self._started(reference)
            elif (outcome := self._outcome(reference)) is not None:
                outcomes.append(outcome)
        return outcomes + self._settle()

    def _outcome(self, reference: Any) -> Outcome[W, R] | None:
        import ray

        member, piece = self._running.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            until = time.monotonic() + self._limits.doubt_s
            self._doubtful.append(Doubt(member.node, piece, str(error).splitlines()[0], until))
            self._looked = float("-inf")
            return None
        self._idle.append(member)
        return Outcome(piece.work, result)

    def _settle(self) -> list[Outcome[W, R]]:
        """Decide about work whose worker died: was it the node, or the work?"""
        outcomes: list[Outcome[W, R]] = []
        for doubt in list(self._doubtful):
            piece = doubt.piece
            if doubt.node not in self._nodes or (lives := doubt.lives()) is False:
                piece.losses += 1
                if piece.losses > self._limits.losses:
                    raise TransientError(
                        f"the same work was lost with its node {piece.losses} times: nodes of this cluster do not last"
                    )
                _log.warning("A node was lost with its work, which another one does again.")
                self._queue.appendleft(piece)
            elif lives:
                _log.warning("A worker died: %s; another one takes its place.", doubt.died)
                outcomes.append(Outcome(piece.work, None, doubt.died))
            else:
                continue
            self._doubtful.remove(doubt)
        return outcomes

    def _look(self) -> None:
        """See which nodes there are, and give each the workers that it has CPUs for."""
        now = time.monotonic()
        if now - self._looked < self._limits.look_s:
            return
        self._looked = now
        self._nodes = _nodes()
        self._idle = [member for member in self._idle if member.node in self._nodes]
        if self._nodes:
            self._last_seen = now
        elif now - self._last_seen > self._limits.empty_s:
            raise TransientError(f"the Ray cluster has had no worker for {self._limits.empty_s:.0f} s")
        members = [*self._idle, *self._starting.values(), *(member for member, _ in self._running.values())]
        held = Counter(member.node for member in members)
        total = sum(held[node] for node in self._nodes)
        while total < self._workers and (free := [node for node, cpus in self._nodes.items() if held[node] < cpus]):
            node = min(free, key=lambda each: held[each])
            self._spawn(node)
            held[node] += 1
            total += 1

    def _spawn(self, node: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        where = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        actor = self._actor.options(scheduling_strategy=where).remote(self._make)
        self._starting[actor.start.remote()] = _Member(actor, node)

    def _started(self, reference: Any) -> None:
        import ray

        member = self._starting.pop(reference)
        try:
            pod, versions = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            self._looked = float("-inf")
            if member.node not in _nodes():
                return
            self._failures += 1
            died = str(error).splitlines()[0]
            _log.warning("A worker did not start: %s", died)
            if self._failures > self._limits.failures:
                raise TransientError(f"{self._failures} workers in a row did not start: {died}") from error
            return
        self._failures = 0
        places = {"launcher": launcher_versions(), "head": versions_here(), f"worker {pod}": versions}
        check_versions({place: found for place, found in places.items() if found is not None})
        self._idle.append(member)

    def _start(self) -> None:
        import ray

        with deferred_signals():
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, ray.exceptions.RayError) as error:
                raise TransientError(f"the Ray cluster at {self._address} does not answer: {error}") from error
            self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ClusterWorker)
        self._last_seen = time.monotonic()
        while not self._idle:
            with deferred_signals():
                self._turn()

    def _stop(self) -> None:
        import ray

        # A signal that comes while Ray is going down must not leave half of it connected.
        with deferred_signals():
            for held in (self._idle, self._starting, self._running):
                held.clear()
            ray.shutdown()


def _nodes() -> dict[str, int]:
    """Return the CPUs of each node that lives and has some; the head has none."""
    import ray

    found = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
    return {node: cpus for node, cpus in found.items() if cpus}
