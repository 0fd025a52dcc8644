"""Read one number: its sign, grouping, decimal mark, exponent, percent sign and currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from jobs.viewership.uploads.values.currencies import PATTERN, currency_of, one_currency

__all__ = ["MARKS", "DecimalMark", "NumberText", "read_number"]

DecimalMark = Literal[".", ","]
MARKS: Final[tuple[DecimalMark, ...]] = (".", ",")

_ARABIC_MARK: Final = "\u066b"
# A number of 64 characters is beyond any amount; the limit keeps the work of a hostile cell small.
_LONGEST: Final = 64

_CURRENCY_BEFORE: Final = re.compile(rf"(?:{PATTERN})(?![A-Za-z])")
_CURRENCY_AFTER: Final = re.compile(rf"(?<![A-Za-z])(?:{PATTERN})\Z")
_EXPONENT: Final = re.compile(r"(?P<body>.*\d[.,]?)[eE](?P<exponent>[+-]?\d{1,3})", re.DOTALL)


def _bodies(mark: str, group: str) -> re.Pattern[str]:
    """Compile the digits of a number: plain, in groups of three, or in the Indian groups of two after the first three.

    A first group that begins with 0 is not a group: 0,123 has a decimal mark.
    """
    point = re.escape(mark)
    threes = "|".join(rf"[1-9]\d{{0,2}}(?:{sep}\d{{3}})+" for sep in (re.escape(group), "'", " "))
    lakh = rf"[1-9]\d?(?:{re.escape(group)}\d{{2}})+{re.escape(group)}\d{{3}}"
    return re.compile(rf"(?P<whole>\d+|{threes}|{lakh})(?:{point}(?P<part>\d*))?|{point}(?P<only>\d+)")


_BODIES: Final = {".": _bodies(".", ","), ",": _bodies(",", ".")}
_ARABIC_BODY: Final = _bodies(_ARABIC_MARK, "'")


@dataclass(frozen=True, slots=True)
class NumberText:
    """A number before its decimal mark is known.

    Attributes:
        negative: the text has a minus sign, before or after it, or parentheses.
        body: digits, groups and decimal mark.
        exponent: power of ten.
        currency: ISO code, or a symbol that several currencies share.
        percent: the text ends in a percent sign.
    """

    negative: bool
    body: str
    exponent: int | None = None
    currency: str | None = None
    percent: bool = False

    def parts(self, mark: DecimalMark) -> tuple[str, str] | None:
        """Return the digits before and after the decimal mark; None if the body is not a number with this mark."""
        found = (_ARABIC_BODY if _ARABIC_MARK in self.body else _BODIES[mark]).fullmatch(self.body)
        if found is None:
            return None
        if (only := found["only"]) is not None:
            return "0", only
        return re.sub(r"\D", "", found["whole"]), found["part"] or ""

    def value(self, mark: DecimalMark) -> Decimal | None:
        """Return the exact value; a percentage is divided by 100."""
        parts = self.parts(mark)
        if parts is None:
            return None
        whole, part = parts
        exponent = (self.exponent or 0) - len(part) - (2 if self.percent else 0)
        return Decimal((int(self.negative), tuple(map(int, whole + part)), exponent))


def read_number(folded: str) -> NumberText | None:
    """Return a number's sign, body and currency; None for text that is not a number with any decimal mark.

    Args:
        folded: text that :func:`~jobs.viewership.uploads.values.fold.fold` returned.

    >>> read_number("($1,234.50)").value(".")
    Decimal('-1234.50')
    >>> read_number("1.234,5 EUR").value(",")
    Decimal('1234.5')
    """
    if not folded or len(folded) > _LONGEST:
        return None
    rest, negative, signed, currency, percent = folded, False, False, None, False
    while rest:
        inner, sign, symbol = _outermost(rest)
        if sign:
            if signed:
                return None
            signed, negative = True, sign in "-("
        elif symbol == "%":
            if percent:
                return None
            percent = True
        elif symbol:
            currency = one_currency(currency, currency_of(symbol))
            if not currency:
                return None
        else:
            break
        rest = inner
    exponent = None
    if found := _EXPONENT.fullmatch(rest):
        rest, exponent = found["body"], int(found["exponent"])
    number = NumberText(negative, rest, exponent, currency, percent)
    return number if any(number.parts(mark) for mark in MARKS) else None


def _outermost(text: str) -> tuple[str, str, str]:
    """Strip one sign, percent sign or currency; return the rest, the sign and the symbol."""
    if text[0] == "(" and text[-1] == ")":
        return text[1:-1].strip(), "(", ""
    if text[0] in "+-":
        return text[1:].lstrip(), text[0], ""
    if text[-1] in "+-%":
        sign, symbol = ("", "%") if text[-1] == "%" else (text[-1], "")
        return text[:-1].rstrip(), sign, symbol
    if found := _CURRENCY_BEFORE.match(text):
        return text[found.end() :].lstrip(), "", found[0]
    if not text[-1].isdigit() and (found := _CURRENCY_AFTER.search(text)):
        return text[: found.start()].rstrip(), "", found[0]
    return text, "", ""
