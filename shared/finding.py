"""One finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared.errors import TelecineError

__all__ = ["Line", "Status", "of_error"]

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at and how it is.

    Attributes:
        area: python, database, store or cluster.
        name: such as ``s3://game-data``.
        status: ok; warn: works, or is not needed here; fail: a step will fail.
        said: what was found.
        todo: what to do; empty where nothing is to be done.
        retryable: whether a failure may pass by itself.
    """

    area: str
    name: str
    status: Status
    said: str
    todo: str = ""
    retryable: bool = False


def of_error(area: str, name: str, error: TelecineError, todo: str = "") -> Line:
    """Return the failure that an error means; its own message says what to do where nothing else does."""
    return Line(area, name, "fail", error.message, todo, error.retryable)
