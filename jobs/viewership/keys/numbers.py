"""Numbers in titles: words, Roman numerals, ordinals and parts in one form."""

from __future__ import annotations

from typing import Final

from jobs.viewership.keys.words import values, wordset

__all__ = ["PART", "is_number", "number", "numbered"]

_WORDS: Final = values(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen",
    first=0,
)
_TENS: Final = {
    word: 10 * value for word, value in values("twenty thirty forty fifty sixty seventy eighty ninety", first=2).items()
}
_ORDINALS: Final = {
    word: f"{value}th"
    for word, value in values(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth", first=1
    ).items()
}
# Number words of other languages count only after a word for part or chapter: "once" and "six" are words elsewhere.
_FOREIGN: Final = {
    **values("uno dos tres cuatro cinco seis siete ocho nueve diez", first=1),
    **values("un deux trois quatre cinq six sept huit neuf dix", first=1),
    **values("eins zwei drei vier funf sechs sieben acht neun zehn", first=1),
    **values("um dois tres quatro cinco seis sete oito nove dez", first=1),
    **values("una due tre quattro cinque sei sette otto nove dieci", first=1),
    **values("uma duas", first=1),
}
# I, V and X alone are more often words and initials; up to 39, longer numerals are rare and look like words (MIX, DC).
_ROMANS: Final = {
    "x" * tens + unit: 10 * tens + value
    for tens in range(4)
    for unit, value in (values("i ii iii iv v vi vii viii ix", first=1) | {"": 0}).items()
    if tens or unit
}

PART: Final = wordset("part pt pts parts parte partes partie teil deel del часть ч")
"""Words for a part of a story, in folded text."""
_SPECIAL: Final = frozenset((*_WORDS, *_TENS, *_ORDINALS, *_ROMANS))
_NAMED: Final = _SPECIAL | _FOREIGN.keys()
_ENDINGS: Final = wordset("st nd rd th")
_MARKERS: Final = PART | wordset(
    "chapter chapters ch capitulo cap chapitre kapitel vol volume book act day week night round season episode ep"
    " series no number level case глава"
)


def is_number(token: str) -> bool:
    """Return whether a token of :func:`numbered` is a number or an ordinal.

    Example:
        >>> is_number("12"), is_number("1th"), is_number("twelve")
        (True, True, False)
    """
    return token[:1].isdecimal()


def number(token: str) -> int | None:
    """Return the value of one folded token if it is digits, a number word or a Roman numeral.

    Example:
        >>> number("04"), number("iv"), number("four"), number("mix")
        (4, 4, 4, None)
    """
    if token.isdecimal():
        return int(token)
    for table in (_WORDS, _TENS, _FOREIGN, _ROMANS):
        if (value := table.get(token)) is not None:
            return value
    return None


def _single(token: str, before: str | None, *, last: bool) -> int | None:
    if token.isdecimal():
        return int(token)
    if before in _MARKERS and (value := number(token)) is not None:
        return value
    if (value := _ROMANS.get(token)) is None or (len(token) == 1 and not (last and before is not None)):
        return None
    return value


def numbered(tokens: list[str]) -> list[str]:
    """Write the numbers among folded tokens as digits: words, Roman numerals, ordinals.

    I, V and X alone are numbers after a word such as "part", and as the last of several tokens.

    Example:
        >>> numbered(["chapter", "ii"]), numbered(["twenty", "one", "guns"]), numbered(["i", "do"])
        (['chapter', '2'], ['21', 'guns'], ['i', 'do'])
    """
    # Most titles have no number: letters alone, and no word for one.
    if _NAMED.isdisjoint(tokens) and "".join(tokens).isalpha():
        return tokens
    result: list[str] = []
    before: str | None = None
    at, end = 0, len(tokens)
    while at < end:
        token = tokens[at]
        if token not in _SPECIAL and not token.isdecimal() and (before not in _MARKERS or token not in _FOREIGN):
            result.append(token)
        elif token in _TENS:
            unit = _WORDS.get(tokens[at + 1], 0) if at + 1 < end else 0
            joined = unit in range(1, 10)
            result.append(str(_TENS[token] + unit * joined))
            at += joined
        elif token in _WORDS:
            result.append(str(_WORDS[token]))
        elif token in _ORDINALS:
            result.append(_ORDINALS[token])
        elif token.isdecimal() and at + 1 < end and tokens[at + 1] in _ENDINGS:
            result.append(f"{int(token)}th")
            at += 1
        elif (value := _single(token, before, last=at + 1 == end)) is not None:
            result.append(str(value))
        else:
            result.append(token)
        before = token
        at += 1
    return result
