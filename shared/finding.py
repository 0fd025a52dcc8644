"""A finding of `telecine doctor`, used by all modules that examine an area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared.errors import TelecineError

__all__ = ["Finding", "FindingStatus", "of_error"]

FindingStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one thing that was examined.

    Attributes:
        area: ``python``, ``database``, ``store``, ``cluster`` or ``console``.
        name: name of what was examined, such as ``s3://game-data``.
        status: ``ok``; ``warn``: it works, or is not needed here; ``fail``: a step will fail.
        message: the observation.
        fix: the remedy; empty if nothing needs to be done.
        retryable: True if a failure may be transient.
    """

    area: str
    name: str
    status: FindingStatus
    message: str
    fix: str = ""
    retryable: bool = False


def of_error(area: str, name: str, error: TelecineError, fix: str = "") -> Finding:
    """Return the failed finding for an error. If ``fix`` is empty, the error's message contains the remedy."""
    return Finding(area, name, "fail", error.message, fix, error.retryable)
