"""A pool of Ray actors on an existing cluster (driver side of a RayJob); requeues work lost with its node.

Each worker node gets one actor per CPU, including nodes that join late. Work counts as failed only if its process dies
on a live node.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from jobs.gamedata.compute._signals import deferred_signals
from jobs.gamedata.compute._worker_death import WorkerDeath
from jobs.gamedata.compute.pool import BasePool, Outcome, R, W, job_config
from shared.errors import TransientError
from shared.rayjob.versions import Versions, check_versions, launcher_versions, versions_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Runner

__all__ = ["ClusterLimits", "ClusterRay", "ClusterWorker"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """Timeouts and retry limits for a cluster pool.

    Attributes:
        poll_s: maximum wait for a result; signal handlers run between two waits.
        refresh_s: interval between two listings of the nodes.
        death_grace_s: time for Ray to report a node dead after one of its workers died; then the node is probed. Ray
            reports a worker's death some seconds before its node's.
        no_workers_s: maximum time without any worker node. A pod that needs a new machine takes minutes to start.
        max_losses: number of times that one piece of work may be lost with its node.
        max_start_failures: number of consecutive workers that may die while starting.
    """

    poll_s: float = 0.2
    refresh_s: float = 2.0
    death_grace_s: float = 15.0
    no_workers_s: float = 900.0
    max_losses: int = 4
    max_start_failures: int = 10


class ClusterWorker:
    """The Ray actor: one worker process on a cluster node.

    Args:
        make_runner: creates the runner.
    """

    def __init__(self, make_runner: Callable[[], Runner[Any, Any]]) -> None:
        # The runner is created in `start`: an exception raised here would reach the driver as text, without its type.
        self._make_runner = make_runner

    def start(self) -> tuple[str, Versions]:
        """Create the runner; return the pod's name and the versions in its image."""
        self._runner = self._make_runner()
        return socket.gethostname(), versions_here()

    def run(self, work: Any) -> Any:
        """Process one piece of work."""
        return self._runner.run(work)


@dataclass(slots=True)
class _PlacedActor:
    actor: Any
    node: str


@dataclass(slots=True)
class _QueuedWork(Generic[W]):
    work: W
    losses: int = 0


class ClusterRay(BasePool, Generic[W, R]):
    """A :class:`jobs.gamedata.compute.pool.Pool` on a cluster that this process is the driver of.

    Args:
        make_runner: creates the runner inside the worker process; sent there by pickle.
        workers: maximum number of workers; each takes one CPU of its node.
        address: address of the cluster.
        limits: timeouts and retry limits.

    Raises:
        TransientError: the cluster cannot be reached, or has had no worker for too long.
        ConfigurationError: the cluster's pods run images of different builds.
    """

    kind: ClassVar[str] = "ray_workers"

    def __init__(
        self,
        make_runner: Callable[[], Runner[W, R]],
        *,
        workers: int,
        address: str = "auto",
        limits: ClusterLimits | None = None,
    ) -> None:
        self._make_runner = make_runner
        self._workers = workers
        self._address = address
        self._limits = limits or ClusterLimits()
        self._queue: deque[_QueuedWork[W]] = deque()
        self._idle: list[_PlacedActor] = []
        self._starting: dict[Any, _PlacedActor] = {}
        self._running: dict[Any, tuple[_PlacedActor, _QueuedWork[W]]] = {}
        self._deaths: list[WorkerDeath[_QueuedWork[W]]] = []
        self._nodes: dict[str, int] = {}
        self._refreshed_at = self._nodes_seen_at = float("-inf")
        self._start_failures = 0
        self._actor: Any = None

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""
        self._queue.append(_QueuedWork(work))

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes in order of completion; more work may be submitted meanwhile.

        Raises:
            Exception: the exception that a runner raised, unchanged.
            TransientError: the same work was lost with its node too often, or no node is left.
        """
        while self._queue or self._running or self._deaths:
            with deferred_signals():
                outcomes = self._step()
            yield from outcomes

    def _step(self) -> list[Outcome[W, R]]:
        import ray

        self._refresh_nodes()
        while self._queue and self._idle:
            placed = self._idle.pop()
            if placed.node in self._nodes:
                queued = self._queue.popleft()
                self._running[placed.actor.run.remote(queued.work)] = (placed, queued)
        waited = [*self._starting, *self._running]
        if not waited:
            time.sleep(self._limits.poll_s)
        ready, _ = ray.wait(waited, num_returns=1, timeout=self._limits.poll_s) if waited else ([], [])
        outcomes = []
        for reference in ready:
            if reference in self._starting:
                self._started(reference)
            elif (outcome := self._outcome(reference)) is not None:
                outcomes.append(outcome)
        return outcomes + self._resolve_deaths()

    def _outcome(self, reference: Any) -> Outcome[W, R] | None:
        import ray

        placed, queued = self._running.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            grace_until = time.monotonic() + self._limits.death_grace_s
            self._deaths.append(WorkerDeath(placed.node, queued, str(error).splitlines()[0], grace_until))
            self._refreshed_at = float("-inf")
            return None
        self._idle.append(placed)
        return Outcome(queued.work, result)

    def _resolve_deaths(self) -> list[Outcome[W, R]]:
        """Queue work again if its node was lost; report it as failed if the node is alive."""
        outcomes: list[Outcome[W, R]] = []
        for death in list(self._deaths):
            queued = death.queued
            if death.node not in self._nodes or (alive := death.node_alive()) is False:
                queued.losses += 1
                if queued.losses > self._limits.max_losses:
                    raise TransientError(
                        f"the same batch was lost with its node {queued.losses} times; the nodes are not stable"
                    )
                _log.warning("A node was lost; its work is queued again.")
                self._queue.appendleft(queued)
            elif alive:
                _log.warning("A worker died (%s); a new one replaces it.", death.reason)
                outcomes.append(Outcome(queued.work, None, death.reason))
            else:
                continue
            self._deaths.remove(death)
        return outcomes

    def _refresh_nodes(self) -> None:
        """List the nodes and start workers on free CPUs."""
        refreshed_at = time.monotonic()
        if refreshed_at - self._refreshed_at < self._limits.refresh_s:
            return
        self._refreshed_at = refreshed_at
        self._nodes = _nodes()
        self._idle = [placed for placed in self._idle if placed.node in self._nodes]
        if self._nodes:
            self._nodes_seen_at = refreshed_at
        elif refreshed_at - self._nodes_seen_at > self._limits.no_workers_s:
            raise TransientError(f"the Ray cluster has had no worker for {self._limits.no_workers_s:.0f} s")
        actors = [*self._idle, *self._starting.values(), *(placed for placed, _ in self._running.values())]
        per_node = Counter(placed.node for placed in actors)
        total = sum(per_node[node] for node in self._nodes)
        while total < self._workers and (free := [node for node, cpus in self._nodes.items() if per_node[node] < cpus]):
            node = min(free, key=lambda candidate: per_node[candidate])
            self._spawn(node)
            per_node[node] += 1
            total += 1

    def _spawn(self, node: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        pinned = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        actor = self._actor.options(scheduling_strategy=pinned).remote(self._make_runner)
        self._starting[actor.start.remote()] = _PlacedActor(actor, node)

    def _started(self, reference: Any) -> None:
        import ray

        placed = self._starting.pop(reference)
        try:
            pod, versions = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            self._refreshed_at = float("-inf")
            if placed.node not in _nodes():
                return
            self._start_failures += 1
            reason = str(error).splitlines()[0]
            _log.warning("A worker did not start: %s", reason)
            if self._start_failures > self._limits.max_start_failures:
                raise TransientError(f"{self._start_failures} workers in a row did not start: {reason}") from error
            return
        self._start_failures = 0
        builds = {"launcher": launcher_versions(), "head": versions_here(), f"worker {pod}": versions}
        check_versions({role: build for role, build in builds.items() if build is not None})
        self._idle.append(placed)

    def _start(self) -> None:
        import ray

        with deferred_signals():
            try:
                ray.init(
                    address=self._address, log_to_driver=False, logging_level=logging.ERROR, job_config=job_config()
                )
            except (ConnectionError, ray.exceptions.RayError) as error:
                raise TransientError(f"the Ray cluster at {self._address} does not answer: {error}") from error
            self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ClusterWorker)
        self._nodes_seen_at = time.monotonic()
        while not self._idle:
            with deferred_signals():
                self._step()

    def _stop(self) -> None:
        import ray

        # A signal during the shutdown must not leave Ray half connected.
        with deferred_signals():
            for actors in (self._idle, self._starting, self._running):
                actors.clear()
            ray.shutdown()


def _nodes() -> dict[str, int]:
    """Return the number of CPUs of each live worker node; the head has none."""
    import ray

    alive = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
    return {node: cpus for node, cpus in alive.items() if cpus}
