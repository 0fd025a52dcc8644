"""Describe the changes that other rules would make, as a document with a published JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "OUTCOMES",
    "SHADOW_VERSION",
    "ChangedKey",
    "Group",
    "MatchState",
    "Outcome",
    "Rules",
    "Shadow",
    "shadow_schema",
]

SHADOW_VERSION: Final = "1.0"

Outcome = Literal["gained", "lost", "changed", "moved", "queued"]
OUTCOMES: Final[dict[Outcome, str]] = {
    "gained": "matched only by these rules",
    "lost": "no longer matched",
    "changed": "matched to another episode",
    "moved": "matched to the same episode by another bucket",
    "queued": "not matched by either, but review instead of unmatched, or the reverse",
}
"""Outcome of a key -> meaning."""

_Amount = Annotated[str, Field(description="A decimal number.")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rules(_Closed):
    """The numbers of the rules, as in a rules file."""

    name: str
    cut: float
    margin: float
    proposed: float
    truncated: int
    lost: float
    series_cut: float
    candidates: int
    common: int
    similar: bool


class MatchState(_Closed):
    """The result of some rules for a key."""

    status: Literal["matched", "review", "unmatched"]
    bucket: str | None
    confidence: float | None
    episode_id: int | None
    ref_id: str | None
    title: Annotated[str | None, Field(description="Title of the episode in the catalogue.")]
    reasons: list[str]


class Group(_Closed):
    """Keys of one platform and outcome; the bucket is that of the new match, for lost keys the one of the old."""

    outcome: Outcome
    platform: str
    bucket: str | None
    keys: int
    rows: int
    hours: _Amount
    revenue: _Amount
    final_rows: Annotated[int, Field(description="Rows that only their match keeps out of the final table.")]
    final_hours: _Amount


class ChangedKey(_Closed):
    """A key whose outcome differs."""

    outcome: Outcome
    key_id: int
    platform: str
    series: str | None
    season: str | None
    episode: str | None
    content_name: str | None
    content_name_2: str | None
    content_id: str | None
    rows: int
    hours: _Amount
    revenue: _Amount
    final_rows: int
    final_hours: _Amount
    before: MatchState
    after: MatchState


class Shadow(_Closed):
    """A comparison of two sets of rules over the stored keys, with the same catalogue. Nothing is changed."""

    shadow_version: Literal["1.0"] = "1.0"
    rules: Rules
    compared_with: Rules
    catalogue_version: int
    keys: Annotated[int, Field(description="Keys that were matched by both.")]
    keys_total: Annotated[int, Field(description="Keys of the chosen uploads, without decisions.")]
    decided: Annotated[int, Field(description="Keys with a reviewer's decision, which rules do not affect.")]
    stale: Annotated[int, Field(description="Stored matches that differ from those of compared_with.")]
    groups: list[Group]
    top: Annotated[list[ChangedKey], Field(description="The keys with the most hours of each outcome.")]


def shadow_schema() -> dict[str, Any]:
    """Return the JSON Schema of the document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Shadow.model_json_schema(mode="serialization"),
        "title": f"Shadow {SHADOW_VERSION} of telecine viewership shadow",
    }
