"""Protocols of a worker pool, the base class of the pools, and the start of Ray on this machine."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import jobs
from jobs.gamedata.compute.cpus import usable_cpus
from shared.errors import TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

__all__ = [
    "BasePool",
    "Outcome",
    "Pool",
    "R",
    "Runner",
    "W",
    "job_config",
    "python_path",
    "require_local",
    "start_ray",
    "worker_count",
]

_log = logging.getLogger(__name__)

W_contra = TypeVar("W_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
W = TypeVar("W")
R = TypeVar("R")


class Runner(Protocol[W_contra, R_co]):
    """The object that a worker keeps between pieces of work."""

    def run(self, work: W_contra, /) -> R_co:
        """Process one piece of work."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[W, R]):
    """The outcome of one piece of work.

    Attributes:
        work: the work as submitted.
        result: the runner's return value; None if its process died.
        died: how the process died, such as ``it was killed by SIGKILL``; None if it did not.
    """

    work: W
    result: R | None
    died: str | None = None


class Pool(Protocol[W, R]):
    """A queue of work for several workers; a context manager that ends the workers on exit.

    Attributes:
        kind: ``worker_processes`` or ``ray_workers``; the report has a count of this name.
    """

    kind: ClassVar[str]

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes in order of completion until all submitted work is done."""

    def __enter__(self) -> Pool[W, R]: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def require_local(compute: str, command: str) -> None:
    """Reject any ``--compute`` but ``local`` for a command that runs on this machine only.

    Raises:
        UsageError: the message names the commands that accept the value.
    """
    if compute != "local":
        raise UsageError(
            f"--compute {compute}: {command} runs on this machine only; expected local; for a Ray cluster run"
            f" `telecine gamedata extract --compute {compute}` or the Workflow gamedata"
        )


def worker_count(requested: int | None, work_count: int | None = None) -> int:
    """Return the number of workers to start: as requested, otherwise one per core that this process may use.

    Args:
        requested: the user's choice; None for one per core.
        work_count: pieces of work, an upper limit on the workers; None if unknown.
    """
    count = requested if requested is not None else usable_cpus()
    return max(1, count if work_count is None else min(count, work_count))


def python_path() -> str:
    """Return a ``PYTHONPATH`` with which workers import our packages from the same folder, even if not installed."""
    (package,) = jobs.__path__
    return os.pathsep.join(filter(None, [str(Path(package).parent), os.environ.get("PYTHONPATH")]))


class BasePool(ABC):
    """A context manager that stops everything that it started, even after a partial start."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @abstractmethod
    def _start(self) -> None:
        """Start the workers, and Ray or the connection to it if they need it."""

    @abstractmethod
    def _stop(self) -> None:
        """End everything that was started, even after a partial start."""


def job_config() -> Any:
    """Return Ray's job configuration, with which workers import nothing from the current folder.

    Ray 2.60 puts the driver's current folder first on its workers' import path, and a folder of recordings may contain
    a ``numpy.py``. Workers find our packages in their installation or through ``PYTHONPATH``.
    """
    from ray.job_config import JobConfig

    # Ray adds no folder for client jobs.
    return JobConfig(_client_job=True)


def start_ray(init: Callable[..., Any], **options: Any) -> None:
    """Start Ray on this machine.

    Args:
        init: ``ray.init``.
        options: its arguments.

    Raises:
        TransientError: Ray's processes did not start in time (Ray 2.60 waits 30 s for the last one).
    """
    _log.info("starting Ray on this machine")
    try:
        init(**options)
    except (AssertionError, AttributeError, ImportError, TypeError, ValueError):
        # A wrong option or a bug.
        raise
    except Exception as error:
        # Ray raises several classes on timeouts; after the 30 s it raises a bare Exception.
        raise TransientError(
            f"Ray did not start on this machine: {error}\nThe machine may be busy, or out of memory or of disk space in"
            " /tmp; try again later or with fewer --workers"
        ) from error
