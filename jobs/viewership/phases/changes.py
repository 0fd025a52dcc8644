"""Changes of the catalogue since a version: what changed, with its keys, names and words from before and after."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.columns import title_column
from jobs.viewership.catalog.store import episode_title_keys
from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.titles import series_form
from jobs.viewership.matching.fuzzy import title_words
from jobs.viewership.matching.names import SeriesName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = ["Changes", "changes_since", "places_changed"]

PLACES: Final = ("deal", "channel", "territory")
"""Kinds of entities that determine the scopes of rows, not their episodes."""


@dataclass(slots=True)
class Changes:
    """Changes after one version of the catalogue, up to another one.

    Attributes:
        since: the version before the changes.
        version: the version after them.
        everything: the rules of the keys changed, which may affect every key.
        count: number of changed series, episodes and aliases.
        episodes: changed episodes, and those of changed series.
        series: changed series, and those of changed episodes and aliases.
        aliases: changed aliases.
        title_keys: keys of the titles of changed episodes, old and new.
        ref_keys: keys of their ref ids, old and new.
        codes: keys of the codes of ``series``, old and new.
        names: names of ``series``, old and new.
        name_words: words of series names that were added or removed.
        drift: word of a title that was added or removed -> least and most change in the number of titles with it.
    """

    since: int
    version: int
    everything: bool = False
    count: int = 0
    episodes: set[int] = field(default_factory=set)
    series: set[int] = field(default_factory=set)
    aliases: set[int] = field(default_factory=set)
    title_keys: set[str] = field(default_factory=set)
    ref_keys: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    names: list[SeriesName] = field(default_factory=list)
    name_words: set[str] = field(default_factory=set)
    drift: dict[str, tuple[int, int]] = field(default_factory=dict)


def places_changed(session: DatabaseSession, since: int) -> bool:
    """Return whether deals, channels or territories have changed after a version."""
    return bool(
        session.rows(
            "SELECT FROM catalog.changes WHERE version > :since AND kind = ANY (:kinds) LIMIT 1",
            since=since,
            kinds=list(PLACES),
        )
    )


def changes_since(session: DatabaseSession, since: int, version: int) -> Changes:
    """Return the changes after one version, up to the current one.

    Args:
        session: a transaction in which the catalogue is pinned.
        since: the version before the changes.
        version: the current version.
    """
    made = Changes(since, version)
    if since >= version:
        return made
    rekeyed = session.rows("SELECT FROM catalog.versions WHERE version > :since AND action = 'rekey'", since=since)
    if rekeyed:
        made.everything = True
    rows = session.rows(
        "SELECT version, kind, entity_id, action, before, title_keys, series_keys, ref_keys FROM catalog.changes"
        " WHERE version > :since AND NOT kind = ANY (:places) ORDER BY version DESC, kind, entity_id",
        since=since,
        places=list(PLACES),
    )
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    made.count = len(rows)
    _aliases(session, made, by_kind["alias"])
    _series(session, made, by_kind["series"], by_kind["episode"])
    _words(session, made, by_kind["episode"])
    return made


def _aliases(session: DatabaseSession, made: Changes, rows: list[Any]) -> None:
    made.aliases = {row.entity_id for row in rows}
    found = session.rows(
        "SELECT DISTINCT series_id FROM catalog.aliases WHERE id = ANY (CAST(:ids AS bigint[]))"
        " AND series_id IS NOT NULL",
        ids=list(made.aliases),
    )
    made.series.update(row.series_id for row in found)


def _series(session: DatabaseSession, made: Changes, series: list[Any], episodes: list[Any]) -> None:
    for row in (*series, *episodes):
        made.title_keys.update(row.title_keys)
        made.ref_keys.update(row.ref_keys)
    for row in episodes:
        before = (row.before or {}).get("series_id")
        if before:
            made.series.add(int(before))
    changed = {row.entity_id for row in series}
    made.series |= changed
    episode_ids = {row.entity_id for row in episodes}
    found = session.rows(
        "SELECT id, series_id FROM catalog.episodes WHERE id = ANY (CAST(:ids AS bigint[]))"
        " OR series_id = ANY (CAST(:series AS bigint[]))",
        ids=list(episode_ids),
        series=list(changed),
    )
    made.episodes = {row.id for row in found}
    made.series.update(row.series_id for row in found if row.id in episode_ids)
    titles = session.rows(
        "SELECT series_id, title FROM catalog.series_titles WHERE series_id = ANY (CAST(:series AS bigint[]))",
        series=list(made.series),
    )
    names = {SeriesName(row.series_id, row.title) for row in titles}
    renamed = {row.entity_id for row in series if row.action == "added"}
    for row in series:
        for name, text in (row.before or {}).items():
            if _titled("series", name):
                renamed.add(row.entity_id)
                if text:
                    names.add(SeriesName(row.entity_id, text))
            elif name == "series_code" and text:
                made.codes.add(id_key(text))
    made.names = sorted(names, key=lambda one: (one.series_id, one.title))
    made.name_words = {
        word
        for name in made.names
        if name.series_id in renamed and (form := series_form(name.title)).base
        for word in (*form.words, str(form.year))
    }
    codes = session.rows(
        "SELECT code_key FROM catalog.series WHERE id = ANY (CAST(:series AS bigint[])) AND code_key <> ''",
        series=list(made.series),
    )
    made.codes.update(row.code_key for row in codes)
    made.codes.discard("")


def _words(session: DatabaseSession, made: Changes, episodes: list[Any]) -> None:
    """Go back through the titles of the changed episodes, version by version, and count the words of each state."""
    ids = list({row.entity_id for row in episodes})
    titles: dict[int, dict[str, str]] = defaultdict(dict)
    for row in session.rows(
        "SELECT episode_id, language, position, title FROM catalog.episode_titles"
        " WHERE episode_id = ANY (CAST(:ids AS bigint[]))",
        ids=ids,
    ):
        titles[row.episode_id][title_column("title", row.language, row.position)] = row.title
    now: Counter[str] = Counter()
    least: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    for row in episodes:  # the latest first
        there = titles[row.entity_id]
        if row.action == "added":
            before = dict.fromkeys(there)
        else:
            before = {name: text for name, text in (row.before or {}).items() if _titled("title", name)}
        for name, text in before.items():
            for word in _words_of(there.pop(name, None)):
                now[word] -= 1
                least[word] = min(least[word], now[word])
            if text:
                there[name] = text
            for word in _words_of(text):
                now[word] += 1
                most[word] = max(most[word], now[word])
    made.drift = {word: (least[word], most[word]) for word in {*least, *most}}


def _words_of(text: str | None) -> Iterable[str]:
    if not text:
        return ()
    key, empty = episode_title_keys(text)
    return set(title_words(text)) if key and not empty else ()


def _titled(base: str, name: str) -> bool:
    return name == base or name.startswith((f"{base}-", f"{base}."))
