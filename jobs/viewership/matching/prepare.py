"""Take keys apart for the cascade: forms of titles, series, numbers and ids."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.viewership.keys.ids import id_parts
from jobs.viewership.keys.numbering import is_range, season_episode, whole_number
from jobs.viewership.keys.text import cleaned
from jobs.viewership.keys.titles import TitleForm, is_noise, joined, title_form, tokens, undecorated, without_article
from jobs.viewership.keys.words import wordset
from jobs.viewership.matching.names import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from jobs.viewership.matching.names import SeriesNames

__all__ = ["FORM", "REST", "SEGMENT", "MatchKey", "Prepared", "generic", "prepare"]

FORM: Final = 0
"""The title as it is."""
REST: Final = 1
"""The title without the name of its series."""
SEGMENT: Final = 2
"""One of the segments that a slash joins: it proposes episodes, since the other segment may be of another one."""

_BORDER: Final = re.compile(r"\s*[:|]\s+|\s+-+\s+|\s+-+$")
# A border, or digits: a border replaces season and episode numbers.
_MAY_BE_CUT: Final = re.compile(r"[:|-]|\d")
_SLASH: Final = re.compile(r"\s+/\s+")
# The most common words of episode titles: titles of them alone ("The Last Day") are in many series.
_GENERIC: Final = wordset(
    "pilot finale premiere reunion special specials christmas halloween thanksgiving easter valentines"
    " introduction intro trailer teaser recap bonus extra extras part chapter week year season series episode"
    " best worst most moments compilation highlights behind scenes live show interview update updates follow"
    " opener closer marathon preview clip clips holiday aftershow outtakes bloopers making beginning end final"
    " the a an and of in on at to for with from by up out over under into back before after then there here"
    " where are they now is it i you we he she my your me her his our all every no not one two three four five"
    " first new again love life death dead die kill killer murder crime blood war trial justice law truth lie"
    " lies secret secrets night nights day days time times man men woman women girl girls boy boys child"
    " children baby family friend friends enemy enemies stranger strangers king queen god devil angel angels"
    " ghost ghosts dog cat house home world city town street road way bridge tower island river sea water fire"
    " ice storm rain sky sun moon star stars winter summer spring fall rise rising dark light shadow shadows"
    " black white red blue green gold golden silver lost found last long little big old young good bad great"
    " wild hard easy hidden broken perfect dangerous dream dreams heart hearts dance music song party wedding"
    " game games money power trouble revenge return returns run hunt hunter journey silence promise letter ring"
    " crown mirror key test train nothing something everything"
)
_LONG_WORD: Final = 9
"""Letters from which a title of one word is rare: "Exposed" and "Trapped" are episodes of many series."""


class MatchKey(NamedTuple):
    """The fields in which a platform names an episode, one key per distinct combination.

    Attributes:
        key: number of the key.
        platform: the platform.
        content_name: title.
        content_name_2: second title, such as the name of a clip.
        series: series.
        season: season.
        episode: episode.
        content_id: id of the content.
    """

    key: int
    platform: str
    content_name: str | None = None
    content_name_2: str | None = None
    series: str | None = None
    season: str | None = None
    episode: str | None = None
    content_id: str | None = None


@dataclass(slots=True)
class Prepared:
    """A parsed key.

    Attributes:
        key: number of the key.
        platform: platform, folded.
        forms: key, kind (FORM, REST or SEGMENT) and tokens of each form of its titles.
        titles: its titles, except placeholders and the name of the series alone.
        series: series id -> where it comes from.
        near: series with a similar name.
        given: the row has a series.
        season: season, from the columns or the title.
        episode: episode, likewise.
        columns: season and episode of the columns alone.
        ids: the content id and ids inside it that the catalogue has, the longest first.
        series_key: key of the series in the column.
        content_key: key of the content id.
        cut: a title ends with an ellipsis.
        generic: the titles are too common to name an episode without a series.
        held: why no bucket may accept the key.
        notes: further reasons.
    """

    key: int
    platform: str
    forms: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)
    titles: list[TitleForm] = field(default_factory=list)
    series: dict[int, Source] = field(default_factory=dict)
    near: tuple[int, ...] = ()
    given: bool = False
    season: int | None = None
    episode: int | None = None
    columns: tuple[int | None, int | None] = (None, None)
    ids: list[str] = field(default_factory=list)
    title_key: str | None = None
    series_key: str | None = None
    content_key: str | None = None
    cut: bool = False
    generic: bool = False
    held: str | None = None
    notes: tuple[str, ...] = ()


def generic(form: TitleForm) -> bool:
    """Return whether a title is too common to name an episode without a series.

    Example:
        >>> [generic(title_form(text)) for text in ("Pilot", "Part 2", "Exposed", "She's My Sister")]
        [True, True, True, False]
    """
    return _is_generic(form.words)


# A tuple of words is compared many times over: the titles of a platform repeat in its keys.
@lru_cache(maxsize=1 << 18)
def _is_generic(words: tuple[str, ...]) -> bool:
    named = [word for word in words if word not in _GENERIC and not word[:1].isdecimal()]
    return not named or (len(named) == 1 and len(named[0]) < _LONG_WORD)


def prepare(keys: Iterable[MatchKey], names: SeriesNames, ref_keys: Collection[str]) -> list[Prepared]:
    """Parse keys.

    Args:
        keys: distinct keys.
        names: the catalogue's series.
        ref_keys: keys of all ref ids of the catalogue.
    """
    return [_one(key, names, ref_keys) for key in keys]


@lru_cache(maxsize=1024)
def _platform(text: str) -> str:
    return cleaned(text).casefold()


def _one(key: MatchKey, names: SeriesNames, ref_keys: Collection[str]) -> Prepared:
    made = Prepared(key.key, _platform(key.platform))
    texts = [text for text in (key.content_name, key.content_name_2) if text and not text.isspace()]
    forms = [title_form(text) for text in texts]
    titles = [form for form in forms if not form.placeholder]
    notes: list[str] = []
    if forms:
        made.title_key = forms[0].key
    words = _series(made, key, texts, names, notes)
    _numbers(made, key, forms, notes)
    translated = False
    for text, form in zip(texts, forms, strict=True):
        if not form.placeholder:
            _forms(made, text, form, words)
        if form.dubbed or form.language:
            translated = True
        if text.rstrip().endswith(("...", "\u2026")):
            made.cut = True
    made.titles = [form for form in titles if form.words not in words] if words else titles
    made.generic = all(map(generic, made.titles))
    if forms and not titles:
        notes.append("PLACEHOLDER")
    if translated:
        notes.append("TRANSLATED")
    if key.content_id and not key.content_id.isspace():
        _ids(made, id_parts(key.content_id), names, ref_keys, notes)
    made.notes = tuple(notes)
    return made


def _ids(made: Prepared, parts: list[str], names: SeriesNames, ref_keys: Collection[str], notes: list[str]) -> None:
    if not parts:
        notes.append("MANGLED_ID")
        return
    made.content_key = parts[0]
    made.ids = [part for part in parts if part in ref_keys]
    if not made.ids:
        _coded(made, names.coded(parts), notes)


def _series(
    made: Prepared, key: MatchKey, texts: Sequence[str], names: SeriesNames, notes: list[str]
) -> tuple[tuple[str, ...], ...]:
    """Fill in the series, and return the names that the titles may begin or end with, the longest first."""
    if key.series and not key.series.isspace():
        named = names.given(made.platform, key.series)
        form = named.form
        made.given = True
        made.series_key = form.key
        made.series = dict.fromkeys(named.ids, Source.GIVEN)
        made.near = named.near
        made.season = form.season
        made.episode = form.episode
        if not named.ids:
            notes.append("SERIES_UNKNOWN")
        if form.language or form.dubbed:
            notes.append("TRANSLATED")
        return named.words
    words: set[tuple[str, ...]] = set()
    for text in texts:
        pieces, rest = _pieces(text)
        borders = list(_BORDER.finditer(rest))
        heads = [rest[: border.start()] for border in borders]
        if borders:
            heads.append(rest[borders[-1].end() :])
        ids, source, found = names.inside(title_form(text).words, heads)
        if source is not Source.TITLE:
            # Neither the beginning nor the end is a name: "The Storm | Harbour Lights | Clip".
            ids, source, found = names.inside(title_form(text).words, (*heads, *pieces[1:-1]))
        if found:
            words.add(found)
        for one in ids:
            made.series[one] = min(source, made.series.get(one, source))
    # Also sorted by their words: the order of a set differs between processes.
    return tuple(sorted(words, key=lambda name: (-len(name), name)))


def _pieces(text: str) -> tuple[list[str], str]:
    """Return the pieces of a title between colons, dashes and bars, and the whole, without additions and numbers."""
    text = cleaned(text)
    if _MAY_BE_CUT.search(text) is None:  # most titles; to split them takes a third of the time of all keys
        rest = undecorated(text).text
        return [rest], rest
    rest = season_episode(undecorated(text).text).rest
    ends = [(0, 0), *(border.span() for border in _BORDER.finditer(rest)), (len(rest), len(rest))]
    spans = [(one[1], other[0]) for one, other in pairwise(ends)]
    kept = [span for span in spans if not is_noise(rest[slice(*span)])]
    if len(kept) in {0, len(spans)}:
        return [rest[slice(*span)] for span in spans], rest
    pieces = [rest[slice(*span)] for span in kept]
    return pieces, " | ".join(pieces)


def _coded(made: Prepared, series: int | None, notes: list[str]) -> None:
    """Take the series from the code that an unknown id begins with: it tells remakes apart, and titles in common."""
    if series is None:
        return
    if series in made.series and len(made.series) > 1:
        made.series = {series: made.series[series]}
        notes.append("SERIES_CODE")
    elif not made.given:
        made.series = {series: Source.TITLE}
        notes.append("SERIES_CODE")


def _numbers(made: Prepared, key: MatchKey, forms: Sequence[TitleForm], notes: list[str]) -> None:
    season, episode = whole_number(key.season), whole_number(key.episode)
    made.columns = (season, episode)
    if is_range(key.episode) or any(form.several for form in forms):
        made.held = "SEVERAL_EPISODES"
    named = ((made.season, made.episode), *((form.season, form.episode) for form in forms))
    for its_season, its_episode in named:
        if _differ(season, its_season) or _differ(episode, its_episode):
            made.held = made.held or "NUMBERS_TWICE"
        season = its_season if season is None else season
        episode = its_episode if episode is None else episode
    made.season, made.episode = season, episode
    if made.held:
        notes.append(made.held)


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _forms(made: Prepared, text: str, form: TitleForm, names: tuple[tuple[str, ...], ...]) -> None:
    words = form.words
    found = [(form.key, FORM, words)]
    pieces, _ = _pieces(text) if names else ([], "")
    for name in names:
        length = len(name)
        if (one := _without_piece(pieces, name)) is not None:
            found.append((one.key, REST, one.words))
        elif (words[:length] == name and (rest := without_article(words[length:]))) or (
            words[-length:] == name and (rest := words[:-length])
        ):
            found.append((joined(rest), REST, rest))
    if " / " in text:
        segments = [title_form(segment) for segment in _SLASH.split(cleaned(text))]
        found += [(one.key, SEGMENT, one.words) for one in segments if not one.placeholder]
    if made.forms:
        found = [one for one in found if one not in made.forms]
    made.forms += found


def _without_piece(pieces: Sequence[str], name: tuple[str, ...]) -> TitleForm | None:
    """Return a title without its first piece that is the name; None if no piece is, or if no title is left.

    The tokens of the whole title cannot be cut instead: a part number moves to the end, and an inner article stays.
    """
    for at, piece in enumerate(pieces):
        if len(pieces) > 1 and tokens(piece) == name:
            form = title_form(" | ".join((*pieces[:at], *pieces[at + 1 :])))
            return None if form.placeholder else form
    return None
