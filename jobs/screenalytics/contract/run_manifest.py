"""RunManifest 1.0: the fields, accepted statuses and time format of a producer's manifest."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from jobs.screenalytics.keys import EP_ID, RUN_ID

__all__ = ["MAX_ARTIFACTS", "MAX_MS", "STATUSES", "ArtifactRef", "RunHead", "RunManifest", "RunStatus"]

RunStatus = Literal["success", "running", "failed", "blocked", "cancelled"]

# The producer writes states in capitals, and has used several words for some of them.
_WORDS: Final[dict[RunStatus, tuple[str, ...]]] = {
    "success": ("success", "complete", "completed"),
    "running": ("running", "in_progress", "pending", "queued", "not_started"),
    "failed": ("failed", "failure", "error"),
    "blocked": ("blocked",),
    "cancelled": ("cancelled", "canceled"),
}
STATUSES: Final[dict[str, RunStatus]] = {
    spelt: status for status, words in _WORDS.items() for word in words for spelt in (word, word.upper())
}
"""Accepted spelling -> canonical status."""

MAX_ARTIFACTS: Final = 1000
MAX_MS: Final = 2**63 - 1
_MAX_INT: Final = 2**31 - 1
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
# RFC 3339. The offset is required, but matched as optional for a better error.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def _text(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("text", "it is blank")
    if _CONTROLS.search(value):
        raise PydanticCustomError("text", "it has a control character")
    return value


def _bytes_at_most(most: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value.encode()) > most:
            raise PydanticCustomError("text", "it has more than {most} bytes of UTF-8", {"most": most})
        return value

    return AfterValidator(check)


def _time(value: Any) -> datetime:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("time", "expected a timestamp such as 2025-12-23T15:16:12Z")
    if not found[2]:
        raise PydanticCustomError("NAIVE_TIMESTAMP", "no UTC offset; expected a timestamp such as 2025-12-23T15:16:12Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PydanticCustomError("time", "{why}", {"why": str(error)}) from None


def _status(value: str) -> str:
    if value not in STATUSES:
        named = ", ".join(word for words in _WORDS.values() for word in words)
        raise PydanticCustomError(
            "UNKNOWN_STATUS", "expected one of {named}, or the same in capitals", {"named": named}
        )
    return STATUSES[value]


def _sha256(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and re.fullmatch("[0-9A-Fa-f]{64}", value)):
        raise PydanticCustomError("CHECKSUM_INVALID", "expected 64 hexadecimal digits")
    return value if value is None else value.lower()


_Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_text), _bytes_at_most(255)]
_Count = Annotated[int, Field(ge=0, le=MAX_MS)]
_Time = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "([Zz]|[+-]\\d\\d:\\d\\d)$"}),
]
_Status = Annotated[str, AfterValidator(_status), WithJsonSchema({"type": "string", "enum": sorted(STATUSES)})]
_Sha256 = Annotated[
    str | None,
    BeforeValidator(_sha256),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"}, {"type": "null"}]}),
]


class _Strict(BaseModel):
    """Converts neither text to numbers nor true to 1. Unknown fields are kept, for a warning."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", allow_inf_nan=False)


class ArtifactRef(_Strict):
    """A file of the run."""

    artifact_key: _Name = Field(description="Name of the artifact, unique in the run.")
    artifact_kind: _Name = Field(
        description="person_metrics is read; files of any other kind are recorded but not fetched."
    )
    s3_key: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_text), _bytes_at_most(1024)] = Field(
        description="Key in the manifest's bucket, below the folder of the run. Taken literally: no URL, no "
        "percent-encoding, no '..'."
    )
    schema_version: _Name = Field(
        description="Version of the file; for person_metrics screentime.v1 or cast_screentime.v1.",
        examples=["screentime.v1", "cast_screentime.v1"],
    )
    content_type: Annotated[str, Field(max_length=255), AfterValidator(_text)] | None = Field(
        None, description="For example application/json. Gzip files are recognized by their first bytes."
    )
    size_bytes: _Count | None = Field(None, description="Size of the object as stored.")
    checksum_sha256: _Sha256 = Field(
        None,
        description="SHA-256 of the object as stored. Required for person_metrics, unless --unverified is set.",
    )
    row_count: _Count | None = Field(None, description="Number of entries in a person_metrics file.")


class RunHead(_Strict):
    """The fields that are read first, whatever the status of the run."""

    schema_version: Literal["1.0"] = Field(description="Version of the manifest, exactly this text.")
    run_id: Annotated[str, Field(pattern=f"^{RUN_ID}$")] = Field(description="The run_id in the manifest's key.")
    ep_id: Annotated[str, Field(pattern=f"^{EP_ID}$")] = Field(
        description="The producer's episode id. Only SHOW-sSSeEE has folders by show."
    )
    status: _Status = Field(
        description="success is ingested; running is retried later; failed, blocked and cancelled are skipped, and "
        "only these four fields of them are read."
    )


class RunManifest(RunHead):
    """The manifest of a run. Written last: every artifact it lists exists, is complete, and never changes."""

    model_config = ConfigDict(title="RunManifest 1.0")

    completed_at: _Time = Field(description="End of the run, with a UTC offset.")
    started_at: _Time | None = Field(None, description="Start of the run, with a UTC offset.")
    attempt: Annotated[int, Field(ge=0, le=_MAX_INT)] | None = Field(
        None, description="Number of the run among those of its episode; the highest is the latest."
    )
    duration_ms: _Count | None = Field(
        None, description="Length of the episode's video. Longer times of a person are rejected."
    )
    artifacts: tuple[ArtifactRef, ...] = Field(
        max_length=MAX_ARTIFACTS, description="At least one has the kind person_metrics.", strict=False
    )
