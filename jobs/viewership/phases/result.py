"""The result of a phase for one upload: expected and actual sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["PhaseResult"]


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """The result of one phase for one upload.

    Attributes:
        upload_id: the upload.
        filename: its name.
        platform: its platform.
        expected: units, hours and revenue that the phase must account for.
        actual: units, hours and revenue that it accounted for; a difference from ``expected`` fails the stage.
        seconds: time of the phase.
        status: status of the upload afterwards.
        counts: further counts by name, such as ``keys`` or ``final``.
        notes: warnings.
        detail: structures for the report, such as the steps of the cascade.
    """

    upload_id: int
    filename: str
    platform: str
    expected: tuple[int, Decimal, Decimal]
    actual: tuple[int, Decimal, Decimal]
    seconds: float
    status: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
