"""Documents of the review commands with published JSON Schemas: the queue, a key, and a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CandidateShown",
    "ChosenKey",
    "DecisionMade",
    "DecisionShown",
    "Difference",
    "EpisodeShown",
    "KeyShown",
    "MatchShown",
    "Queue",
    "QueueKey",
    "RowShown",
    "ScopeShown",
    "SkippedKey",
    "Spelling",
    "Sums",
    "UndoShown",
    "UploadShown",
    "review_schemas",
]

Amount = Annotated[str, Field(description="A decimal number.")]
Time = Annotated[str, Field(description="ISO 8601, UTC.")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EpisodeShown(_Closed):
    """An episode of the catalogue."""

    id: int
    ref_id: str | None
    title: str | None
    series: str | None
    season: str | None
    episode: str | None
    active: bool


class Difference(_Closed):
    """One field of a key and of a candidate."""

    field: Literal["title", "series", "season", "episode", "id"]
    key: str | None
    candidate: str | None
    result: Literal["equal", "different", "missing"]


class CandidateShown(_Closed):
    """A candidate of a key, best first."""

    number: Annotated[int, Field(description="The value of --candidate.")]
    score: Annotated[float, Field(description="0 to 100.")]
    margin: Annotated[float, Field(description="Points ahead of the next candidate; negative: points behind the best.")]
    found_by: list[str]
    episode: EpisodeShown | None
    differences: list[Difference]


class _Fields(_Closed):
    key: Annotated[str, Field(description="Short name; any unique prefix of the digest is accepted.")]
    digest: Annotated[str, Field(description="32 hexadecimal digits.")]
    platform: str
    status: Literal["review", "unmatched", "matched", "rejected"]
    series: str | None
    title: str | None
    title_2: str | None
    season: str | None
    episode: str | None
    content_id: str | None
    rows: Annotated[int, Field(description="Rows that wait.")]
    held: Annotated[int, Field(description="Further rows that wait for a deal, channel or territory.")]
    uploads: int
    hours: Amount
    revenue: Amount
    reasons: list[str]


class QueueKey(_Fields):
    """A key that waits."""

    accepted_before: Annotated[int | None, Field(description="Episode that was accepted for earlier uploads.")]
    waiting_since: Time
    best: CandidateShown | None


class Sums(_Closed):
    """Sums over keys."""

    keys: int
    rows: int
    hours: Amount
    revenue: Amount


class Queue(_Closed):
    """The keys that wait, most hours first."""

    review_list_version: Literal["1.0"] = "1.0"
    total: Annotated[Sums, Field(description="Over all keys that match the filters, shown or not.")]
    keys: list[QueueKey]


class Spelling(_Closed):
    """One spelling of a key: a distinct combination of fields."""

    key_id: int
    series: str | None
    title: str | None
    title_2: str | None
    season: str | None
    episode: str | None
    content_id: str | None
    status: Literal["review", "unmatched", "matched", "rejected"]
    episode_id: int | None
    bucket: str | None
    decision: int | None
    reasons: list[str]


class RowShown(_Closed):
    """A row as the file has it."""

    upload: int
    line: int
    date: str | None
    partner: str | None
    channel: str | None
    territory: str | None
    title: str | None
    series: str | None
    season: str | None
    episode: str | None
    content_id: str | None
    hours: Amount | None
    revenue: Amount | None
    fate: str
    code: str | None


class UploadShown(_Closed):
    """An upload with rows of a key."""

    upload: int
    file: str
    status: str
    rows: int
    hours: Amount
    revenue: Amount


class MatchShown(_Closed):
    """A match that was replaced."""

    key_id: int
    status: str
    bucket: str | None
    episode_id: int | None
    decision: int | None
    matched_at: Time
    replaced_at: Time


class DecisionShown(_Closed):
    """A decision about a key."""

    decision: int
    action: Literal["accept", "alias", "reject"]
    episode_id: int | None
    ref_id: Annotated[str | None, Field(description="Ref id of the episode.")]
    reason: str | None
    by: str
    role: Annotated[str, Field(description="The database role; `by` is the name that the caller gave.")]
    at: Time
    undone_by: str | None
    undone_role: str | None
    undone_at: Time | None


class KeyShown(_Fields):
    """A key in detail."""

    review_key_version: Literal["1.0"] = "1.0"
    state: Annotated[str, Field(description="The value of `seen` in viewership.decide.")]
    spellings: list[Spelling]
    candidates: list[CandidateShown]
    examples: Annotated[list[RowShown], Field(description="At most 5 rows.")]
    found_in: Annotated[list[UploadShown], Field(description="At most 20 uploads, latest first.")]
    decisions: list[DecisionShown]
    matches: Annotated[list[MatchShown], Field(description="Replaced matches: at most 20, latest first.")]
    commands: Annotated[list[str], Field(description="Commands to paste into a shell.")]


class ScopeShown(_Closed):
    """The rows that decisions affect."""

    rows: int
    hours: Amount
    revenue: Amount
    uploads: int
    held: Annotated[int, Field(description="Rows that stay held because they lack a deal, channel or territory.")]
    loads: Annotated[int, Field(description="Rows added to the final table.")]
    removes: Annotated[int, Field(description="Rows removed from the final table.")]


class ChosenKey(_Closed):
    """A key that is decided."""

    key: str
    title: str
    episode: EpisodeShown | None
    score: float | None


class SkippedKey(_Closed):
    """A key that is skipped."""

    key: str
    title: str
    why: str


class DecisionMade(_Closed):
    """The effect of a decision, before or after it."""

    review_decision_version: Literal["1.0"] = "1.0"
    action: Literal["accept", "alias", "reject"]
    done: bool
    state: Annotated[str, Field(description="The value of --seen.")]
    scope: ScopeShown
    keys: list[ChosenKey]
    skipped: list[SkippedKey]
    decisions: Annotated[list[int], Field(description="Their numbers, once made.")]
    command: Annotated[str | None, Field(description="The command that makes or undoes them.")]


class UndoneKey(_Closed):
    """A key of a decision that is undone."""

    decision: int
    key: str
    title: str
    kept_by: Annotated[int | None, Field(description="The later decision that the key keeps.")]


class UndoShown(_Closed):
    """The effect of an undo, before or after it."""

    review_undo_version: Literal["1.0"] = "1.0"
    done: bool
    decisions: list[DecisionShown]
    keys: list[UndoneKey]
    loads: int
    removes: int
    command: str | None


def review_schemas() -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the JSON Schema of each document, by name and version."""

    def schema(model: type[BaseModel], command: str) -> Callable[[], dict[str, Any]]:
        return lambda: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(mode="serialization"),
            "title": f"Output 1.0 of telecine viewership review {command} --json",
        }

    return {
        "review-list-1.0": schema(Queue, "list"),
        "review-key-1.0": schema(KeyShown, "show"),
        "review-decision-1.0": schema(DecisionMade, "accept, alias and reject"),
        "review-undo-1.0": schema(UndoShown, "undo"),
    }
