"""Propose a field for each column: its name suggests a field, and its values may contradict it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.model import FIELDS, FieldKind
from jobs.viewership.uploads.infer.names import ASKED, name_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.uploads.formats.model import Unit
    from jobs.viewership.uploads.infer.profile import Profile

__all__ = ["LEAST_MARGIN", "LEAST_SCORE", "Guess", "accept", "guess_fields"]

LEAST_SCORE: Final = 0.73
"""A name of words alone scores 0.75; any name scores less if half of the values are wrong."""
LEAST_MARGIN: Final = 0.1
"""Between two fields for a column, and between two columns for a field: with less, none is accepted."""

_MOST: Final = 0.9
_HALF: Final = 0.5
_SOME: Final = 0.1
_BONUS: Final = 0.04
_VETO: Final = 0.2
_DOUBT: Final = 0.7
_SLIGHT_DOUBT: Final = 0.85
_UNSEEN: Final = 0.8
_TIMES: Final = (FieldKind.HOURS, FieldKind.MINUTES, FieldKind.DURATION)
_COUNTED: Final = (*_TIMES, FieldKind.COUNT, FieldKind.DECIMAL, FieldKind.MONEY)


@dataclass(frozen=True, slots=True)
class Guess:
    """A field that a column may hold.

    Attributes:
        field: the field.
        score: 0 to 1.
        reasons: why, as sentences.
        unit: unit of the values; None if the field needs none, or it is open.
        asks_unit: the unit is open.
    """

    field: str
    score: float
    reasons: tuple[str, ...]
    unit: Unit | None = None
    asks_unit: bool = False


def guess_fields(name: str, profile: Profile) -> list[Guess]:
    """Return the fields that a column may hold, best first.

    Args:
        name: its name, without the number of a duplicate.
        profile: of its values.
    """
    guesses = []
    for vote in name_votes(name):
        factor, bonus, reason = _judge(FIELDS[vote.field], profile)
        reasons = (vote.reason, reason) if reason else (vote.reason,)
        clock = profile.durations >= _MOST
        unit = None if vote.unit == ASKED else vote.unit
        asks = vote.unit == ASKED and not clock
        score = round(min(1.0, vote.score * factor + (bonus if factor == 1.0 else 0.0)), 2)
        guesses.append(Guess(vote.field, score, reasons, unit, asks))
    return sorted(guesses, key=lambda guess: (-guess.score, guess.field))


def _judge(kind: FieldKind, profile: Profile) -> tuple[float, float, str]:
    """Return a factor and a bonus for a kind of field, from the values, with the reason."""
    if not profile.values:
        return _UNSEEN, 0.0, "it has no values"
    if kind in _COUNTED:
        return _judge_counted(kind, profile)
    if kind in (FieldKind.DATE, FieldKind.MONTH):
        return _judge_date(kind, profile)
    if kind in (FieldKind.NUMBER, FieldKind.ID, FieldKind.TEXT):
        return _judge_text(kind, profile)
    return 1.0, 0.0, ""


def _judge_text(kind: FieldKind, profile: Profile) -> tuple[float, float, str]:
    if kind is FieldKind.ID:
        return (
            (_SLIGHT_DOUBT if profile.spaced > _HALF else 1.0),
            _BONUS,
            f"{profile.distinct:.0%} of its values are distinct",
        )
    if kind is FieldKind.NUMBER:
        if profile.small < _HALF < profile.spaced:
            return _VETO, 0.0, f"{profile.spaced:.0%} of its values are text of several words"
        return (
            (1.0 if profile.small >= _HALF else _SLIGHT_DOUBT),
            _BONUS,
            f"{profile.small:.0%} of its values are small numbers",
        )
    others = max(profile.dates, profile.money, profile.percent, profile.durations)
    if others >= _HALF:
        return _VETO, 0.0, f"{others:.0%} of its values are dates, amounts, percentages or durations"
    return (1.0 if profile.words >= _HALF else _SLIGHT_DOUBT), _BONUS, f"{profile.words:.0%} of its values are text"


def _judge_counted(kind: FieldKind, profile: Profile) -> tuple[float, float, str]:
    is_time = kind in _TIMES
    numbers = profile.numbers + (profile.durations if is_time else 0.0)
    if profile.percent > _HALF:
        return _VETO, 0.0, f"{profile.percent:.0%} of its values are percentages"
    if numbers < _HALF:
        return _VETO, 0.0, f"only {numbers:.0%} of its values are numbers"
    if kind is FieldKind.COUNT and profile.fractions > _SOME:
        return _DOUBT, 0.0, f"{profile.fractions:.0%} of its values have decimals, and counts have none"
    if is_time and profile.money > _SOME:
        return _VETO, 0.0, f"{profile.money:.0%} of its values are amounts of money"
    is_sure = profile.durations >= _MOST if is_time else profile.money >= _HALF
    return (1.0 if numbers >= _MOST else _DOUBT), _BONUS * (1 + is_sure), f"{numbers:.0%} of its values are numbers"


def _judge_date(kind: FieldKind, profile: Profile) -> tuple[float, float, str]:
    is_month = kind is FieldKind.MONTH
    # Excel's serial numbers and 20250701 are numbers, and months may be 7 or July.
    likely = profile.dates + (profile.small if is_month else 0.0) >= _MOST
    likely |= profile.words >= _MOST if is_month else profile.numbers >= _MOST and not profile.fractions
    return (1.0 if likely else _VETO), _BONUS, f"{profile.dates:.0%} of its values are dates"


def accept(guesses: Mapping[int, list[Guess]]) -> tuple[dict[int, Guess], dict[str, list[int]]]:
    """Accept a field per column where nothing competes; a field that several columns may hold is contested.

    Args:
        guesses: position of a column -> its guesses, best first.

    Returns:
        The accepted guess per position; and for each contested field, the positions.
    """
    accepted: dict[int, Guess] = {}
    contested: dict[str, list[int]] = {}
    claims: dict[str, list[int]] = {}
    for position, found in guesses.items():
        if found and found[0].score >= LEAST_SCORE and (len(found) == 1 or _margin(found[0], found[1]) >= LEAST_MARGIN):
            claims.setdefault(found[0].field, []).append(position)
    for field, positions in claims.items():
        ordered = sorted(positions, key=lambda position: -guesses[position][0].score)
        best = guesses[ordered[0]][0]
        close = [at for at in ordered if _margin(best, guesses[at][0]) < LEAST_MARGIN]
        if len(close) == 1:
            accepted[ordered[0]] = best
        else:
            contested[field] = sorted(close)
    return dict(sorted(accepted.items())), contested


def _margin(best: Guess, other: Guess) -> float:
    return round(best.score - other.score, 4)
