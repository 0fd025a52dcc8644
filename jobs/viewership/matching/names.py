"""The catalogue's series names: which series a text names, and which one a title begins with."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.titles import SeriesForm, numbers, series_form, tokens
from jobs.viewership.matching.guards import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.viewership.matching.model import MatchRules

__all__ = ["NamedSeries", "SeriesAlias", "SeriesName", "SeriesNames", "Source", "id_codes"]

_CODED: Final = re.compile(r"([^\W_]*[^\W\d_][^\W_]*)[-_.]?\d{2,}")
_SHORTEST_SIMILAR: Final = 5
_MOST_LOOKUPS: Final = 20_000
"""Maximum number of unknown names compared with all others; a column that does not hold series has very many."""


class Source(IntEnum):
    """The place that a key's series was read from, the surest first."""

    GIVEN = 0
    TITLE = 1
    """A piece of the title, cut at a colon, dash or bar, is the name."""
    WORDS = 2
    """The title's first words are the name."""


@dataclass(frozen=True, slots=True)
class SeriesName:
    """One name of a series.

    Attributes:
        series_id: id in the catalogue.
        title: the name.
    """

    series_id: int
    title: str


@dataclass(frozen=True, slots=True)
class SeriesAlias:
    """A decision that a name means a series.

    Attributes:
        series_id: the series.
        series_key: key of the name.
        platform: None for all platforms.
    """

    series_id: int
    series_key: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """The series that a text in the column of series names.

    Attributes:
        form: the text, taken apart.
        ids: series that have the name, sorted.
        near: series with a similar name; empty if ``ids`` is not.
        words: the names that titles may begin or end with: with its year and without, the longest first.
    """

    form: SeriesForm
    ids: tuple[int, ...]
    near: tuple[int, ...] = ()
    words: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the names that titles may begin or end with."""
        words = self.form.words
        dated = () if self.form.year is None else (*words, str(self.form.year))
        object.__setattr__(self, "words", tuple(name for name in (dated, words) if name))


class SeriesNames:
    """All series names of a catalogue, inactive series included."""

    def __init__(
        self,
        names: Iterable[SeriesName],
        aliases: Iterable[SeriesAlias],
        rules: MatchRules,
        codes: Mapping[str, int] | None = None,
    ) -> None:
        self._rules = rules
        self._codes = codes or {}
        self._by_base: dict[str, dict[int, set[int | None]]] = defaultdict(lambda: defaultdict(set))
        self._by_words: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self._aliases: dict[tuple[str | None, str], set[int]] = defaultdict(set)
        self._known: dict[tuple[str, str], NamedSeries] = {}
        self._blocks: dict[str, list[str]] = defaultdict(list)
        self._words: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._lookups = 0
        for name in names:
            form = series_form(name.title)
            if not form.base:
                continue
            self._by_base[form.base][name.series_id].add(form.year)
            self._by_words[form.words].add(name.series_id)
            self._words[form.base].add(form.words)
            if form.year is not None:
                self._by_words[*form.words, str(form.year)].add(name.series_id)
        self._by_words.pop((), None)
        self._every = frozenset(word for words in self._by_words for word in words)
        self._longest = max(map(len, self._by_words), default=0)
        for base in sorted(self._by_base):
            for block in {base[:2], base[-3:]}:
                self._blocks[block].append(base)
        for alias in aliases:
            self._aliases[alias.platform, alias.series_key].add(alias.series_id)

    def given(self, platform: str, text: str) -> NamedSeries:
        """Return the series that a text in the column of series names.

        An alias of the platform comes first, then one of all platforms, then the name with its year, then without.
        """
        known = self._known.get((platform, text))
        if known is None:
            known = self._known[platform, text] = self._find(platform, text)
        return known

    def _find(self, platform: str, text: str) -> NamedSeries:
        form = series_form(text)
        for place in (platform, None):
            if ids := self._aliases.get((place, form.key)):
                return NamedSeries(form, tuple(sorted(ids)))
        named = self._by_base.get(form.base) if form.base else None
        if named is None:
            return NamedSeries(form, (), self._similar(form))
        if form.year is None:
            return NamedSeries(form, tuple(sorted(named)))
        exact = tuple(sorted(one for one, years in named.items() if form.year in years))
        if exact:
            return NamedSeries(form, exact)
        undated = tuple(sorted(one for one, years in named.items() if None in years))
        if len(named) == 1:
            return NamedSeries(form, undated)
        return NamedSeries(form, (), undated)

    def _similar(self, form: SeriesForm) -> tuple[int, ...]:
        from rapidfuzz import fuzz, process

        if len(form.base) < _SHORTEST_SIMILAR or self._lookups >= _MOST_LOOKUPS:
            return ()
        self._lookups += 1
        choices = sorted({*self._blocks.get(form.base[:2], ()), *self._blocks.get(form.base[-3:], ())})
        found = process.extract(
            form.base,
            choices,
            scorer=fuzz.ratio,
            score_cutoff=self._rules.series_cut - self._rules.margin,
            limit=2,
        )
        if not found or found[0][1] < self._rules.series_cut:
            return ()
        if len(found) > 1 and found[0][1] - found[1][1] < self._rules.margin:
            return ()
        best = found[0][0]
        if _digits(best) != numbers(form.words) or not any(
            aligned(form.words, words, self._every) for words in self._words[best]
        ):
            return ()
        return tuple(sorted(self._by_base[best]))

    def coded(self, parts: Iterable[str]) -> int | None:
        """Return the series whose code an id begins with, or an id inside it: ``HL`` of ``HL-0101``."""
        found = {self._codes[code] for code in id_codes(parts) if code in self._codes}
        return found.pop() if len(found) == 1 else None

    def inside(self, words: tuple[str, ...], heads: Iterable[str]) -> tuple[tuple[int, ...], Source, tuple[str, ...]]:
        """Return the series whose name a title begins with, where it was found, and the words of its name.

        Args:
            words: tokens of the title.
            heads: the title's beginnings before each colon, dash and bar, and its end after the last one.
        """
        best: tuple[str, ...] = ()
        for head in heads:
            found = tokens(head)
            if len(found) > len(best) and found in self._by_words:
                best = found
        if words in self._by_words:
            best = words
        if best:
            return tuple(sorted(self._by_words[best])), Source.TITLE, best
        for length in range(min(len(words), self._longest), 0, -1):
            if ids := self._by_words.get(words[:length]):
                return tuple(sorted(ids)), Source.WORDS, words[:length]
        return (), Source.WORDS, ()


def id_codes(parts: Iterable[str]) -> set[str]:
    """Return possible series codes in an id and in the ids inside it.

    Example:
        >>> id_codes(["hl-0101"])
        {'hl'}
    """
    return {match[1] for part in parts if (match := _CODED.fullmatch(part))}


def _digits(key: str) -> tuple[str, ...]:
    return tuple(sorted(part for part in key.split(" ") if part[:1].isdecimal()))
