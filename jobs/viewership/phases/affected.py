"""Keys that changes of the catalogue may affect: more than those whose match changes, and never fewer.

A match depends on the catalogue through ids inside its content id, titles that are equal, the series that its name or
title names, aliases, and similar titles. Each search finds the keys of one of these ways, with the names, keys and
words from before and after the changes. A test compares the result with matching everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.keys.ids import id_parts
from jobs.viewership.keys.titles import series_form
from jobs.viewership.matching.guards import with_plurals
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.names import SeriesNames, id_codes
from jobs.viewership.matching.prepare import MatchKey, prepare
from jobs.viewership.phases.similar import similar_keys, word_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.viewership.phases.changes import Changes
    from shared.database.session import DatabaseSession

__all__ = ["affected_keys", "stale_keys"]

# PostgreSQL searches content ids for up to this many ids; above it, the parts of each content id are looked up.
_MOST_SEARCHED: Final = 40
_SHORTEST_SIMILAR: Final = 5

# Reviewers' decisions are kept. A match made at the version of the changes, or later, includes them.
_OPEN: Final = """
    FROM viewership.keys k JOIN viewership.matches m USING (key_id)
    WHERE m.decision_id IS NULL AND m.catalogue_version < :version
"""


def affected_keys(session: DatabaseSession, changes: Changes, rules: str) -> set[int]:
    """Return the keys that changes may affect.

    Args:
        session: a transaction in which the catalogue is pinned.
        changes: the changes; not of the rules of keys.
        rules: name of the rules.
    """
    if not changes.count:
        return set()
    found = _by_match(session, changes)
    found |= _by_title(session, changes)
    found |= _by_id(session, changes)
    found |= _by_series(session, changes, rules)
    found |= _by_name_inside(session, changes, rules)
    found |= _by_alias(session, changes)
    found |= similar_keys(session, changes)
    return found


def stale_keys(session: DatabaseSession, version: int, rules: str) -> set[int]:
    """Return keys to match whatever changed: other rules, steps that failed, decisions that were undone.

    Args:
        session: a transaction.
        version: the current version of the catalogue.
        rules: name of the rules.
    """
    rows = session.rows(
        """
        SELECT m.key_id FROM viewership.matches m WHERE m.decision_id IS NULL AND (m.rule_version <> :rules
            OR m.reasons @> '[{"code": "BUCKET_FAILED"}]')
        UNION
        SELECT m.key_id FROM viewership.decisions d CROSS JOIN LATERAL unnest(d.keys) AS undone (key_id)
        JOIN viewership.matches m USING (key_id)
        WHERE d.undone_at IS NOT NULL AND m.decision_id IS NULL AND m.catalogue_version < :version
        """,
        rules=rules,
        version=version,
    )
    return {row.key_id for row in rows}


def _ids(session: DatabaseSession, statement: str, changes: Changes, **values: Any) -> set[int]:
    return {row.key_id for row in session.rows(statement, version=changes.version, **values)}


def _by_match(session: DatabaseSession, changes: Changes) -> set[int]:
    """Return keys whose match or candidates name an episode of a changed series."""
    return _ids(
        session,
        f"""
        WITH there AS MATERIALIZED (
            SELECT id FROM catalog.episodes WHERE series_id = ANY (CAST(:series AS bigint[]))
        )
        SELECT k.key_id {_OPEN} AND m.episode_id IN (SELECT id FROM there)
        UNION
        SELECT open.key_id FROM (SELECT k.key_id, m.candidates {_OPEN} AND m.status <> 'matched') AS open
        CROSS JOIN LATERAL jsonb_array_elements(open.candidates) AS candidate
        WHERE (candidate ->> 'episode_id')::bigint IN (SELECT id FROM there)
        """,  # noqa: S608 - a constant of this module
        changes,
        series=list(changes.series),
    )


def _by_title(session: DatabaseSession, changes: Changes) -> set[int]:
    """Return keys with a title of a changed episode; how many episodes a title names depends on all of them."""
    if not changes.title_keys:
        return set()
    return _ids(
        session,
        f"SELECT k.key_id {_OPEN} AND (k.title_key = ANY (:titles) OR k.title_key_2 = ANY (:titles))",
        changes,
        titles=list(changes.title_keys),
    )


def _by_id(session: DatabaseSession, changes: Changes) -> set[int]:
    """Return keys whose content id contains the id of a changed episode, or the code of a changed series."""
    wanted = [*changes.ref_keys, *changes.codes]
    if not wanted:
        return set()
    condition = ""
    if len(wanted) <= _MOST_SEARCHED:
        condition = (
            "AND EXISTS (SELECT FROM unnest(CAST(:wanted AS text[])) part WHERE strpos(k.content_key, part) > 0)"
        )
    rows = session.rows(
        f"SELECT k.key_id, k.content_key {_OPEN} AND k.content_key <> '' {condition}",
        version=changes.version,
        **({"wanted": wanted} if condition else {}),
    )
    return {
        row.key_id
        for row in rows
        if not changes.ref_keys.isdisjoint(parts := id_parts(row.content_key))
        or not changes.codes.isdisjoint(id_codes(parts))
    }


def _by_series(session: DatabaseSession, changes: Changes, rules: str) -> set[int]:
    """Return keys whose series has the name of a changed one, an alias of it, or a similar name."""
    from rapidfuzz import fuzz, process

    if not changes.series:
        return set()
    bases = {base for name in changes.names if (base := series_form(name.title).base)}
    aliases = {
        row.series_key
        for row in session.rows(
            "SELECT DISTINCT series_key FROM catalog.aliases WHERE series_key IS NOT NULL"
            " AND (series_id = ANY (CAST(:series AS bigint[])) OR id = ANY (CAST(:aliases AS bigint[])))",
            series=list(changes.series),
            aliases=list(changes.aliases),
        )
    }
    texts = [
        row.series
        for row in session.rows(
            f"SELECT DISTINCT k.series {_OPEN} AND k.series IS NOT NULL",
            version=changes.version,
        )
    ]
    known = {row.series_base for row in session.rows("SELECT DISTINCT series_base FROM catalog.series_titles")}
    name_words = with_plurals(changes.name_words)
    wanted: list[str] = []
    unknown: list[str] = []
    for text in texts:
        form = series_form(text)
        if form.base in bases or form.key in aliases:
            wanted.append(text)
        elif form.base not in known and len(form.base) >= _SHORTEST_SIMILAR:
            if not name_words.isdisjoint(word_runs(form.words)):
                wanted.append(text)
            else:
                unknown.append(text)
    cut = RULES[rules].series_cut - RULES[rules].margin
    unknown_bases = [series_form(text).base for text in unknown]
    for base in sorted(bases):
        found = process.extract(base, unknown_bases, scorer=fuzz.ratio, score_cutoff=cut, limit=None)
        wanted += [unknown[place] for _, _, place in found]
    if not wanted:
        return set()
    return _ids(session, f"SELECT k.key_id {_OPEN} AND k.series = ANY (:texts)", changes, texts=wanted)


def _by_name_inside(session: DatabaseSession, changes: Changes, rules: str) -> set[int]:
    """Return keys without a series whose title contains the name of a changed series."""
    longest = {word for name in changes.names if (word := _longest(series_form(name.title).words))}
    if not longest:
        return set()
    condition = ""
    if len(longest) <= _MOST_SEARCHED:
        condition = (
            "AND EXISTS (SELECT FROM unnest(CAST(:words AS text[])) word"
            " WHERE strpos(k.title_key, word) > 0 OR strpos(k.title_key_2, word) > 0)"
        )
    rows = session.rows(
        f"SELECT k.key_id, k.platform, k.content_name, k.content_name_2 {_OPEN}"
        f" AND COALESCE(k.series_key, '') = '' {condition}",
        version=changes.version,
        **({"words": list(longest)} if condition else {}),
    )
    names = SeriesNames(changes.names, (), RULES[rules])
    keys = (MatchKey(row.key_id, row.platform, row.content_name, row.content_name_2) for row in rows)
    return {one.key for one in prepare(keys, names, ()) if one.series}


def _longest(words: Iterable[str]) -> str:
    """Return the longest word of a name: every title with the name has it, however its numbers are written."""
    return max(words, key=lambda word: (not word.isdecimal(), len(word), word), default="")


def _by_alias(session: DatabaseSession, changes: Changes) -> set[int]:
    """Return keys that fit a changed alias or one whose episode changed; a decision's alias fits its review key."""
    rest = """
        AND (a.title_key IS NULL OR a.title_key IN (k.title_key, k.title_key_2))
        AND (a.series_key IS NULL OR a.series_key = k.series_key)
        AND (a.content_key IS NULL OR a.content_key = k.content_key)
    """
    joins = (
        "k.title_key = a.title_key",
        "k.title_key_2 = a.title_key",
        "a.title_key IS NULL AND k.series_key = a.series_key",
        "a.title_key IS NULL AND a.series_key IS NULL AND k.content_key = a.content_key",
    )
    unions = " UNION ".join(
        f"SELECT k.key_id FROM chosen a JOIN viewership.keys k ON {join} JOIN viewership.matches m USING (key_id)"  # noqa: S608
        f" WHERE m.decision_id IS NULL AND m.catalogue_version < :version {rest}"
        for join in joins
    )
    return _ids(
        session,
        f"""
        WITH chosen AS MATERIALIZED (
            SELECT title_key, series_key, content_key, key_id AS decided FROM catalog.aliases
            WHERE id = ANY (CAST(:aliases AS bigint[]))
                OR (undone_at IS NULL AND episode_id = ANY (CAST(:episodes AS bigint[])))
        )
        {unions}
        UNION
        SELECT k.key_id FROM chosen a JOIN viewership.keys v ON v.key_id = a.decided
        JOIN viewership.keys k ON k.review_digest = v.review_digest JOIN viewership.matches m ON m.key_id = k.key_id
        WHERE m.decision_id IS NULL AND m.catalogue_version < :version
        """,  # noqa: S608
        changes,
        aliases=list(changes.aliases),
        episodes=list(changes.episodes),
    )
