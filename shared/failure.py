"""The record of one failed item."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the report (pydantic) resolves this annotation
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.errors import TelecineError
from shared.text import clean_data, clean_item, clean_text

__all__ = ["Failure"]


@dataclass(frozen=True)
class Failure:
    """One failed item, as `item_errors`, `error_details` and reports store it.

    Text is cleaned on construction (no NUL, no secrets, capped), so an instance can be stored as is.

    Args:
        item: the failed item: a TAR key, a row, a run's id; at most 1024 bytes.
        code: stable name of the error; each pipeline defines its own.
        message: what happened; at most 2000 characters.
        retryable: whether a retry may succeed.
        attempt: number of the attempt at this item, from 1.
        input_hash: identity of the input (an ETag, a sha256), so that a changed input is tried again.
        data: named facts (``artifact_key``, ``expected``, ``actual``, …), JSON values only.
        at: the time, in UTC.
    """

    item: str
    code: str
    message: str
    retryable: bool = False
    attempt: int = 1
    input_hash: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "item", clean_item(str(self.item)))
        keep(self, "code", clean_text(str(self.code), 100))
        keep(self, "message", clean_text(str(self.message)))
        keep(self, "input_hash", None if self.input_hash is None else clean_text(str(self.input_hash), 200))
        keep(self, "data", clean_data(dict(self.data)))

    @classmethod
    def of(
        cls, item: str, error: BaseException, *, attempt: int = 1, input_hash: str | None = None, **data: Any
    ) -> Failure:
        """Return the failure for an exception; anything but a :class:`TelecineError` gets the code ``internal``.

        Args:
            item: the failed item.
            error: the exception; a `TelecineError` supplies its code, `retryable` and data.
            attempt: number of the attempt at this item.
            input_hash: identity of the input.
            data: further facts.
        """
        if isinstance(error, TelecineError):
            code, retryable, message, facts = error.code, error.retryable, error.message, error.data
        else:
            code, retryable, message, facts = "internal", False, f"{type(error).__name__}: {error}", {}
        return cls(item, code, message, retryable, attempt, input_hash, {**facts, **data})

    def as_json(self) -> dict[str, Any]:
        """Return the entry for ``error_details``: the facts, overridden by the fixed fields."""
        fixed: dict[str, Any] = {
            "code": self.code,
            "item": self.item,
            "message": self.message,
            "retryable": self.retryable,
            "attempt": self.attempt,
            "at": self.at.isoformat(),
        }
        if self.input_hash is not None:
            fixed["input_hash"] = self.input_hash
        return {**self.data, **fixed}
