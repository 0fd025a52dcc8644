"""Settings of the review commands."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from jobs.viewership.settings.common import SHOWN, Actor, by
from shared.settings import StepSettings, setting
from shared.settings.base import LIMITS, WHERE, Group

__all__ = [
    "ReviewAcceptSettings",
    "ReviewAliasSettings",
    "ReviewExportSettings",
    "ReviewListSettings",
    "ReviewRejectSettings",
    "ReviewShowSettings",
    "ReviewUndoSettings",
]

_KEYS: Final = Group("Keys", 20)
_DECISION: Final = Group("Decision", 30)

Text = Annotated[str, Field(min_length=1, max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
KeyNames = Annotated[tuple[str, ...], Field()]


def _suffix(value: str) -> str:
    if not value.lower().endswith((".csv", ".xlsx")):
        raise ValueError("expected a name that ends in .csv or .xlsx")
    return value


class _FilterSettings(StepSettings, pipeline="viewership"):
    """Filters of keys."""

    platform: Text | None = setting(None, default_text="all", description="Only keys of this platform.", group=_KEYS)
    series: Text | None = setting(
        None,
        default_text="all",
        description="Only keys of this series.",
        detail="Compared without case, accents and punctuation.",
        group=_KEYS,
    )


class _QueueSettings(_FilterSettings, pipeline="viewership"):
    """Filters of the queue."""

    status: Literal["all", "review", "unmatched"] = setting(
        "all", description="Only keys in review, or only unmatched ones.", group=_KEYS
    )


class ReviewListSettings(_QueueSettings, pipeline="viewership"):
    """Settings of `review list`."""

    limit: PositiveInt = setting(20, description="Show at most this many keys, most hours first.", group=LIMITS)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class ReviewExportSettings(_QueueSettings, pipeline="viewership"):
    """Settings of `review export`."""

    file: Annotated[str, AfterValidator(_suffix)] = setting(
        description="Write the queue to this file: .csv or .xlsx.",
        detail="A path or s3://bucket/key.",
        argument=True,
        group=WHERE,
    )
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class ReviewShowSettings(StepSettings, pipeline="viewership"):
    """Settings of `review show`."""

    key: str = setting(description="Show this key: its name in `review list`, or a prefix of it.", argument=True)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class _DecisionSettings(_FilterSettings, pipeline="viewership"):
    """Settings of every decision."""

    keys: KeyNames = setting(
        (),
        default_text="those of --series",
        description="Decide on these keys: names in `review list`, or prefixes of them.",
        argument=True,
    )
    seen: str | None = setting(
        None,
        default_text="not compared",
        description="Fail if the keys have changed since this state was shown.",
        group=_DECISION,
    )
    yes: bool = setting(False, description="Make the change. Without it, only show the effect.", group=_DECISION)
    by: Actor = by(_DECISION)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class _EpisodeSettings(_DecisionSettings, pipeline="viewership"):
    """Settings of a decision with an episode."""

    episode: Text | None = setting(
        None,
        default_text="a candidate",
        description="Accept this episode: its ref id, or id:N for its number in the catalogue.",
        group=_DECISION,
    )
    candidate: PositiveInt | None = setting(
        None,
        default_text="the best, with --series",
        description="Accept the candidate with this number in `review show`.",
        group=_DECISION,
    )
    min_score: Annotated[float, Field(ge=0, le=100)] = setting(
        90.0, description="With --series: accept candidates with at least this score.", group=_DECISION
    )
    min_margin: Annotated[float, Field(ge=0, le=100)] = setting(
        6.0, description="With --series: accept candidates this far ahead of the next.", group=_DECISION
    )
    reason: Reason | None = setting(None, default_text="-", description="Record this reason.", group=_DECISION)


class ReviewAcceptSettings(_EpisodeSettings, pipeline="viewership"):
    """Settings of `review accept`, which covers the rows that wait."""


class ReviewAliasSettings(_EpisodeSettings, pipeline="viewership"):
    """Settings of `review alias`, which also covers later uploads."""


class ReviewRejectSettings(_DecisionSettings, pipeline="viewership"):
    """Settings of `review reject`, which leaves rows unmatched."""

    reason: Reason = setting(description="Record this reason.", group=_DECISION)


class ReviewUndoSettings(StepSettings, pipeline="viewership"):
    """Settings of `review undo`, which reverts decisions."""

    decisions: Annotated[tuple[PositiveInt, ...], Field()] = setting(
        (),
        default_text="none",
        description="Undo the decisions with these numbers.",
        argument=True,
    )
    yes: bool = setting(False, description="Make the change. Without it, only show the effect.", group=_DECISION)
    by: Actor = by(_DECISION)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)
