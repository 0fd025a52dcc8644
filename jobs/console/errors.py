"""Errors that become HTTP responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BadQuery", "Refused"]


class Refused(DataError):
    """A rejected request; the user sees its message.

    Args:
        status: HTTP status from 400 to 503.
        message: what is wrong, and what is expected.
        code: stable code.
        headers: response headers, such as ``Retry-After``.
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
        problems: one sentence each, with the valid values.
    """

    default_code = "bad_query"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(400, "; ".join(problems))
        self.problems = tuple(problems)
