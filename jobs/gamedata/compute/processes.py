"""A pool of worker processes on this machine. Each keeps one runner and pulls work from a shared queue.

On one machine, Ray would add only the time to start its own processes: its dashboard is off, no bulk data enters its
object store, and it replaces dead workers in the same way. docs/performance.md has the figures.
"""

from __future__ import annotations

import errno
import logging
import selectors
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final, Generic

from jobs.gamedata.compute._messages import pack
from jobs.gamedata.compute._signals import deferred_signals
from jobs.gamedata.compute._worker_process import WorkerProcess
from jobs.gamedata.compute.pool import BasePool, Outcome, R, W
from shared.errors import TelecineError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Runner

__all__ = ["Processes"]

# A process that ended while its socket stays open is noticed after this time.
_WAIT_S: Final = 0.2
_MAX_START_FAILURES: Final = 3
# Too many processes, such as in a pod with a limit of them; no memory; too many open files.
_SCARCE: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

_log = logging.getLogger(__name__)


class Processes(BasePool, Generic[W, R]):
    """A :class:`jobs.gamedata.compute.pool.Pool` of processes that end with this process, however it ends.

    Use it from one thread only: the kernel kills the workers when the thread that started them ends.

    Args:
        make_runner: creates the runner inside the worker process, to which it is sent as a pickle.
        workers: number of workers; see :func:`jobs.gamedata.compute.pool.worker_count`.

    Raises:
        TransientError: worker processes cannot be started, or die while they start.
        TelecineError: a runner cannot be created: its own error, or one that names it.
        ModuleNotFoundError: a runner needs a package that is not installed.
    """

    kind: ClassVar[str] = "worker_processes"

    def __init__(self, make_runner: Callable[[], Runner[W, R]], *, workers: int) -> None:
        self._make_runner = make_runner
        self._workers = workers
        self._queue: deque[W] = deque()
        self._starting: list[WorkerProcess] = []
        self._idle: list[WorkerProcess] = []
        self._running: dict[WorkerProcess, W] = {}
        self._start_failures = 0
        self._made = b""

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""
        self._queue.append(work)

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes in order of completion; more work may be submitted meanwhile.

        Raises:
            Exception: the exception that a runner raised, or a similar one if it cannot be pickled.
            TransientError: worker processes die while they start.
        """
        while self._queue or self._running:
            yield from self._step()

    def _step(self) -> list[Outcome[W, R]]:
        self._spawn(max(len(self._queue), 0 if self._idle or self._running else 1))
        while self._queue and self._idle:
            worker = self._idle[-1]
            if worker.has_ended():
                # It was not working on anything, so it was killed from outside.
                worker.close()
                self._idle.pop()
                continue
            # In this order: a signal between two lines must not leave a worker that nothing closes.
            self._running[worker] = work = self._queue.popleft()
            self._idle.pop()
            worker.ask(work)
        waited = [*self._starting, *self._running]
        _wait(waited)
        outcomes = []
        for worker in waited:
            if worker in self._running:
                outcomes += self._outcomes(worker)
            else:
                self._started(worker)
        return outcomes

    def _outcomes(self, worker: WorkerProcess) -> list[Outcome[W, R]]:
        try:
            answer = worker.answer()
        except EOFError:
            died = worker.ending()
            _log.warning("A worker died (%s); a new one replaces it.", died)
            work = self._running.pop(worker)
            worker.close()
            return [Outcome(work, None, died)]
        if answer is None:
            return []
        work = self._running.pop(worker)
        self._idle.append(worker)
        kind, value, trace = answer
        if kind == "failed":
            raise _with_trace(value, trace) from None
        return [Outcome(work, value)]

    def _started(self, worker: WorkerProcess) -> None:
        try:
            answer = worker.answer()
        except EOFError as error:
            died = worker.ending()
            self._starting.remove(worker)
            worker.close()
            self._count_failure(died, error)
            return
        if answer is None:
            return
        kind, value, trace = answer
        if kind == "failed":
            # The command says how to install a missing package.
            if isinstance(value, TelecineError | ModuleNotFoundError):
                raise _with_trace(value, trace)
            # The traceback helps only developers, who read logs of level DEBUG.
            _log.debug("%s", trace)
            raise TelecineError(f"a worker process does not start: {type(value).__name__}: {value}") from value
        self._starting.remove(worker)
        self._start_failures = 0
        self._idle.append(worker)

    def _count_failure(self, reason: str, error: Exception) -> None:
        self._start_failures += 1
        _log.warning("A worker did not start: %s", reason)
        if self._start_failures >= _MAX_START_FAILURES:
            raise TransientError(
                f"{self._start_failures} worker processes in a row did not start, the last because {reason}\n"
                "The machine may be out of memory, processes or open files; try again later or with fewer --workers"
            ) from error

    def _start(self) -> None:
        _log.info("starting %d worker process%s", self._workers, "" if self._workers == 1 else "es")
        self._made = pack(self._make_runner)
        self._spawn(self._workers)
        while not self._idle:
            self._step()

    def _spawn(self, wanted: int) -> None:
        """Start workers for this much work, up to the pool's number of workers."""
        free = self._workers - len(self._starting) - len(self._idle) - len(self._running)
        for _ in range(min(free, wanted - len(self._starting) - len(self._idle))):
            # No signal may come between the start of a process and its registration.
            try:
                with deferred_signals():
                    self._starting.append(WorkerProcess(self._made))
            except OSError as error:
                if error.errno not in _SCARCE:
                    raise
                self._count_failure(f"the system refused it: {error}", error)
                return

    def _stop(self) -> None:
        with deferred_signals():
            for worker in [*self._starting, *self._idle, *self._running]:
                worker.close()
            self._starting.clear()
            self._idle.clear()
            self._running.clear()


def _wait(workers: list[WorkerProcess]) -> None:
    """Wait until one of the workers has an answer or has died, at most for 0.2 s."""
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker, selectors.EVENT_READ)
        selector.select(_WAIT_S)


def _with_trace(error: Exception, trace: str) -> Exception:
    """Add the worker's traceback to an exception, except to a TelecineError, whose message is enough."""
    if not isinstance(error, TelecineError):
        error.add_note(f"In the worker process:\n{trace}")
    return error
