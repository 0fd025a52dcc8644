"""The habits of a world: its size, and the pace and kinds of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from jobs.trakt.replayer.clock import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventKind", "Habits"]

EventKind = Literal[
    "insert", "edit", "delete", "restore", "like", "unlike", "reply", "vote", "rate", "move", "slug", "merge"
]


@dataclass(frozen=True, slots=True)
class Habits:
    """The size of a world, and the pace and kinds of its events.

    Attributes:
        comments: how many are made in advance.
        titles: how many.
        span: milliseconds from the first of these comments to the start.
        event_gap: milliseconds between events; None: nothing ever happens.
        events: kind -> weight.
        hidden: percentage of comments that take a place on a page and are not shown.
        away: title -> milliseconds after the start until which it answers 404; None: for good.
    """

    comments: int = 6_000
    titles: int = 24
    span: int = 400 * DAY
    event_gap: int | None = None
    events: Mapping[EventKind, int] = field(default_factory=dict)
    hidden: int = 6
    away: Mapping[int, int | None] = field(default_factory=dict)
