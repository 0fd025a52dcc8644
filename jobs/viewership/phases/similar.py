"""Keys whose match depends on similar titles, and that words of changed titles affect in any series.

A word of the catalogue is not a typo of another one, so a new word can invalidate a match that assumed a typo. A title
without a series is compared with those that share one of its rarest words, so word counts matter.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.titles import title_form
from jobs.viewership.matching.fuzzy import MOST_PER_WORD, RAREST, title_words
from jobs.viewership.matching.guards import SMALL, with_plurals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.viewership.phases.changes import Changes
    from shared.database.session import DatabaseSession

__all__ = ["similar_keys", "word_runs"]

# Keys that were compared with similar titles: open ones, and matches not confirmed by a title.
_COMPARED: Final = """
    SELECT k.key_id, k.content_name, k.content_name_2, concat(k.title_key, '|', k.title_key_2) AS text,
        m.status <> 'matched' AS open
    FROM viewership.keys k JOIN viewership.matches m USING (key_id)
    WHERE m.decision_id IS NULL AND m.catalogue_version < :version
        AND COALESCE(k.title_key, k.title_key_2) IS NOT NULL
        AND (m.status <> 'matched' OR m.bucket = 'FUZZY' OR m.reasons @> '[{"code": "TITLE_SIMILAR"}]'
            OR m.reasons @> '[{"code": "TITLE_NAMES_NONE"}]')
"""
# Words up to which a title is first compared with each; splitting all titles into words takes about 25 us each.
_FEW: Final = 20
_TITLES: Final = "SELECT title FROM catalog.episode_titles WHERE NOT placeholder AND title_key <> ''"


def similar_keys(session: DatabaseSession, changes: Changes) -> set[int]:
    """Return keys affected by words that were added to the titles of the catalogue, or removed from them.

    Args:
        session: a transaction in which the catalogue is pinned.
        changes: the changes.
    """
    if not changes.drift:
        return set()
    rows = session.rows(_COMPARED, version=changes.version)
    if not rows:
        return set()
    counts: Counter[str] = Counter()
    for row in session.rows(_TITLES):
        counts.update(set(title_words(row.title)))
    bounds = {word: (counts[word] + least, counts[word] + most) for word, (least, most) in changes.drift.items()}
    appeared = with_plurals(word for word, (least, _) in bounds.items() if least <= 0)
    rare = {word for word, (least, _) in bounds.items() if least <= MOST_PER_WORD}
    few = len(rare) <= _FEW
    found: set[int] = set()
    for row in rows:
        if few and not (
            any(_in_order(word, row.text) for word in appeared) or (row.open and any(word in row.text for word in rare))
        ):
            continue
        for title in (row.content_name, row.content_name_2):
            words = title_form(title).words if title else ()
            if not appeared.isdisjoint(word_runs(words)) or (row.open and _ranked(words, counts, bounds)):
                found.add(row.key_id)
    return found


def _in_order(word: str, text: str) -> bool:
    """Return whether a text has the letters of a word in order; every title with the word passes."""
    letters = iter(text)
    return all(letter in letters for letter in word)


def word_runs(words: Sequence[str]) -> set[str]:
    """Return every word, and every run of words without spaces, with and without small words between them.

    Example:
        >>> sorted(word_runs(("air", "the", "bnb")))
        ['air', 'airbnb', 'airthe', 'airthebnb', 'bnb', 'the', 'thebnb']
    """
    found = set(words)
    plain = [word for word in words if not word[:1].isdecimal()]
    for line in (plain, [word for word in plain if word not in SMALL]):
        for first in range(len(line)):
            text = ""
            for word in line[first:]:
                text += word
                found.add(text)
    return found


def _ranked(words: Iterable[str], counts: Mapping[str, int], bounds: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether one of the words whose counts changed was or is among the rarest of a title."""
    mine = set(words)
    for word in mine & bounds.keys():
        least, _ = bounds[word]
        if least > MOST_PER_WORD:
            continue
        rarer = 0
        for other in mine - {word}:
            lowest, highest = bounds.get(other, (counts.get(other, 0),) * 2)
            rarer += lowest > 0 and (highest, other) < (least, word)
        if rarer < RAREST:
            return True
    return False
