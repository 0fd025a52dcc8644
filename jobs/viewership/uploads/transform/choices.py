"""The user's answers to the questions that a file leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.viewership.uploads.values.date_text import DateOrder
    from jobs.viewership.uploads.values.duration_text import ClockForm
    from jobs.viewership.uploads.values.number_text import DecimalMark
    from jobs.viewership.uploads.values.period import Period

__all__ = ["Choices"]


@dataclass(frozen=True, slots=True)
class Choices:
    """Flags that settle a question; each overrides the format.

    Attributes:
        period: days that the upload may hold; also the date of units that name none.
        date_order: order of day, month and year.
        decimal_mark: decimal mark of all numbers.
        clock: form of durations of two numbers, such as 37:44.
        round_money: round amounts with more than ten digits after the decimal mark; else they are rejects.
    """

    period: Period | None = None
    date_order: DateOrder | None = None
    decimal_mark: DecimalMark | None = None
    clock: ClockForm | None = None
    round_money: bool = False
