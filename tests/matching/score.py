"""Precision, recall and false acceptances of a matcher on labelled rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.matching.noise import Labelled

__all__ = ["EXACT", "Answer", "Score", "score"]

EXACT = frozenset(("FULL_DATA", "REF_ID_SERIES", "REF_ID_ONLY", "SERIES_SEASON_EPISODE", "SERIES_ONLY", "TITLE_ONLY"))

Answer = tuple[int, str]
"""The accepted episode and its bucket."""


@dataclass
class Score:
    """Counts over rows.

    Attributes:
        accepted: accepted rows.
        wrong: those whose episode is not the right one.
        exact: rows accepted by one of the six buckets.
        exact_wrong: those that are wrong.
        right: rows with one right answer.
        found: those that got it.
        groups: rows of each group.
        taken: accepted rows of each group.
        mistakes: row, answer.
        missed: kind -> rows with one right answer that got none.
    """

    accepted: int = 0
    wrong: int = 0
    exact: int = 0
    exact_wrong: int = 0
    right: int = 0
    found: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    mistakes: list[tuple[Labelled, Answer]] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def precision(self) -> float:
        return 1 - self.wrong / self.accepted if self.accepted else 0.0

    @property
    def exact_precision(self) -> float:
        return 1 - self.exact_wrong / self.exact if self.exact else 0.0

    @property
    def recall(self) -> float:
        return self.found / self.right if self.right else 0.0

    def share(self, group: str) -> float:
        return self.taken[group] / self.groups[group] if self.groups[group] else 0.0


def score(rows: Iterable[Labelled], answers: Mapping[int, Answer], into: Score | None = None) -> Score:
    """Count.

    Args:
        rows: labelled rows.
        answers: number of the key -> answer; absent if nothing was accepted.
        into: add to these counts.
    """
    made = into if into is not None else Score()
    for row in rows:
        answer = answers.get(row.key.key)
        made.groups[row.group] += 1
        if row.group == "right":
            made.right += 1
            made.kinds[row.kind] += 1
            if answer is not None and answer[0] == row.truth:
                made.found += 1
            else:
                made.missed[row.kind] += 1
        if answer is None:
            continue
        wrong = answer[0] != row.truth
        made.taken[row.group] += 1
        made.accepted += 1
        made.wrong += wrong
        if answer[1] in EXACT:
            made.exact += 1
            made.exact_wrong += wrong
        if wrong:
            made.mistakes.append((row, answer))
    return made
