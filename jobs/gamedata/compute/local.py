"""Workers on this machine through Ray: processes that each keep a runner, and take work as it comes.

Only references and small results travel; frames never enter Ray's object store. Ray starts in about 3 s, talks over
127.0.0.1 only, needs no network, and leaves neither processes nor files behind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic

import jobs
from jobs.gamedata.compute._signals import deferred_signals
from jobs.gamedata.compute.pool import Outcome, R, RayPool, W, start_ray
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Runner

__all__ = ["LocalRay", "Worker"]

# A signal's handler runs between two waits: Ctrl-C is felt within this.
_WAIT_S: Final = 0.2
# Ray's smallest is 75 MB; batches and results are some kB.
_OBJECT_STORE: Final = 80 << 20
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Or Ray hides the GPUs from actors that ask for none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # It kills workers when other programs fill the machine; decoder processes have limits of their own.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_FOLDER: Final = "telecine-ray-"

_log = logging.getLogger(__name__)


class LocalRay(RayPool, Generic[W, R]):
    """A pool of Ray actors on this machine.

    Args:
        make: makes the runner, in the worker's process; travels there by pickle.
        workers: how many; see :func:`worker_count`.

    Raises:
        TransientError: Ray does not start.
        TelecineError: a worker cannot start.
    """

    def __init__(self, make: Callable[[], Runner[W, R]], *, workers: int) -> None:
        self._make = make
        self._workers = workers
        self._queue: deque[W] = deque()
        self._running: dict[Any, tuple[Any, W]] = {}
        self._idle: list[Any] = []
        self._folder: str | None = None
        self._actor: Any = None

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""
        self._queue.append(work)

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes as they come; work may be submitted in between.

        Raises:
            Exception: what a runner raised, as it raised it.
        """
        import ray

        while self._queue or self._running:
            with deferred_signals():
                while self._queue and self._idle:
                    actor = self._idle.pop()
                    work = self._queue.popleft()
                    self._running[actor.run.remote(work)] = (actor, work)
                ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_WAIT_S)
                outcomes = [self._outcome(reference) for reference in ready]
            yield from outcomes

    def _outcome(self, reference: Any) -> Outcome[W, R]:
        import ray

        actor, work = self._running.pop(reference)
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            died = str(error).splitlines()[0]
            _log.warning("A worker died: %s; another one takes its place.", died)
            self._idle.append(self._spawn())
            return Outcome(work, None, died)
        self._idle.append(actor)
        return Outcome(work, result)

    def _start(self) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import ray

        _sweep()
        # Unix sockets allow paths of 107 bytes: a short folder, whatever TMPDIR says.
        self._folder = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir="/tmp")
        with deferred_signals(), _python_path():
            start_ray(
                ray.init,
                address="local",
                num_cpus=self._workers,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=self._folder,
            )
            self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
            self._idle = [self._spawn() for _ in range(self._workers)]
            pending = [actor.ready.remote() for actor in self._idle]
        while pending:
            with deferred_signals():
                ready, pending = ray.wait(pending, num_returns=1, timeout=_WAIT_S)
                try:
                    ray.get(ready)
                except ray.exceptions.RayError as error:
                    raise TelecineError(f"A worker process cannot start: {error}") from error

    def _spawn(self) -> Any:
        return self._actor.remote(self._make)

    def _stop(self) -> None:
        import ray

        # A signal that comes while Ray is going down must not leave half of it running.
        with deferred_signals():
            self._idle.clear()
            self._running.clear()
            ray.shutdown()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


class Worker:
    """The process of one worker, as Ray's actor.

    Args:
        make: makes the runner.
    """

    def __init__(self, make: Callable[[], Runner[Any, Any]]) -> None:
        self._runner = make()

    def ready(self) -> None:
        """Answer once the runner is made."""

    def run(self, work: Any) -> Any:
        """Do one piece of work."""
        return self._runner.run(work)


@contextlib.contextmanager
def _python_path() -> Iterator[None]:
    # Workers import our packages from where this process has them, installed or not.
    (package,) = jobs.__path__
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(package).parent), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _sweep() -> None:
    # Folders of commands that were killed: 1 MB each.
    for folder in Path("/tmp").glob(f"{_FOLDER}*"):  # noqa: S108
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
