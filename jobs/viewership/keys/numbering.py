"""Season and episode inside titles, and what is left of the title without them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Numbering", "season_episode", "whole_number"]

_SEASON: Final = r"(?:seasons?|series|temporada|saison|staffel|temp\.?|stagione|сезон)"
_EPISODE: Final = r"(?:episodes?|episodios?|épisodes?|episódios?|folge|puntata|ep[s]?\.?|capítulo|capitulo|cap\.|серия)"
_GAP: Final = r"[\s:,.\-_/|]{0,4}"
# A range (S01E03-E04, S01E03E04) is one airing of several episodes: none of them is the episode.
_RANGE: Final = r"(?:\s?[-&+]?\s?e(?:p\.?)?\s?\d{1,4}|-\d{1,4}(?!\d))?"

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
_SHORT: Final = re.compile(r"^\s*[(\[]?e\s?(\d{2,4})[)\]]?(?=\s*(?:$|[:.\-|]))", re.IGNORECASE)
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


def _without(text: str, match: re.Match[str]) -> str:
    rest = f"{text[: match.start()]} - {text[match.end() :]}"
    rest = _HOLLOW.sub(" ", rest)
    return " ".join(_DOUBLED.sub(r" \1 ", rest).split()).strip(_EDGE)


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
            several = bool(match[3])
            return Numbering(_without(text, match), int(match[1]), None if several else int(match[2]), several)
    if match := _ONE.search(text) or _SHORT.search(text):
        return Numbering(_without(text, match), None, int(match[1]))
    if match := _ALONE.search(text):
        return Numbering(_without(text, match), int(match[1]))
    return Numbering(text)


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
