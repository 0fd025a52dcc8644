"""Results of a load: rows by kind, and rejected items."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["DeadLetter", "LoadReport"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected item, or a whole answer that was rejected.

    Attributes:
        load_id: the load.
        page_key: the page object.
        item_index: its position in the answer; None for the whole answer.
        path: JSON pointer within the item.
        code: one of ITEM_CODES or ANSWER_CODES of :mod:`jobs.trakt.errors`.
        message: the problem, and the value expected.
        payload_start: the beginning of the item, at most 2,000 characters; empty if it names an erased user.
        at: when the answer was complete.
    """

    load_id: str
    page_key: str
    item_index: int | None
    path: str
    code: str
    message: str
    payload_start: str
    at: datetime


@dataclass(slots=True)
class LoadReport:
    """The result of a load.

    Attributes:
        load_id: the load.
        version: version of the table that has the load's rows.
        was_committed: whether an earlier call had committed the load; this call then wrote nothing.
        pages: page objects that were read.
        rows: kind -> rows written by the load, whichever call committed it.
        items: accepted items of all pages.
        unchanged: items whose payload equals the last stored one.
        late_arrivals: comments of titles that had been read completely before, which are stored for the first time more
            than 7 days after they were written; None if they were not counted.
        erased: items of erased users.
        bad: code -> rejected items and answers.
        unreadable: keys of pages whose whole answer could not be read; they have no ``page`` row.
        unknown: JSON pointer of an unknown field -> items that have it.
        notes: (code, path) of an oddity -> occurrences.
        dead_letters: rejected items, unless they were passed to a function.
        files: data files written.
        bytes: their size.
    """

    load_id: str
    version: int = -1
    was_committed: bool = False
    pages: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    items: int = 0
    unchanged: int = 0
    late_arrivals: int | None = None
    erased: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
