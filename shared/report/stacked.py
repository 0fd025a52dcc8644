"""Layout of one bar that is divided into parts, in SVG units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

__all__ = ["WIDTH", "Piece", "stacked"]

WIDTH: Final = 1000
# A part of one row in a million is still visible.
_LEAST: Final = 3.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar: its place and width in units of :data:`WIDTH`."""

    x: float
    width: float


def stacked(amounts: Sequence[Decimal | float]) -> list[Piece | None]:
    """Lay out the parts of a bar, which fill its whole width.

    Args:
        amounts: the amount of each part; an amount of 0 or less has no part.

    Returns:
        The parts in their order, None for those without an amount.

    Example:
        >>> [piece and (piece.x, piece.width) for piece in stacked([3, 0, 1])]
        [(0.0, 750.0), None, (750.0, 250.0)]
    """
    known = [max(float(amount), 0.0) for amount in amounts]
    total = sum(known)
    if not total:
        return [None] * len(known)
    widths = [max(_LEAST, amount / total * WIDTH) if amount else 0.0 for amount in known]
    # The largest part gives up the width that widened parts took.
    widths[widths.index(max(widths))] -= sum(widths) - WIDTH
    pieces: list[Piece | None] = []
    at = 0.0
    for width in widths:
        pieces.append(Piece(round(at, 1), round(width, 1)) if width else None)
        at += width
    return pieces
