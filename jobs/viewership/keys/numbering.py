"""Season and episode inside titles, and what is left of the title without them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Numbering", "is_range", "season_episode", "whole_number"]

_SEASON: Final = r"(?:seasons?|series|temporada|saison|staffel|temp\.?|stagione|сезон)"
_EPISODE: Final = r"(?:episodes?|episodios?|épisodes?|episódios?|folge|puntata|ep[s]?\.?|capítulo|capitulo|cap\.|серия)"
_GAP: Final = r"[\s:,.\-_/|]{0,4}"
# A range (S01E03-E04, S01E03E04) is one airing of several episodes: none of them is the episode.
_RANGE: Final = r"(?:\s?[-&+]?\s?e(?:p\.?)?\s?\d{1,4}|-\d{1,4}(?!\d))?"
# Another episode after the first: "/E02", " and 2", "-1x02", " - S01E02".
_MORE: Final = re.compile(
    r"(?P<link>\s*[-&+/,~]\s*|\s+(?:and|to|thru|through|y|et|und|bis|a)\s+)"
    r"(?:(?P<full>[st]\s?\d{1,4}[\s:,.\-_]{0,4}e(?:p\.?)?\s?|\d{1,2}\s?x\s?)|(?P<word>" + _EPISODE + r"\s?|e\s?))?"
    r"(?P<number>\d{1,4})(?![^\W_])",
    re.IGNORECASE,
)
# A number without a word is an episode only if no title follows it: "Episode 1 and 2 Moms".
_BORDER: Final = re.compile(r"\s*(?:$|[:|)\]]|-\s)")

_BOTH: Final = (
    # S03E140, S11:E32, S01 - E01, S1.E3, T5:E3 (temporada)
    re.compile(rf"(?<![^\W_])[st]\s?(\d{{1,4}}){_GAP}e(?:p\.?)?\s?(\d{{1,4}})({_RANGE})(?![^\W_])", re.IGNORECASE),
    # Season 5 - Episode 79, Season - 5 - Episode - 79, Series 5, Ep. 79
    re.compile(
        rf"(?<![^\W_])(?:{_SEASON}|s){_GAP}(\d{{1,4}}){_GAP}{_EPISODE}{_GAP}(\d{{1,4}})({_RANGE})(?![^\W_])",
        re.IGNORECASE,
    ),
    # 3x05; at least two digits: 4x4 is a car
    re.compile(r"(?<![^\W_])(\d{1,2})\s?x\s?(\d{2,3})()(?![^\W_])", re.IGNORECASE),
)
_ONE: Final = re.compile(rf"(?<![^\W_]){_EPISODE}{_GAP}(\d{{1,4}})(?![^\W_])", re.IGNORECASE)
_SHORT: Final = re.compile(r"^\s*[(\[]?e\s?(\d{2,4})[)\]]?(?=\s*(?:$|[:.\-|/&+,]))", re.IGNORECASE)
_ALONE: Final = re.compile(
    rf"(?:^|(?<=[:|(\[,-])|(?<=[-|]\s))\s*{_SEASON}\s(\d{{1,3}})\s*(?=$|[:|)\],]|\s?-\s)", re.IGNORECASE
)
_DIGIT: Final = re.compile(r"\d")
# One search instead of six for the many titles with a number of another kind.
_GATE: Final = re.compile(
    rf"(?<![^\W_])(?:\d{{1,2}}\s?x\s?\d|(?:[ste]|{_SEASON}|{_EPISODE})[\s:,.\-_/|]{{0,4}}\d)", re.IGNORECASE
)
# Of stripped text: two \s* next to each other try every split of a run of spaces.
_WHOLE: Final = re.compile(r"(?:season|series|episode|ep\.?|s|e|#)?\s*([0-9]{1,9})(?:\.0+)?", re.IGNORECASE)
_HOLLOW: Final = re.compile(r"[(\[{]\s*[-:,.|]*\s*[)\]}]")
_EDGE: Final = " \t-:|,/_"
_DOUBLED: Final = re.compile(r"\s*([-:|])(?:\s*[-:|])+\s*")


class Numbering(NamedTuple):
    """Season and episode as a title names them.

    Attributes:
        rest: the title without them.
        season: None if the title names none.
        episode: None if the title names none, or several.
        several: the title names a range of episodes.
    """

    rest: str
    season: int | None = None
    episode: int | None = None
    several: bool = False


def _without(text: str, start: int, end: int) -> str:
    rest = f"{text[:start]} - {text[end:]}"
    rest = _HOLLOW.sub(" ", rest)
    return " ".join(_DOUBLED.sub(r" \1 ", rest).split()).strip(_EDGE)


def _end_of_range(text: str, end: int, episode: int) -> int | None:
    """Return where the episodes that follow the first one end; None if no episode follows.

    After a comma, a slash or a spaced dash, only the next number is another episode: "Episode 5/10" is episode 5 of 10.
    """
    found, last, at = None, episode, end
    while match := _MORE.match(text, at):
        number, link = int(match["number"]), match["link"]
        loose = link.strip() in {",", "/"} or link.strip() == "-" != link
        if number <= last or (loose and not match["full"] and number != last + 1):
            break
        last, at = number, match.end()
        if match["full"] or match["word"] or _BORDER.match(text, at):
            found = at
    return found


def season_episode(text: str) -> Numbering:
    """Read season and episode from a title; a part is not an episode.

    Args:
        text: cleaned text.

    Example:
        >>> season_episode("S01:E03 - She's My Sister")
        Numbering(rest="She's My Sister", season=1, episode=3, several=False)
        >>> season_episode("Harbour Lights S01 - E01 - The Storm - Part 01").rest
        'Harbour Lights - The Storm - Part 01'
        >>> season_episode("The Storm - Part 01").episode
    """
    if _DIGIT.search(text) is None or _GATE.search(text) is None:
        return Numbering(text)
    for pattern in _BOTH:
        if match := pattern.search(text):
            return _numbering(text, match, int(match[1]), int(match[2]), several=bool(match[3]))
    if match := _ONE.search(text) or _SHORT.search(text):
        return _numbering(text, match, None, int(match[1]))
    if match := _ALONE.search(text):
        return Numbering(_without(text, *match.span()), int(match[1]))
    return Numbering(text)


def _numbering(
    text: str, match: re.Match[str], season: int | None, episode: int, *, several: bool = False
) -> Numbering:
    end = _end_of_range(text, match.end(), episode)
    several = several or end is not None
    rest = _without(text, match.start(), end or match.end())
    return Numbering(rest, season, None if several else episode, several)


@lru_cache(maxsize=4096)
def is_range(text: str | None) -> bool:
    """Return whether the text of an episode column names several episodes.

    Example:
        >>> is_range("1-2"), is_range("E1 & E2"), is_range("1"), is_range("12A")
        (True, True, False, False)
    """
    if text is None or whole_number(text) is not None:
        return False
    return any(season_episode(prefix + text.strip()).several for prefix in ("", "episode ", "s1 "))


@lru_cache(maxsize=4096)
def whole_number(text: str | None) -> int | None:
    """Return a season or episode as a number: ``"01"`` and ``"1.0"`` are 1, ``"12A"`` is not a number.

    Example:
        >>> whole_number("01"), whole_number("12A"), whole_number(None)
        (1, None, None)
    """
    if text is None:
        return None
    match = _WHOLE.fullmatch(text.strip())
    return int(match[1]) if match else None
