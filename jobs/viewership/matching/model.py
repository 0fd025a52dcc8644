"""Buckets, decisions, reasons, and the rules that a match is made by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

__all__ = [
    "BUCKETS",
    "CONFIDENCE",
    "REASONS",
    "RULES",
    "Bucket",
    "Candidate",
    "Decision",
    "Match",
    "MatchRules",
    "reason",
]


class Bucket(StrEnum):
    """The way to an episode: a reviewer's decision, one of the six buckets, or a similar title."""

    ALIAS = "ALIAS"
    FULL_DATA = "FULL_DATA"
    REF_ID_SERIES = "REF_ID_SERIES"
    REF_ID_ONLY = "REF_ID_ONLY"
    SERIES_SEASON_EPISODE = "SERIES_SEASON_EPISODE"
    SERIES_ONLY = "SERIES_ONLY"
    TITLE_ONLY = "TITLE_ONLY"
    FUZZY = "FUZZY"


BUCKETS: Final = (
    Bucket.FULL_DATA,
    Bucket.REF_ID_SERIES,
    Bucket.REF_ID_ONLY,
    Bucket.SERIES_SEASON_EPISODE,
    Bucket.SERIES_ONLY,
    Bucket.TITLE_ONLY,
)
"""The six buckets, in the order in which a key passes them."""

CONFIDENCE: Final[dict[Bucket, float]] = {
    Bucket.ALIAS: 1.0,
    Bucket.FULL_DATA: 0.9999,
    Bucket.REF_ID_SERIES: 0.9995,
    Bucket.REF_ID_ONLY: 0.999,
    Bucket.SERIES_SEASON_EPISODE: 0.9985,
    Bucket.SERIES_ONLY: 0.998,
    Bucket.TITLE_ONLY: 0.995,
    Bucket.FUZZY: 0.99,
}
"""Confidence of a match of each bucket whose evidence agrees; of a similar title, the highest."""

UNCONFIRMED: Final = 0.0004
"""Subtracted if the row has a title and the episode has another one: less than between two buckets."""


class Decision(StrEnum):
    """The outcome of a key."""

    MATCHED = "matched"
    REVIEW = "review"
    UNMATCHED = "unmatched"


REASONS: Final[dict[str, str]] = {
    "ALIAS": "an alias names the episode",
    "ALIASES_DISAGREE": "several aliases fit the row and name different episodes",
    "ID": "the content id is the episode's ref id, or contains it",
    "SERIES": "the series is the episode's",
    "SERIES_FROM_TITLE": "the series was read from the title",
    "SERIES_CODE": "the content id begins with the code of the series",
    "NUMBERS": "season and episode are the episode's",
    "TITLE": "the title is the episode's",
    "TITLE_SIMILAR": "the title is similar to the episode's",
    "TITLE_TRUNCATED": "the title is the beginning of the episode's",
    "TITLE_NAMES_NONE": "the title is none of the catalogue's titles of this series",
    "NUMBERS_NAME_NONE": "the catalogue has no episode with this season and episode in the series",
    "TRANSLATED": "the title is marked as dubbed or translated",
    "TIE": "several episodes fit equally well",
    "REMAKES": "several series have this name",
    "CONFLICT": "id, numbers and title name different episodes",
    "NUMBERS_DISAGREE": "season or episode of the title's episode differ from the row's",
    "NUMBERS_TWICE": "the title and the columns have different season or episode numbers",
    "TITLE_NUMBERS_DIFFER": "a part, chapter or other number in the title differs from the episode's",
    "SEVERAL_EPISODES": "the title names several episodes",
    "PLACEHOLDER": "the title is a placeholder, which names no episode",
    "GENERIC_TITLE": "the title alone is too common to name an episode",
    "MANGLED_ID": "the content id was rounded by a spreadsheet and is not used",
    "INACTIVE": "the episode or its series is inactive, and inactive series never match",
    "SERIES_UNKNOWN": "the catalogue has no series with this name",
    "NO_SERIES": "without a series, a similar title only proposes episodes",
    "SERIES_SIMILAR": "the series name is similar to one of the catalogue's",
    "SIMILAR_ONLY": "a similar title would name the episode, but these rules do not accept similar titles",
    "BELOW_CUT": "no title of the catalogue is similar enough",
    "NO_CANDIDATE": "nothing in the catalogue resembles the row",
    "BUCKET_FAILED": "a bucket failed, so the key was not looked up everywhere",
    "ACCEPTED": "a reviewer accepted the episode for these rows",
    "ACCEPTED_BEFORE": "a reviewer accepted an episode for earlier uploads, not for later ones",
    "ALIASED": "a reviewer accepted the episode, also for later rows",
    "REJECTED": "a reviewer rejected every episode",
    "ALIAS_UNDONE": "the alias that matched these rows was undone",
}
"""Code of a reason -> its sentence."""


def reason(code: str) -> dict[str, str]:
    """Return a reason as it is stored with a match.

    Example:
        >>> reason("TIE")
        {'code': 'TIE', 'message': 'several episodes fit equally well'}
    """
    return {"code": code, "message": REASONS[code]}


@dataclass(frozen=True, slots=True)
class MatchRules:
    """Numbers that decide which similar titles are accepted; a stored match names its rules.

    Attributes:
        name: name and version; changed with every change of a rule.
        cut: similarity of an accepted title, 0 to 100.
        margin: points that the next episode must be behind.
        proposed: similarity of a candidate that is shown to a reviewer.
        truncated: letters that the beginning of a title needs.
        lost: share of a title that may be cut off; twice of it, if a word is cut.
        series_cut: similarity of a series name.
        candidates: number of candidates that are kept.
        common: a title that more episodes have is not looked up without a series.
        similar: accept similar titles; otherwise they only propose episodes.
    """

    name: str
    cut: float = 82.0
    margin: float = 6.0
    proposed: float = 55.0
    truncated: int = 16
    lost: float = 0.2
    series_cut: float = 82.0
    candidates: int = 5
    common: int = 25
    similar: bool = True


RULES: Final[dict[str, MatchRules]] = {
    rules.name: rules for rules in (MatchRules("standard-1"), MatchRules("exact-1", similar=False))
}
"""Name -> rules; the first are the default."""


class Candidate(NamedTuple):
    """An episode that a key may mean.

    Attributes:
        episode_id: id in the catalogue.
        ref_id: its ref id, if it has one.
        score: 0 to 100.
        found_by: names of the evidence: ID, SERIES, NUMBERS, TITLE, or FUZZY.
    """

    episode_id: int
    ref_id: str | None
    score: float
    found_by: tuple[str, ...]


class Match(NamedTuple):
    """The result of one key.

    Attributes:
        key: the number of the key.
        decision: whether the episode is accepted.
        episode_id: the episode; None unless accepted.
        ref_id: its ref id.
        bucket: how it was found.
        confidence: 0 to 1; 0 unless accepted.
        candidates: best first; the accepted one included.
        margin: points between the best candidate and the next; 100 if there is none.
        reasons: codes of :data:`REASONS`.
    """

    key: int
    decision: Decision
    episode_id: int | None
    ref_id: str | None
    bucket: Bucket | None
    confidence: float
    candidates: tuple[Candidate, ...]
    margin: float
    reasons: tuple[str, ...]
