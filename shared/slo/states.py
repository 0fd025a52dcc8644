"""The state of a day: good, breach, no data or not due. A day without data is never good."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["MEANINGS", "State", "state"]

State = Literal["good", "breach", "no data", "not due"]

MEANINGS: Final[dict[State, str]] = {
    "good": "the objective of the day was met",
    "breach": "the objective of the day was missed",
    "no data": "the deadline has passed, but no run measured the day after it, or there was nothing to count",
    "not due": "the deadline has not passed",
}
"""State -> meaning."""


def state(*, is_due: bool, is_final: bool, is_good: bool | None) -> State:
    """Return the state of a day.

    Args:
        is_due: the deadline of the day has passed.
        is_final: the day was measured after its deadline.
        is_good: its objective was met; None if nothing counted, or if it was not measured.

    Example:
        >>> state(is_due=True, is_final=False, is_good=True)
        'no data'
    """
    if is_final and is_good is not None:
        return "good" if is_good else "breach"
    return "no data" if is_due else "not due"
