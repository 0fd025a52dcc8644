"""What pools of Ray actors have in common: they are entered, left, and may fail to start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from shared.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["RayPool", "start_ray"]


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
