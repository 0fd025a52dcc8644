"""A pool of Ray actors on this machine. Each actor keeps one runner and pulls work from a shared queue.

Use it to try on one machine what a cluster does; :mod:`jobs.gamedata.compute.processes` does the same work faster.
Only the work and small results pass through Ray; no bulk data enters its object store. Ray starts in about 3 s, uses
127.0.0.1 only, without a dashboard and with a token of its own, needs no network, and leaves no processes or files
behind.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic

from jobs.gamedata.compute._signals import deferred_signals
from jobs.gamedata.compute.pool import BasePool, Outcome, R, W, job_config, python_path, start_ray
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Runner

__all__ = ["LocalRay", "LocalWorker"]

# Signal handlers run between two waits, so this is the maximum delay of Ctrl-C.
_WAIT_S: Final = 0.2
# Ray requires at least 75 MB; batches and results are a few kB.
_OBJECT_STORE: Final = 80 << 20
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without this, Ray hides the GPUs from actors that request none.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # 0 turns off Ray's memory monitor, which kills workers when other programs use up the memory. Runners limit their
    # own.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
# Read when Ray is imported. Without it, Ray replaces 127.0.0.1 with the machine's address and listens on all addresses.
_CLUSTERS: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_FOLDER: Final = "telecine-ray-"
# Methods of Ray's Node that start processes which a cluster on one machine does not need.
_UNUSED: Final = ("start_monitor", "start_api_server", "start_log_monitor")

_log = logging.getLogger(__name__)


class LocalRay(BasePool, Generic[W, R]):
    """A pool of Ray actors on this machine.

    Args:
        make_runner: creates the runner inside the worker process; sent there by pickle.
        workers: number of workers; see :func:`jobs.gamedata.compute.pool.worker_count`.

    Raises:
        TransientError: Ray does not start.
        TelecineError: a worker process does not start.
    """

    kind: ClassVar[str] = "ray_workers"

    def __init__(self, make_runner: Callable[[], Runner[W, R]], *, workers: int) -> None:
        self._make_runner = make_runner
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
        """Yield outcomes in order of completion; more work may be submitted meanwhile.

        Raises:
            Exception: the exception that a runner raised, unchanged.
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
            _log.warning("A worker died (%s); a new one replaces it.", died)
            self._idle.append(self._spawn())
            return Outcome(work, None, died)
        self._idle.append(actor)
        return Outcome(work, result)

    def _start(self) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with _variable(_CLUSTERS, "0"):
            import ray

        _make_token()
        _sweep()
        # Paths of Unix sockets are limited to 107 bytes, and TMPDIR may be long.
        self._folder = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir="/tmp")
        with deferred_signals(), _python_path(), _bare_node():
            start_ray(
                ray.init,
                address="local",
                num_cpus=self._workers,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                job_config=job_config(),
                _node_ip_address="127.0.0.1",
                # Ray opens its own folder, with sockets and logs, to all users: inside of one that only we can enter.
                _temp_dir=f"{self._folder}/r",
            )
            self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(LocalWorker)
            self._idle = [self._spawn() for _ in range(self._workers)]
            pending = [actor.ready.remote() for actor in self._idle]
        while pending:
            with deferred_signals():
                ready, pending = ray.wait(pending, num_returns=1, timeout=_WAIT_S)
                try:
                    ray.get(ready)
                except ray.exceptions.RayError as error:
                    raise TelecineError(f"a worker process does not start: {error}") from error

    def _spawn(self) -> Any:
        return self._actor.remote(self._make_runner)

    def _stop(self) -> None:
        import ray

        # A signal during the shutdown must not leave Ray half running.
        with deferred_signals():
            self._idle.clear()
            self._running.clear()
            ray.shutdown()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


class LocalWorker:
    """The Ray actor: one worker process.

    Args:
        make_runner: creates the runner.
    """

    def __init__(self, make_runner: Callable[[], Runner[Any, Any]]) -> None:
        self._runner = make_runner()

    def ready(self) -> None:
        """Return once the runner exists."""

    def run(self, work: Any) -> Any:
        """Process one piece of work."""
        return self._runner.run(work)


def _make_token() -> None:
    # Without one, Ray would write a token to ~/.ray/auth_token and leave it there, readable as the umask has it.
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    if not (os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        # Another cluster of this process may have had a token.
        AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _python_path() -> Iterator[None]:
    with _variable("PYTHONPATH", python_path()):
        yield


@contextlib.contextmanager
def _bare_node() -> Iterator[None]:
    # Ray 2.60 starts its autoscaler, its API server (despite include_dashboard=False) and its log monitor with each
    # head, and `ray.init` has no options for them. They have nothing to do here, and they take 1.7 s of processor time
    # of the 4.6 s of a start with one worker.
    from ray._private.node import Node

    def nothing(*_: Any, **__: Any) -> None:
        """Start no process."""

    before = {name: getattr(Node, name) for name in _UNUSED if hasattr(Node, name)}
    for name in before:
        setattr(Node, name, nothing)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Node, name, method)


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _sweep() -> None:
    # Remove the folders left behind by killed commands, 1 MB each.
    for folder in Path("/tmp").glob(f"{_FOLDER}*"):  # noqa: S108
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
