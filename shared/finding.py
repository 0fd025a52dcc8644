"""A finding of `telecine doctor`, shared by the modules that examine one area each."""

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
        area: python, database, store or cluster.
        name: such as ``s3://game-data``.
        status: ok; warn: works, or is not needed here; fail: a step will fail.
        message: the observation.
        fix: the remedy; empty if nothing needs to be done.
        retryable: whether a failure may be transient.
    """

    area: str
    name: str
    status: FindingStatus
    message: str
    fix: str = ""
    retryable: bool = False


def of_error(area: str, name: str, error: TelecineError, fix: str = "") -> Finding:
    """Return an error as a failed finding; without ``fix``, the error's own message names the remedy."""
    return Finding(area, name, "fail", error.message, fix, error.retryable)
