"""Workers that take work as it comes: the protocols of pools, and what pools of Ray actors have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from shared.errors import TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Outcome", "Pool", "R", "RayPool", "Runner", "W", "require_local", "start_ray", "worker_count"]

W_contra = TypeVar("W_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
W = TypeVar("W")
R = TypeVar("R")


class Runner(Protocol[W_contra, R_co]):
    """What a worker keeps from one piece of work to the next."""

    def run(self, work: W_contra, /) -> R_co:
        """Do one piece of work."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[W, R]):
    """What became of a piece of work.

    Attributes:
        work: as it was submitted.
        result: what the runner returned; None when its process died.
        died: why the process died, in Ray's words; None when it did not.
    """

    work: W
    result: R | None
    died: str | None = None


class Pool(Protocol[W, R]):
    """Takes work and hands out outcomes; a context manager that ends its workers."""

    def submit(self, work: W) -> None:
        """Add a piece of work to the queue."""

    def __iter__(self) -> Iterator[Outcome[W, R]]:
        """Yield outcomes as they come, until all that was submitted is done."""

    def __enter__(self) -> Pool[W, R]: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def require_local(compute: str, command: str) -> None:
    """Refuse ``--compute`` other than local where a command runs on this machine alone.

    Raises:
        UsageError: naming the command that takes it.
    """
    if compute != "local":
        raise UsageError(
            f"{command} runs on this machine: valid is --compute local; `telecine gamedata extract --compute {compute}`"
            " and the Workflow gamedata use a Ray cluster"
        )


def worker_count(asked: int | None, works: int | None = None) -> int:
    """Decide how many workers to start: as many as asked, else one per core that this process may use.

    Args:
        asked: by the user; None for the cores.
        works: never more than there are pieces of work; None when that is not known.
    """
    count = asked if asked is not None else len(os.sched_getaffinity(0))
    return max(1, count if works is None else min(count, works))


class RayPool(ABC):
    """A context manager that leaves no half of Ray behind, also where it fails to start."""

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
        """Start Ray, or reach it, and the workers."""

    @abstractmethod
    def _stop(self) -> None:
        """End what was started, however much of it there is."""


def start_ray(init: Callable[..., Any], **options: Any) -> None:
    """Start Ray on this machine.

    Args:
        init: ``ray.init``.
        options: for it.

    Raises:
        TransientError: its processes did not start, or not in time (Ray 2.60 waits 30 s for the last of them).
    """
    try:
        init(**options)
    except (AssertionError, AttributeError, ImportError, TypeError, ValueError):
        # Of an option, or of the code.
        raise
    except Exception as error:
        # Its timeouts are of several classes, that of the 30 s a bare Exception.
        raise TransientError(
            f"Ray did not start on this machine: {error}\nIt may be busy, or short of memory, or of disk in /tmp: try"
            " again when it has less to do, or with fewer --workers"
        ) from error
