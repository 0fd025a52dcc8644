"""RunManifest 1.0: the fields, accepted statuses and time format of a producer's manifest."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from jobs.screenalytics.keys import EP_ID, RUN_ID

__all__ = [
    "CONTROLS",
    "EXPECTED",
    "MAX_ARTIFACTS",
    "MAX_MS",
    "MAX_SUMMARIES",
    "STATUSES",
    "SUMMARY",
    "ArtifactRef",
    "RunHead",
    "RunManifest",
    "RunStatus",
    "is_local_time",
]

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

SUMMARY: Final = "person_metrics"
"""The only artifact_kind that is read."""

MAX_SUMMARIES: Final = 16
"""Maximum artifacts read per run, each into memory. So far, every run has had one."""

MAX_ARTIFACTS: Final = 1000
MAX_MS: Final = 2**63 - 1
_MAX_INT: Final = 2**31 - 1

# The published schema uses these patterns, so they avoid look-around and escapes that only some engines support.
# Python's $ also matches before a trailing line feed, which CONTROLS excludes.
CONTROLS: Final = r"[\x00-\x1f\x7f-\x9f]"
_VISIBLE: Final = "[^ \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_MONTH_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_YEAR: Final = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_LEAP_YEAR: Final = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DAY: Final = f"({_YEAR}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_OFFSET: Final = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_LOCAL_TIME: Final = re.compile(f"{_DAY}[Tt]{_CLOCK}")
_TIME: Final = f"^{_DAY}[Tt]{_CLOCK}{_OFFSET}$"
_SOME_OFFSET: Final = "(0[1-9]|[12][0-9]|00:(0[1-9]|[1-5]))"
# In UTC these may fall outside the years 1 to 9999, which Python and many other languages do not support.
_TOO_EARLY: Final = rf"^0001-01-01[^+]*\+{_SOME_OFFSET}"
_TOO_LATE: Final = f"^9999-12-31[Tt][^-]*-{_SOME_OFFSET}"
_SHA256: Final = "^[0-9A-Fa-f]{64}$"

_A_TIME: Final = "a timestamp with an offset, such as 2025-12-23T15:16:12Z"
_A_NAME: Final = "1 to 255 characters, not blank and without control characters"
_A_COUNT: Final = "a whole number, 0 or more"
EXPECTED: Final[dict[str, str]] = {
    "schema_version": _A_NAME,
    "run_id": "1 to 128 letters, digits, '.', '_' and '-', starting with a letter or a digit",
    "ep_id": "1 to 255 letters, digits, '.', '_' and '-', starting with a letter or a digit",
    "status": f"{', '.join(word for words in _WORDS.values() for word in words)}, or one of these in capitals",
    "completed_at": _A_TIME,
    "started_at": _A_TIME,
    "attempt": f"a whole number from 0 to {_MAX_INT}",
    "duration_ms": f"a whole number of milliseconds from 0 to {MAX_MS}",
    "artifacts": f"a list of at most {MAX_ARTIFACTS:,} artifacts, including one of the kind {SUMMARY}",
    "artifact_key": _A_NAME,
    "artifact_kind": f"{_A_NAME}; {SUMMARY} for the file to be read",
    "s3_key": "a key in the manifest's bucket, 1 to 1024 characters without control characters",
    "content_type": "text of 1 to 255 characters, such as application/json",
    "size_bytes": _A_COUNT,
    "checksum_sha256": "64 hexadecimal digits",
    "row_count": _A_COUNT,
}
"""Field -> valid values, for messages."""


def is_local_time(value: str) -> bool:
    """Return True for a valid timestamp without a UTC offset."""
    return _LOCAL_TIME.fullmatch(value) is not None


def _text(value: str) -> str:
    if not re.search(_VISIBLE, value):
        raise PydanticCustomError("text", "blank")
    if re.search(CONTROLS, value):
        raise PydanticCustomError("text", "it has a control character")
    return value


def _time(value: Any) -> datetime:
    if not isinstance(value, str) or re.search(CONTROLS, value):
        raise PydanticCustomError("time", "not a timestamp")
    if is_local_time(value):
        raise PydanticCustomError("NAIVE_TIMESTAMP", "without a UTC offset")
    if not re.search(_TIME, value):
        raise PydanticCustomError("time", "not a timestamp")
    if re.search(_TOO_EARLY, value) or re.search(_TOO_LATE, value):
        raise PydanticCustomError("time", "outside the years 1 to 9999 in UTC")
    return datetime.fromisoformat(value.upper()).astimezone(UTC)


def _whole(value: Any) -> Any:
    """Convert a number such as 3.0, which JSON Schema counts as an integer, to int."""
    is_whole = isinstance(value, Decimal | float) and math.isfinite(value) and value == math.floor(value)
    return int(value) if is_whole else value


def _status(value: str) -> str:
    if value not in STATUSES:
        raise PydanticCustomError("UNKNOWN_STATUS", "unknown")
    return STATUSES[value]


def _sha256(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and re.fullmatch("[0-9A-Fa-f]{64}", value)):
        raise PydanticCustomError("CHECKSUM_INVALID", "not a checksum")
    return value if value is None else value.lower()


def _matching(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, **more, "not": {"pattern": CONTROLS}})


_Name = Annotated[
    str,
    Field(min_length=1, max_length=255),
    AfterValidator(_text),
    _matching(_VISIBLE, minLength=1, maxLength=255),
]
_Key = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    AfterValidator(_text),
    _matching(_VISIBLE, minLength=1, maxLength=1024),
]
_RunId = Annotated[str, Field(pattern=f"^{RUN_ID}$"), _matching(f"^{RUN_ID}$")]
_EpId = Annotated[str, Field(pattern=f"^{EP_ID}$"), _matching(f"^{EP_ID}$")]
_Count = Annotated[int, Field(ge=0, le=MAX_MS), BeforeValidator(_whole)]
_Time = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": _TIME,
            "not": {"anyOf": [{"pattern": each} for each in (CONTROLS, _TOO_EARLY, _TOO_LATE)]},
        }
    ),
]
_Status = Annotated[str, AfterValidator(_status), WithJsonSchema({"type": "string", "enum": sorted(STATUSES)})]
_Sha256 = Annotated[
    str | None,
    BeforeValidator(_sha256),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _SHA256, "not": {"pattern": CONTROLS}}, {"type": "null"}]}),
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
    s3_key: _Key = Field(
        description="Key in the manifest's bucket, below the folder of the run. Taken literally: no URL, no "
        "percent-encoding, no '..'."
    )
    schema_version: _Name = Field(
        description="Version of the file; for person_metrics screentime.v1 or cast_screentime.v1.",
        examples=["screentime.v1", "cast_screentime.v1"],
    )
    content_type: _Name | None = Field(
        None, description="For example application/json. Gzip files are recognized by their first bytes."
    )
    size_bytes: _Count | None = Field(None, description="Size of the object as stored.")
    checksum_sha256: _Sha256 = Field(
        None,
        description="SHA-256 of the object as stored. Required for person_metrics; only --unverified accepts files "
        "without it.",
    )
    row_count: _Count | None = Field(None, description="Number of entries in a person_metrics file.")


class RunHead(_Strict):
    """The fields that are read first, whatever the status of the run."""

    schema_version: Literal["1.0"] = Field(description="Version of the manifest, exactly this text.")
    run_id: Annotated[str, Field(pattern=f"^{RUN_ID}$"), _matching(f"^{RUN_ID}$")] = Field(
        description="The run_id in the manifest's key."
    )
    ep_id: _EpId = Field(description="The producer's episode id. Only SHOW-sSSeEE maps to folders by show.")
    status: _Status = Field(
        description="success is ingested; running is retried later; failed, blocked and cancelled are skipped, and "
        "only these four fields of them are read."
    )


class RunManifest(RunHead):
    """The manifest of a run. Written last: every artifact it lists exists, is complete, and never changes."""

    model_config = ConfigDict(title="RunManifest 1.0")

    completed_at: _Time = Field(description="End of the run, with a UTC offset.")
    started_at: _Time | None = Field(None, description="Start of the run, with a UTC offset.")
    attempt: Annotated[int, Field(ge=0, le=_MAX_INT), BeforeValidator(_whole)] | None = Field(
        None,
        description="Number of the run within its episode; the highest is the latest. Between a run with and one "
        "without, the one that completed later is the latest.",
    )
    duration_ms: _Count | None = Field(
        None, description="Length of the episode's video. Longer times of a person are rejected."
    )
    artifacts: tuple[ArtifactRef, ...] = Field(
        max_length=MAX_ARTIFACTS,
        description="1 to 16 are of the kind person_metrics. artifact_key is unique.",
        strict=False,
    )
