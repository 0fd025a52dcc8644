"""Words that platforms use around and instead of titles, folded."""

from __future__ import annotations

from typing import Final

__all__ = ["DUBBED", "KIN", "LANGUAGES", "NOISE", "NUMBERED_WORDS", "PLACEHOLDERS", "values", "wordset"]


def wordset(text: str) -> frozenset[str]:
    """Return the words of a text.

    Example:
        >>> sorted(wordset("b a"))
        ['a', 'b']
    """
    return frozenset(text.split())


def values(text: str, *, first: int) -> dict[str, int]:
    """Number the words of a text.

    Example:
        >>> values("one two", first=1)
        {'one': 1, 'two': 2}
    """
    return {word: value for value, word in enumerate(text.split(), start=first)}


LANGUAGES: Final[dict[str, str]] = {
    name: tag
    for tag, names in {
        "es-419": ("las", "lat", "latam", "latino", "es 419", "es la", "latin american spanish"),
        "es": ("spanish", "espanol", "en espanol", "es", "esp"),
        "es-es": ("castellano", "castilian"),
        "en": ("english", "en ingles", "eng"),
        "fr": ("french", "francais", "vf", "vostfr"),
        "de": ("german", "deutsch"),
        "pt": ("portuguese", "portugues"),
        "pt-br": ("brazilian portuguese", "portugues brasil"),
        "it": ("italian", "italiano"),
    }.items()
    for name in names
}
"""Name of a language in an addition such as ``(LAS)`` -> BCP 47 tag."""

DUBBED: Final = wordset("dubbed dub doblado doblada doublage dublado subtitled sub subbed subtitulado cc")
"""Words of an addition that names a dubbed or subtitled version."""

NOISE: Final = frozenset(
    [
        *("full episode", "full episodes", "complete episode", "episodio completo", "capitulo completo", "full ep"),
        *("hd", "uhd", "4k", "1080p", "720p", "hq", "full hd", "remastered", "new episode", "official", "rerun"),
    ]
)
"""Additions that name nothing. Countries are absent: (US) and (UK) tell series apart."""

PLACEHOLDERS: Final = wordset(
    "unknown unknowntitle unknownepisode untitled untitledepisode untitledproject unnamed noname notitle tba tbd tbc"
    " tobeannounced tobedetermined tobeconfirmed na none null nan notavailable notapplicable notset notprovided nodata"
    " noinfo noinformation unavailable unspecified undefined missing blank empty pending placeholder default generic"
    " title episode episodetitle seriestitle test other others total various varios slot video live program programme"
    " show movie film paidprogram paidprogramming sintitulo desconocido sansnom sanstitre ohnetitel unbekannt"
)
"""Titles that name no episode, their words joined."""

KIN: Final = wordset(
    "mother father brother sister stepmother stepfather stepbrother stepsister grandmother grandfather daughter husband"
    " boyfriend girlfriend mister godmother godfather grandson granddaughter fiance fiancee niece nephew uncle cousin"
)
"""Words for relatives. Two of them may be only an edit or two apart but name different people: mother, brother."""

NUMBERED_WORDS: Final = wordset(
    "episode ep eps episodio folge capitulo season series temporada saison staffel video clip program segment item"
    " asset untitled unknown show title tba tbd puntata s e серия сезон эпизод"
)
"""Words that with a number alone name no episode: "Episode 4", "Clip 12"."""
