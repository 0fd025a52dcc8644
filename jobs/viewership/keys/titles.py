"""Keys of titles and series names: what is left when two ways of writing the same name are equal."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.viewership.keys.numbering import Numbering, season_episode
from jobs.viewership.keys.numbers import PART, is_number, number, numbered
from jobs.viewership.keys.text import cleaned, folded
from jobs.viewership.keys.words import DUBBED, LANGUAGES, NOISE, NUMBERED_WORDS, PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Decorated",
    "SeriesForm",
    "TitleForm",
    "is_noise",
    "joined",
    "numbers",
    "placeholder",
    "series_base",
    "series_form",
    "series_key",
    "series_year",
    "title_form",
    "title_key",
    "tokens",
    "undecorated",
    "without_article",
]

_KEY_BYTES: Final = 1000
"""Length of a key in bytes; beyond it, a digest replaces the end. An index row of PostgreSQL has at most 2,704."""

_PLAIN: Final = re.compile(r"\w+")
_BRACKET: Final = re.compile(r"\s*[(\[]([^()\[\]]{1,40})[)\]]\s*")
_BAR: Final = re.compile(
    r"\s*[|]\s*([^|]{1,40})\s*$|\s+[-]\s+((?:full|complete|new)\s[^-|]{1,20}|dubbed|doblado)\s*$", re.IGNORECASE
)
_ARTICLES: Final = "the|a|an|el|la|los|las|le|les|il|lo|der|die|das|o|os|as"
_MOVED: Final = re.compile(
    rf"(^|[:|]\s|\s[-]\s)([^:|,]{{1,120}}),\s*({_ARTICLES})(?=\s*(?:$|[:|(\[]|[-]\s))", re.IGNORECASE
)
_MOVED_BRACKET: Final = re.compile(rf"^([^:|,()]{{1,120}})\s+\(({_ARTICLES})\)$", re.IGNORECASE)
_COUNTED: Final = re.compile(
    r"[(\[]\s*(?:(?:part|pt|parte|partie|teil)\.?\s*)?(\w{1,6})\s*(?:of|/|de|von)\s*\w{1,6}\s*[)\]]", re.IGNORECASE
)
_PARENTHESISED: Final = re.compile(r"[(\[]\s*#?(\d{1,2}|[ivx]{1,5})\s*[)\]]", re.IGNORECASE)
_OF: Final = re.compile(
    r"\b((?:part|pt|parte|partie|teil)\.?\s*\w{1,6})\s*(?:of|/|de)\s*(?:\d{1,2}|two|three|four|five|six)\b",
    re.IGNORECASE,
)
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_AND: Final = re.compile(r"\s*&\s*|\s+[+]\s+")
_TOKENS: Final = re.compile(
    r"\d+|[^\W\d_]+(?:[^\W\d_]|(?<=\w)[\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3099\u309a])*"
)
_ASCII_TOKENS: Final = re.compile(r"\d+|[a-z]+")
_LEADING: Final = frozenset(("the", "a", "an"))
_YEAR: Final = re.compile(r"\s*[(\[]?\b((?:19|20)\d\d)\b[)\]]?\s*$")


class Decorated(NamedTuple):
    """A name without what platforms add to it.

    Attributes:
        text: the name.
        language: language that an addition names, as a BCP 47 tag.
        dubbed: an addition says that it is dubbed or subtitled.
    """

    text: str
    language: str | None = None
    dubbed: bool = False


class TitleForm(NamedTuple):
    """One parsed title.

    Attributes:
        key: what two ways of writing the title share; empty if nothing is left.
        words: tokens of the key with spaces between them, for comparing similar titles.
        season: season that the title names.
        episode: episode that the title names.
        several: the title names a range of episodes.
        placeholder: the title names no episode: "Episode 4", "Unknown", "TBA".
        language: language of a translation, from an addition such as "(LAS)".
        dubbed: an addition says that the title is of a dubbed version.
    """

    key: str
    words: tuple[str, ...]
    season: int | None = None
    episode: int | None = None
    several: bool = False
    placeholder: bool = False
    language: str | None = None
    dubbed: bool = False


def _addition(text: str) -> tuple[bool, str | None, bool]:
    """Return whether a text is an addition, its language, and whether it says dubbed."""
    plain = " ".join(_PLAIN.findall(folded(text)))
    if plain in NOISE:
        return True, None, False
    words = plain.split()
    left = " ".join(word for word in words if word not in DUBBED)
    dubbed = len(left.split()) < len(words)
    language = LANGUAGES.get(left)
    return (bool(words) and (not left or language is not None)), language, dubbed


def is_noise(text: str) -> bool:
    """Return whether a piece of a title is an addition that names nothing.

    Example:
        >>> [is_noise(text) for text in ("Full Episode", "HD", "Spanish", "The Storm")]
        [True, True, False, False]
    """
    return " ".join(_PLAIN.findall(folded(text))) in NOISE


def undecorated(text: str) -> Decorated:
    """Remove what platforms add to a name, and keep what it says about the language.

    Example:
        >>> undecorated("Harbour Lights (dubbed) (LAS)")
        Decorated(text='Harbour Lights', language='es-419', dubbed=True)
        >>> undecorated("She's My Sister | Full Episode [HD]").text
        "She's My Sister"
    """
    language, dubbed = None, False
    if "(" in text or "[" in text:
        for match in reversed(list(_BRACKET.finditer(text))):
            found, tongue, dub = _addition(match[1])
            if found:
                text = f"{text[: match.start()]} {text[match.end() :]}".strip()
                language, dubbed = language or tongue, dubbed or dub
    while ("|" in text or "-" in text) and (last := _BAR.search(text)) is not None:
        found, tongue, dub = _addition(last[1] or last[2])
        if not found or not last.start():
            break
        text = text[: last.start()].rstrip()
        language, dubbed = language or tongue, dubbed or dub
    return Decorated(text, language, dubbed)


def _ordered(text: str) -> str:
    """Move an article back to the front: ``Outpost, The``."""
    if "," in text:
        text = _MOVED.sub(r"\1\3 \2", text)
    return _MOVED_BRACKET.sub(r"\2 \1", text) if text.endswith(")") else text


def _marked(text: str) -> str:
    """Write ``(1)``, ``(1 of 2)`` and ``(Part 1/2)`` as ``part 1``."""
    if "(" in text or "[" in text:
        text = _COUNTED.sub(r" part \1 ", text)
        head = text[:1]
        if head not in "([":
            text = _PARENTHESISED.sub(r" part \1 ", text)
    folded_text = text.lower()
    return _OF.sub(r"\1", text) if "of" in folded_text or "de" in folded_text or "/" in text else text


def _split(text: str) -> list[str]:
    plain = folded(text.replace("'", ""))
    plain = _AND.sub(" and ", plain) if "&" in plain or "+" in plain else plain
    if "," in plain:
        plain = _THOUSANDS.sub("", plain)
    found = (_ASCII_TOKENS if plain.isascii() else _TOKENS).findall(plain)
    if "n" not in found:
        return found
    return ["and" if word == "n" and 0 < at < len(found) - 1 else word for at, word in enumerate(found)]


def _without_parts(words: list[str]) -> list[str]:
    """Move the number of a part to the end, without its word."""
    result: list[str] = []
    parts: list[str] = []
    at = 0
    while at < len(words):
        if words[at] in PART and at + 1 < len(words) and (value := number(words[at + 1])) is not None:
            parts.append(str(value))
            at += 2
            while at + 1 < len(words) and words[at] == "and" and (value := number(words[at + 1])) is not None:
                parts.append(str(value))
                at += 2
        else:
            result.append(words[at])
            at += 1
    return numbered(result) + parts if result else [word for part in parts for word in ("part", part)]


def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a name in one form: accents folded, numbers as digits, parts last, without an article.

    Example:
        >>> tokens("Outpost, The"), tokens("Rock & Roll Pt. II"), tokens("S.W.A.T.")
        (('outpost',), ('rock', 'and', 'roll', '2'), ('s', 'w', 'a', 't'))
    """
    words = _split(_marked(_ordered(text)))
    found = numbered(words) if PART.isdisjoint(words) else _without_parts(words)
    return without_article(tuple(found))


def without_article(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return tokens without a leading article, unless only numbers would be left.

    Example:
        >>> without_article(("the", "storm")), without_article(("the", "1"))
        (('storm',), ('the', '1'))
    """
    if words and words[0] in _LEADING and not all(map(is_number, words[1:])):
        return words[1:]
    return words


def joined(words: tuple[str, ...]) -> str:
    """Join tokens into a key: letters without spaces, numbers apart.

    Example:
        >>> joined(("air", "bnb", "2")), joined(("catch", "22", "again"))
        ('airbnb 2', 'catch 22 again')
    """
    if (letters := "".join(words)).isalpha():
        return _bounded(letters)
    result: list[str] = []
    apart = True
    for word in words:
        if is_number(word):
            result.append(f" {word}" if result else word)
            apart = True
        else:
            result.append(f" {word}" if result and apart else word)
            apart = False
    return _bounded("".join(result))


def _bounded(key: str) -> str:
    if len(key) <= _KEY_BYTES // 4 or len(raw := key.encode()) <= _KEY_BYTES:
        return key
    digest = hashlib.sha256(raw).hexdigest()[:32]
    return raw[: _KEY_BYTES - 33].decode(errors="ignore") + " " + digest


def _empty(words: Sequence[str]) -> bool:
    """Return whether words name nothing: a known word, or only words for an episode and numbers."""
    if (letters := "".join(words)).isalpha() and NUMBERED_WORDS.isdisjoint(words):
        return letters in PLACEHOLDERS
    named = [word for word in words if not word.isdecimal() and word not in NUMBERED_WORDS]
    return not named or "".join(named) in PLACEHOLDERS or "".join(words) in PLACEHOLDERS


def placeholder(text: str) -> bool:
    """Return whether a title names no episode.

    Example:
        >>> [placeholder(text) for text in ("Episode 4", "TBA", "N/A", "Unknown", "S01E03", "1923", "Pilot")]
        [True, True, True, True, True, False, False]
    """
    return title_form(text).placeholder


def _form(text: str, numbering: Numbering) -> tuple[tuple[str, ...], bool]:
    rest = numbering.rest
    if rest is not text and (named := season_episode(rest)).episode is not None and not _empty(_split(named.rest)):
        rest = named.rest  # "S01E03 - Episode 3 - The Calm"
    words = tokens(rest)
    if len(words) == 1 and words[0].isdecimal() and (not text.isdecimal() or len(text) == len("1923")):
        return words, False  # "Two" and "1923" are titles, "24" may be a number of the platform's
    if not words:
        return tokens(text), True
    return words, _empty(words)


# The distinct titles of a million rows, at about 600 bytes each: every pass would evict a smaller cache.
@lru_cache(maxsize=1 << 18)
def title_form(text: str) -> TitleForm:
    """Parse a title.

    Example:
        >>> form = title_form("S01:E03 - She's My Sister | Full Episode")
        >>> form.key, form.season, form.episode
        ('shesmysister', 1, 3)
    """
    bare = undecorated(cleaned(text))
    numbering = season_episode(bare.text)
    words, empty = _form(bare.text, numbering)
    key = joined(words) or _bounded("".join(bare.text.split()))
    return TitleForm(
        key, words, numbering.season, numbering.episode, numbering.several, empty, bare.language, bare.dubbed
    )


def title_key(text: str) -> str:
    """Return the key of an episode's title.

    Example:
        >>> {title_key(text) for text in ("The Storm, Part 1", "The Storm (1)", "Storm, The - Pt. I")}
        {'storm 1'}
        >>> {title_key(text) for text in ("Chapter II", "Chapter 2", "CHAPTER TWO")}
        {'chapter 2'}
    """
    return title_form(text).key


_SEASON_SUFFIX: Final = re.compile(
    r"[\s:,-]+[(\[]?(?:(?:season|temporada|saison|staffel|series)\s*|s)(\d{1,3})[)\]]?\s*$", re.IGNORECASE
)


class SeriesForm(NamedTuple):
    """One parsed series name.

    Attributes:
        key: key of the name with its year.
        base: key of the name without it.
        words: tokens of ``base``.
        year: year at the end of the name.
        season: season at the end of the name: "Harbour Lights Season 2".
        episode: episode at the end of the name.
        language: language of an addition such as "(LAS)".
        dubbed: an addition says so.
    """

    key: str
    base: str
    words: tuple[str, ...]
    year: int | None = None
    season: int | None = None
    episode: int | None = None
    language: str | None = None
    dubbed: bool = False


@lru_cache(maxsize=16384)
def series_form(text: str) -> SeriesForm:
    """Parse a series name.

    Example:
        >>> form = series_form("Outpost, The (2018) (dubbed) - Season 2")
        >>> form.key, form.base, form.year, form.season
        ('outpost 2018', 'outpost', 2018, 2)
    """
    bare = undecorated(cleaned(text))
    name, season, episode = bare.text, None, None
    numbering = season_episode(name)
    if numbering.season is not None and numbering.rest:
        name, season, episode = numbering.rest, numbering.season, numbering.episode
    elif (match := _SEASON_SUFFIX.search(name)) and match.start():
        name, season = name[: match.start()], int(match[1])
    name = undecorated(name).text
    year = None
    if (match := _YEAR.search(name)) and match.start():
        name, year = name[: match.start()], int(match[1])
    words = tokens(name)
    base = joined(words) or _bounded("".join(name.split()))
    key = f"{base} {year}" if year else base
    return SeriesForm(key, base, words, year, season, episode, bare.language, bare.dubbed)


def series_key(text: str) -> str:
    """Return the key of a series name, with its year.

    Example:
        >>> series_key("OUTPOST"), series_key("Charmers (2018)"), series_key("1923")
        ('outpost', 'charmers 2018', '1923')
    """
    return series_form(text).key


def series_base(text: str) -> str:
    """Return the key of a series name, without its year: remakes share it.

    Example:
        >>> series_base("Charmers (2018)"), series_base("Charmers")
        ('charmers', 'charmers')
    """
    return series_form(text).base


def series_year(text: str) -> int | None:
    """Return the year at the end of a series name.

    Example:
        >>> series_year("Charmers 2018"), series_year("1923")
        (2018, None)
    """
    return series_form(text).year


def numbers(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the numbers among tokens, sorted: titles whose numbers differ are not the same.

    Example:
        >>> numbers(tokens("2 Moms, Part 1"))
        ('1', '2')
    """
    return tuple(sorted(word for word in words if is_number(word)))
