"""Gaps: episodes that platforms report but the catalogue lacks, with the rows and hours that wait for them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.versions import current_version
from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.numbering import season_episode, whole_number
from jobs.viewership.keys.numbers import is_number
from jobs.viewership.keys.text import cleaned
from jobs.viewership.keys.titles import numbers, series_form, title_form, undecorated
from jobs.viewership.matching.fuzzy import title_words
from jobs.viewership.matching.guards import aligned
from jobs.viewership.matching.known import series_names
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.names import Source
from jobs.viewership.matching.prepare import MatchKey, generic, prepare
from jobs.viewership.model import exact_sum
from jobs.viewership.phases.match import DEFAULT_RULES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

    from jobs.viewership.matching.prepare import Prepared
    from shared.database.session import DatabaseSession

__all__ = ["Counted", "Gap", "Gaps", "find_gaps"]

# Evidence for an episode that the catalogue has: a reviewer decides on the key, and no episode is missing.
_HELD: Final = frozenset({"SEVERAL_EPISODES", "NUMBERS_TWICE", "ALIASES_DISAGREE", "INACTIVE"})
_SIMILAR: Final = 82.0
"""Similarity from which a title may be another spelling of one in the catalogue; importing it would duplicate that."""
_BORDER: Final = re.compile(r"\s*[:|]\s+|\s+-+\s+")
_MOST_CHARS: Final = 500


@dataclass(slots=True)
class Counted:
    """Keys that do not count as gaps, and their rows.

    Attributes:
        keys: number of keys.
        rows: number of rows.
        hours: their hours.
    """

    keys: int = 0
    rows: int = 0
    hours: Decimal = Decimal()

    def add(self, row: Any) -> None:
        """Count the rows of one key."""
        self.keys += 1
        self.rows += row.rows
        self.hours = exact_sum((self.hours, row.hours))


@dataclass(slots=True)
class Gap:
    """An episode that the catalogue lacks.

    Attributes:
        series: name of the series, of the catalogue if it is known; None if no row names one.
        series_code: its code in the catalogue.
        known: the catalogue has the series.
        season: season.
        episode: episode.
        title: title.
        platforms: platforms that report it.
        content_ids: their ids.
        keys: numbers of the keys.
        rows: rows that wait.
        hours: their hours.
        revenue: their revenue.
        first: their first day.
        last: their last day.
        similar: the most similar title of the catalogue: title and similarity, 0 to 100.
    """

    series: str | None
    series_code: str | None
    known: bool
    season: str | None
    episode: str | None
    title: str | None
    platforms: tuple[str, ...] = ()
    content_ids: tuple[str, ...] = ()
    keys: tuple[int, ...] = ()
    rows: int = 0
    hours: Decimal = Decimal()
    revenue: Decimal = Decimal()
    first: date | None = None
    last: date | None = None
    similar: tuple[str, float] | None = None


@dataclass(slots=True)
class Gaps:
    """All gaps, and what else waits for a match.

    Attributes:
        version: version of the catalogue.
        gaps: most hours first.
        placeholders: keys such as "Episode 4" or TBA, which name no episode.
        reviews: keys for which the catalogue has at least one episode, or may have one under a similar title.
    """

    version: int
    gaps: list[Gap] = field(default_factory=list)
    placeholders: Counted = field(default_factory=Counted)
    reviews: Counted = field(default_factory=Counted)


_OPEN: Final = """
    SELECT k.key_id, k.platform, k.content_name, k.content_name_2, k.series, k.season, k.episode, k.content_id,
        m.candidates, ARRAY(SELECT reason ->> 'code' FROM jsonb_array_elements(m.reasons) reason) AS reasons,
        sums.rows, sums.hours, sums.revenue, sums.first, sums.last
    FROM viewership.matches m
    JOIN viewership.keys k USING (key_id)
    JOIN LATERAL (
        SELECT count(*) AS rows, COALESCE(sum(r.tot_hov), 0) AS hours, COALESCE(sum(r.revenue), 0) AS revenue,
            min(r.date) AS first, max(r.date) AS last
        FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
        WHERE r.key_id = m.key_id AND u.status IN ('matched', 'loaded', 'partial')
    ) sums ON sums.rows > 0
    WHERE m.status IN ('unmatched', 'review') AND (:every OR k.platform = ANY (CAST(:platforms AS text[])))
    ORDER BY k.key_id
"""


def find_gaps(session: DatabaseSession, platforms: Sequence[str] = ()) -> Gaps:
    """Return the episodes that the catalogue lacks.

    Keys of one series and title are one gap, even if some platforms leave season or episode empty.

    Args:
        session: a transaction.
        platforms: only keys of these platforms; empty means all.
    """
    found = Gaps(current_version(session))
    rows = session.rows(_OPEN, every=not platforms, platforms=list(platforms))
    names = series_names(session, RULES[DEFAULT_RULES])
    keys = [MatchKey(*row[:8]) for row in rows]
    known = _series(session)
    titles = _titles(session, rows)
    words = _words(session, titles)
    groups: dict[tuple[Any, ...], list[Gap]] = defaultdict(list)
    for row, one in zip(rows, prepare(keys, names, ()), strict=True):
        if "PLACEHOLDER" in row.reasons and not _numbered(one):
            found.placeholders.add(row)
        elif _HELD.intersection(row.reasons) or any(
            any(name != "FUZZY" for name in candidate.get("found_by", ()))
            or _same(one, candidate["score"], titles.get(candidate["episode_id"], ()), words)
            for candidate in row.candidates
        ):
            found.reviews.add(row)
        else:
            gap, group = _gap(row, one, known)
            groups[group].append(gap)
    merged = [gap for members in groups.values() for gap in _merged(members)]
    for gap in merged:
        gap.similar = (
            (titles[gap.similar[0]][0][0], gap.similar[1]) if gap.similar and gap.similar[0] in titles else None
        )
    found.gaps = sorted(merged, key=lambda gap: (-gap.hours, -gap.rows, gap.series or "", gap.title or "", gap.keys))
    return found


def _numbered(one: Prepared) -> bool:
    """Return whether a key without a title names an episode of a known series by its numbers."""
    return bool(one.series) and one.season is not None and one.episode is not None


def _series(session: DatabaseSession) -> dict[int, tuple[str, str | None]]:
    rows = session.rows(
        "SELECT s.id, t.title, s.code FROM catalog.series s"
        " JOIN catalog.series_titles t ON t.series_id = s.id AND t.main"
    )
    return {row.id: (row.title, row.code) for row in rows}


def _titles(session: DatabaseSession, keys: Iterable[Any]) -> dict[Any, list[tuple[str, tuple[str, ...]]]]:
    """Return the titles of all candidates with their tokens, main titles first."""
    found: dict[int, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for row in session.rows(
        "SELECT episode_id, title FROM catalog.episode_titles WHERE episode_id = ANY (CAST(:ids AS bigint[]))"
        " ORDER BY episode_id, main DESC, language, position",
        ids=list({candidate["episode_id"] for key in keys for candidate in key.candidates}),
    ):
        found[row.episode_id].append((row.title, title_form(row.title).words))
    return found


def _words(session: DatabaseSession, episodes: Iterable[int]) -> frozenset[str]:
    """Return the words of all titles in the series of these episodes."""
    rows = session.rows(
        "SELECT t.title FROM catalog.episode_titles t JOIN catalog.episodes e ON e.id = t.episode_id"
        " WHERE e.series_id IN (SELECT series_id FROM catalog.episodes WHERE id = ANY (CAST(:ids AS bigint[])))",
        ids=list(episodes),
    )
    return frozenset(word for row in rows for word in title_words(row.title))


def _same(one: Prepared, score: float, titles: Iterable[tuple[str, tuple[str, ...]]], known: Collection[str]) -> bool:
    """Return whether a key may mean a similar episode: misspelled, without the part number, or with additions.

    A title with a number that the episode's title lacks is another one: the catalogue may have only the first part.

    Args:
        one: the key.
        score: similarity of the episode.
        titles: titles of the episode, with their tokens.
        known: words of the catalogue; one of them is not a typing error for another.
    """
    for text, its in titles:
        if score >= _SIMILAR and any(
            form and _among(numbers(mine), numbers(its)) and _spelled(mine, its, known) for form, _, mine in one.forms
        ):
            return True
        if not generic(title_form(text)) and any(_contains(form.words, its) for form in one.titles):
            return True
    return False


def _spelled(mine: tuple[str, ...], its: tuple[str, ...], known: Collection[str]) -> bool:
    """Return whether two titles may be spellings of one: the catalogue knows no word that only the first one has."""
    return aligned(mine, its, known) or not any(word in known for word in mine if word not in its)


def _among(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return not Counter(some) - Counter(others)


def _contains(words: tuple[str, ...], title: tuple[str, ...]) -> bool:
    """Return whether tokens contain a title of several words. Part numbers come last, wherever they were written."""
    named = tuple(word for word in title if not is_number(word))
    left = tuple(word for word in words if not is_number(word))
    size = len(named)
    return (
        size > 1
        and _among(numbers(title), numbers(words))
        and any(left[at : at + size] == named for at in range(len(left) - size + 1))
    )


def _gap(row: Any, one: Prepared, known: dict[int, tuple[str, str | None]]) -> tuple[Gap, tuple[Any, ...]]:
    """Return the gap of one key, and the values that it shares with other keys of the same episode."""
    ids = [each for each, source in one.series.items() if source is not Source.WORDS] or list(one.near)
    series, code, identity = None, None, ("", "")
    if len(ids) == 1:
        series, code = known[ids[0]]
        identity = ("id", str(ids[0]))
    elif row.series and row.series.strip():
        series = undecorated(cleaned(row.series)).text[:_MOST_CHARS]
        identity = ("name", series_form(row.series).key)
    season, episode = _number(one.season, row.season), _number(one.episode, row.episode)
    title = _title((row.content_name, row.content_name_2), series)
    group = (*identity, title_form(title).key) if title else (*identity, "", season, episode)
    best = max(row.candidates, key=lambda candidate: candidate["score"], default=None)
    gap = Gap(
        series,
        code,
        bool(ids),
        season,
        episode,
        title,
        platforms=(row.platform,),
        content_ids=(row.content_id,) if row.content_id and id_key(row.content_id) else (),
        keys=(row.key_id,),
        rows=row.rows,
        hours=row.hours,
        revenue=row.revenue,
        first=row.first,
        last=row.last,
        similar=(best["episode_id"], best["score"]) if best else None,
    )
    return gap, group


def _number(value: int | None, text: str | None) -> str | None:
    if value is not None:
        return str(value)
    return (cleaned(text)[:50] or None) if text and whole_number(text) is None else None


def _title(texts: Iterable[str | None], series: str | None) -> str | None:
    """Return the title of a key without additions, numbers and the series name at either end."""
    for text in texts:
        if not text or text.isspace() or title_form(text).placeholder:
            continue
        found = undecorated(cleaned(text)).text
        if (rest := season_episode(found).rest) and not title_form(rest).placeholder:
            found = rest
        borders = list(_BORDER.finditer(found))
        if series and borders:
            name, first, last = series_form(series).base, borders[0], borders[-1]
            if series_form(found[: first.start()]).base == name and found[first.end() :].strip():
                found = found[first.end() :]
            elif series_form(found[last.end() :]).base == name and found[: last.start()].strip():
                found = undecorated(found[: last.start()]).text
        return found.strip()[:_MOST_CHARS] or None
    return None


def _merged(members: Sequence[Gap]) -> list[Gap]:
    """Return gaps of one title with equal numbers as one; empty numbers fit if the others agree."""
    by_numbers: dict[tuple[str | None, str | None], list[Gap]] = defaultdict(list)
    for gap in members:
        by_numbers[gap.season, gap.episode].append(gap)
    full = [numbers for numbers in by_numbers if None not in numbers]
    if len(full) == 1:
        for numbers in list(by_numbers):
            if numbers != full[0] and all(mine in (None, its) for mine, its in zip(numbers, full[0], strict=True)):
                by_numbers[full[0]] += by_numbers.pop(numbers)
    return [_sum(each) for each in by_numbers.values()]


def _sum(members: Sequence[Gap]) -> Gap:
    first = max(members, key=lambda gap: (gap.hours, gap.rows))
    days = [day for gap in members for day in (gap.first, gap.last) if day is not None]
    ids = {id_key(text): text for gap in members for text in gap.content_ids}
    numbered = next((gap for gap in members if gap.season and gap.episode), first)
    return replace(
        first,
        season=numbered.season,
        episode=numbered.episode,
        platforms=tuple(sorted({name for gap in members for name in gap.platforms})),
        content_ids=tuple(sorted(ids.values())),
        keys=tuple(sorted(key for gap in members for key in gap.keys)),
        rows=sum(gap.rows for gap in members),
        hours=exact_sum(gap.hours for gap in members),
        revenue=exact_sum(gap.revenue for gap in members),
        first=min(days, default=None),
        last=max(days, default=None),
        similar=max((gap.similar for gap in members if gap.similar), key=lambda one: one[1], default=None),
    )
