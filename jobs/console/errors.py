"""Errors that become an HTTP answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BadQuery", "Refused"]


class Refused(DataError):
    """A request that cannot be answered; its message is shown to the user.

    Args:
        status: HTTP status from 400 to 503.
        message: what happened, to what, and what is expected.
        code: stable code.
        headers: headers of the answer, such as ``Retry-After``.
    """

    default_code = "refused"

    def __init__(
        self, status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.headers = headers or {}


class BadQuery(Refused):
    """A query string with unknown names or invalid values (400).

    Args:
        problems: one sentence each, which names what is valid.
    """

    default_code = "bad_query"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(400, "; ".join(problems))
        self.problems = tuple(problems)
