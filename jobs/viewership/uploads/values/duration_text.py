"""Read one duration: a clock (1174:47:24), words (2 hours 30 min), ISO 8601 (PT1H30M)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from jobs.viewership.uploads.values.number_text import NumberText, read_number

if TYPE_CHECKING:
    from jobs.viewership.uploads.values.number_text import DecimalMark

__all__ = ["ClockForm", "DurationText", "read_duration"]

ClockForm = Literal["hh:mm", "mm:ss"]

_LONGEST: Final = 80
_HOURS_OF_DAY: Final = 24
_SECONDS: Final[dict[str, int]] = {
    name: seconds
    for names, seconds in (
        ("d day days dia dias jour jours tag tage tagen giorno giorni", 86400),
        ("h hr hrs hour hours hora horas heure heures stunde stunden std ora ore", 3600),
        ("m min mins minute minutes minuto minutos minuten minuti mn", 60),
        ("s sec secs second seconds segundo segundos seconde secondes sekunde sekunden sek secondo secondi", 1),
    )
    for name in names.split()
}

_CLOCK: Final = re.compile(
    r"(?P<sign>-?)\s*(?:(?P<days>\d{1,5})\s+days?,?\s+)?(?P<first>\d{1,9}):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d))?"
    r"(?:[.,](?P<part>\d{1,9}))?",
    re.IGNORECASE,
)
_ISO: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<w>\d{1,6})W|(?:(?P<d>\d{1,9})D)?(?:T(?=\d)(?:(?P<h>\d{1,9}(?:[.,]\d{1,9})?)H)?"
    r"(?:(?P<m>\d{1,9}(?:[.,]\d{1,9})?)M)?(?:(?P<s>\d{1,9}(?:[.,]\d{1,9})?)S)?)?)",
)
_WORD: Final = re.compile(
    r"(?P<number>\d[\d.,' ]*)(?P<unit>[a-z]+)\.?(?:\s*(?:,|and|y|et|und|e)\s+|\s*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class DurationText:
    """A duration as it is written; exactly one attribute besides ``negative`` is set.

    Attributes:
        negative: the text begins with a minus sign.
        number: a number without a unit.
        words: numbers with the seconds of their units.
        pair: the two numbers of a clock that is hours and minutes, or minutes and seconds.
        seconds: a clock of three numbers or ISO 8601: unambiguous.
        hours: hours of a clock of three numbers; None for another form.
    """

    negative: bool = False
    number: NumberText | None = None
    words: tuple[tuple[NumberText, int], ...] = ()
    pair: tuple[int, int] | None = None
    seconds: Fraction | None = None
    hours: int | None = None

    def numbers(self) -> tuple[NumberText, ...]:
        """Return the numbers whose decimal mark matters."""
        return (self.number,) if self.number is not None else tuple(number for number, _ in self.words)

    def read(self, mark: DecimalMark, clock: ClockForm, unit: int) -> Fraction | None:
        """Return the seconds.

        Args:
            mark: decimal mark of numbers.
            clock: form of a clock of two numbers.
            unit: seconds of one unit of a number without a unit.
        """
        seconds: Fraction | None = self.seconds
        if self.number is not None:
            value = self.number.value(mark)
            seconds = None if value is None else Fraction(value) * unit
        elif self.words:
            values = [(number.value(mark), unit_s) for number, unit_s in self.words]
            if any(value is None for value, _ in values):
                return None
            seconds = sum((Fraction(value) * unit_s for value, unit_s in values if value is not None), Fraction())
        elif self.pair is not None:
            first, second = self.pair
            seconds = Fraction(first * 3600 + second * 60 if clock == "hh:mm" else first * 60 + second)
        return -seconds if seconds is not None and self.negative else seconds


def read_duration(folded: str) -> DurationText | None:
    """Read a duration or a number; None if the text is neither.

    >>> float(read_duration("1174:47:24").read(".", "hh:mm", 3600) / 3600)
    1174.79
    >>> int(read_duration("2 hours 30 min").read(".", "hh:mm", 3600))
    9000
    """
    if len(folded) > _LONGEST:
        return None
    if match := _CLOCK.fullmatch(folded):
        return _clock(match)
    if match := _ISO.fullmatch(folded.upper()):
        units = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
        parts = {name: Fraction(text.replace(",", ".")) for name in units if (text := match[name])}
        # PT1.5H30M is not valid: only the last part may have a fraction.
        if not parts or any(value.denominator > 1 for value in list(parts.values())[:-1]):
            return None
        total = sum((value * units[name] for name, value in parts.items()), Fraction())
        return DurationText(negative=bool(match["sign"]), seconds=total)
    if words := _words(folded):
        return words
    number = read_number(folded)
    return None if number is None or number.currency or number.percent else DurationText(number=number)


def _clock(match: re.Match[str]) -> DurationText | None:
    negative, first, second = bool(match["sign"]), int(match["first"]), int(match["second"])
    part = Fraction(int(match["part"]), 10 ** len(match["part"])) if match["part"] else Fraction()
    days = int(match["days"] or 0)
    if match["third"] is None:
        if match["days"]:
            return None
        if part:
            # Only seconds have a fraction.
            return DurationText(negative=negative, seconds=first * 60 + second + part)
        return DurationText(negative=negative, pair=(first, second))
    if match["days"] and first >= _HOURS_OF_DAY:
        return None
    seconds = days * 86400 + first * 3600 + second * 60 + int(match["third"]) + part
    return DurationText(negative=negative, seconds=seconds, hours=first + 24 * days)


def _words(folded: str) -> DurationText | None:
    rest = folded[1:].lstrip() if folded[:1] == "-" else folded
    words: list[tuple[NumberText, int]] = []
    place = 0
    while place < len(rest):
        match = _WORD.match(rest, place)
        seconds = match and _SECONDS.get(match["unit"].lower())
        number = match and read_number(match["number"].strip())
        # Units are in descending order, each once: "5m 3m" and "5 min 2 h" are mistakes.
        if not match or not seconds or not number or (words and seconds >= words[-1][1]):
            return None
        words.append((number, seconds))
        place = match.end()
    return DurationText(negative=rest is not folded, words=tuple(words)) if words else None
