"""The result of a check: accepted items as they are stored, bad items with their reasons, and what was counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["RAW_CHARS", "BadItem", "Checked", "Item"]

RAW_CHARS: Final = 2000
"""Greatest length of the beginning of a bad item that is kept."""


@dataclass(frozen=True, slots=True)
class Item:
    """An accepted item.

    Attributes:
        index: its position in the answer.
        value: its JSON value.
        payload: the same value as UTF-8 JSON with sorted keys, as it is stored.
        notes: codes of :data:`~jobs.trakt.errors.NOTE_CODES` that concern this item, sorted.
    """

    index: int
    value: dict[str, Any]
    payload: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item that is not accepted, or a whole answer that cannot be read.

    Attributes:
        index: its position in the answer; None for the whole answer.
        code: one of :data:`~jobs.trakt.errors.ITEM_CODES` or :data:`~jobs.trakt.errors.ANSWER_CODES`.
        path: JSON pointer within the item; ``/`` is the item itself.
        message: the problem, and what is expected.
        raw: the beginning of the item, at most :data:`RAW_CHARS` characters.
    """

    index: int | None
    code: str
    path: str
    message: str
    raw: str


@dataclass(slots=True)
class Checked:
    """The result of a check.

    Attributes:
        resource: the name of the resource.
        items: accepted items, in the order of the answer.
        bad: the others, in the order of the answer.
        unknown: JSON pointer of an unknown field -> number of accepted items that have it.
        notes: (code of :data:`~jobs.trakt.errors.NOTE_CODES`, path or name of a key) -> how often.
        failure: why the whole answer cannot be read, with neither items nor bad items; None if it can.
    """

    resource: str
    items: list[Item] = field(default_factory=list)
    bad: list[BadItem] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failure: BadItem | None = None
