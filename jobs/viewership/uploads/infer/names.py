"""Guess the field of a column from its name: names that formats use, then words."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from jobs.viewership.model import FIELDS
from jobs.viewership.uploads.formats.library import CANONICAL, shipped_formats
from jobs.viewership.uploads.layout.names import header_key

if TYPE_CHECKING:
    from jobs.viewership.uploads.formats.model import Unit

__all__ = ["ASKED", "NameVote", "name_votes"]

ASKED: Final = "?"
"""Unit of a name that mentions a time but no unit: taken from the values, or asked for."""

_EXACT: Final = 0.95
_USED: Final = 0.85
_WORDS: Final = 0.75
_WORD: Final = re.compile(r"[^\W_]+|#|%|\$")


@dataclass(frozen=True, slots=True)
class NameVote:
    """A field that a column's name suggests.

    Attributes:
        field: the field.
        score: 0 to 1.
        reason: why, as a sentence.
        unit: unit that the name says, or :data:`ASKED`; None if the field needs none.
    """

    field: str
    score: float
    reason: str
    unit: Unit | Literal["?"] | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of a name that suggest a field: one of ``any_of``, all of ``all_of`` and none of ``never``."""

    field: str
    any_of: frozenset[str]
    all_of: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    unit: Unit | Literal["?"] | None = None
    score: float = _WORDS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RATIO: Final = _words("% rate share percent percentage avg average mean median per cpm ecpm rpm ctr index rank")
_NOT_TITLE: Final = _words("id guid number no num # code count url key type language date year runtime duration length")
_RULES: Final = (
    _Words("hours", _words("time"), all_of=_words("watch"), never=_RATIO | _words("start end"), unit=ASKED),
    _Words("hours", _words("time"), all_of=_words("viewing"), never=_RATIO | _words("start end"), unit=ASKED),
    _Words("hours", _words("time"), all_of=_words("total"), never=_RATIO | _words("start end"), unit=ASKED),
    _Words("hours", _words("hours hrs hov hour"), never=_RATIO | _words("hour peak start end")),
    _Words(
        "hours", _words("seconds secs"), never=_RATIO | _words("duration runtime length"), unit="seconds", score=0.72
    ),
    _Words("minutes", _words("minutes mins mov tvms"), never=_RATIO | _words("duration runtime length")),
    _Words(
        "revenue",
        _words("revenue earnings payout royalty royalties payment"),
        never=_RATIO | _words("date type adpool"),
    ),
    _Words("channel_adpool_revenue", _words("revenue"), all_of=_words("adpool"), never=_RATIO),
    _Words("channel_adpool_impressions", _words("impressions"), all_of=_words("adpool"), never=_RATIO),
    _Words("impressions", _words("impressions imps"), never=_RATIO | _words("adpool")),
    _Words("sessions", _words("sessions"), never=_RATIO | _words("duration unique minutes hours")),
    _Words("views", _words("views plays starts playbacks"), never=_RATIO | _words("unique minutes hours completed")),
    _Words(
        "unique_viewers", _words("viewers users devices households accounts"), all_of=_words("unique"), never=_RATIO
    ),
    _Words("unique_viewers", _words("uniques"), never=_RATIO),
    _Words("completions", _words("completions completes completed"), never=_RATIO),
    _Words(
        "date",
        _words("date day"),
        never=_RATIO
        | _words(
            "published publish release released premiere added birth "
            "start end parting license payment paid update updated upload created"
        ),
    ),
    _Words("month", _words("month"), never=_RATIO),
    _Words("quarter", _words("quarter"), never=_RATIO),
    _Words("season", _words("season"), never=_words("title name id guid count total")),
    _Words(
        "episode", _words("episode ep"), never=_words("title name id guid count total type season series description")
    ),
    _Words(
        "series",
        _words("series show program programme"),
        never=_words("id guid number no # season episode type count code content url genre description"),
    ),
    _Words("content_name", _words("title name"), all_of=_words("episode"), never=_NOT_TITLE),
    _Words("content_name", _words("title name"), all_of=_words("content"), never=_NOT_TITLE),
    _Words("content_name", _words("title name"), all_of=_words("video"), never=_NOT_TITLE),
    _Words("content_name", _words("title name"), all_of=_words("asset"), never=_NOT_TITLE),
    _Words("content_name", _words("title"), never=_NOT_TITLE | _words("series show program season channel clip")),
    _Words("content_name_2", _words("title name"), all_of=_words("clip"), never=_NOT_TITLE),
    _Words(
        "content_id",
        _words("id guid gti ref"),
        never=_words(
            "series show program programme channel season user device session partner provider account customer market"
            " network source"
        ),
    ),
    _Words("channel", _words("channel feed"), never=_RATIO | _words("id code number adpool type group")),
    _Words("territory", _words("territory region market country"), never=_RATIO | _words("id")),
    _Words("country", _words("country"), never=_RATIO, score=0.7),
    _Words("partner", _words("partner distributor"), never=_RATIO | _words("id code")),
    _Words("language", _words("language lang"), never=_RATIO),
    _Words("device_type", _words("device"), all_of=_words("type")),
    _Words("device_name", _words("device"), never=_words("type id count devices unique")),
    _Words("device_id", _words("id"), all_of=_words("device")),
    _Words("duration", _words("duration runtime length"), all_of=_words("seconds"), never=_RATIO, unit="seconds"),
    _Words("duration", _words("duration runtime length"), all_of=_words("minutes"), never=_RATIO, unit="minutes"),
    _Words("avg_duration_per_session", _words("avg average"), all_of=_words("duration seconds"), unit="seconds"),
    _Words("avg_duration_per_session", _words("per"), all_of=_words("session mov"), unit="minutes"),
    _Words("avg_duration_per_session", _words("per"), all_of=_words("session minutes"), unit="minutes"),
)


@cache
def _known() -> dict[str, dict[str, float]]:
    """Return folded names of columns -> fields that shipped formats read from them, with scores."""
    known: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for found in shipped_formats().values():
        score = _EXACT if found.name == CANONICAL else _USED
        for rule in (*found.columns, *(found.wide.metrics if found.wide else ())):
            if rule.steps or rule.evidence == "assumed" or found.evidence == "assumed":
                continue
            for name in rule.sources:
                fields = known[header_key(name)]
                fields[rule.field] = max(score, fields.get(rule.field, 0.0))
    for field in FIELDS:
        known[header_key(field)] = {field: 1.0}
    return dict(known)


def name_votes(name: str) -> list[NameVote]:
    """Return the fields that a column's name suggests, best first.

    Args:
        name: the header, cleaned.
    """
    votes: dict[str, NameVote] = {}
    key = header_key(name)
    for field, score in _known().get(key, {}).items():
        reason = "the field has this name" if score == 1.0 else "a shipped format uses this name"
        votes[field] = NameVote(field, score, reason, _unit(field))
    words = set(_WORD.findall(key))
    for rule in _RULES:
        found = words & rule.any_of
        if found and rule.all_of <= words and not words & rule.never and rule.field not in votes:
            said = " and ".join(sorted(repr(word) for word in found | rule.all_of))
            votes[rule.field] = NameVote(rule.field, rule.score, f"its name has {said}", rule.unit)
    return sorted(votes.values(), key=lambda vote: (-vote.score, vote.field))


@cache
def _units() -> dict[str, Unit]:
    canonical = next(found for found in shipped_formats().values() if found.name == CANONICAL)
    return {rule.field: rule.unit for rule in canonical.columns if rule.unit is not None}


def _unit(field: str) -> Unit | None:
    return _units().get(field)
