"""Settings of the commands that store uploads and load their rows into the final table."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt, SecretStr

from jobs.viewership.settings.common import SHOWN, Actor, UploadId, by
from jobs.viewership.settings.formats import InterpretationSettings, utf8
from shared.settings import StepSettings, setting
from shared.settings.base import LIMITS, WHERE, Group
from shared.storage import Bucket, default_bucket

__all__ = [
    "ArrivalSettings",
    "LoadSettings",
    "MatchSettings",
    "NormalizeSettings",
    "RetractSettings",
    "RunSettings",
    "StoreSettings",
    "UploadSettings",
    "UploadsSettings",
    "ValidateSettings",
    "step_of",
]

_TABLE: Final = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")
_PREFIX_CHARS: Final = 200
_ARRIVAL: Final = Group("How uploads are found", 25)
_STORED: Final = Group("What is stored", 40)
_CHOSEN: Final = Group("Uploads", 20)

Share = Annotated[float, Field(ge=0, le=1)]
UploadIds = Annotated[tuple[UploadId, ...], Field()]


def _table(value: str) -> str:
    if not _TABLE.fullmatch(value):
        raise ValueError("expected schema.table in lower case, such as viewership.outbox_events")
    return value


def _prefix(value: str) -> str:
    text = value.strip("/")
    if any(part in ("", ".", "..") for part in text.split("/")) or len(text) > _PREFIX_CHARS:
        raise ValueError("expected a folder of the bucket, such as uploads/")
    return f"{text}/"


class StoreSettings(StepSettings, pipeline="viewership"):
    """The bucket of uploads."""

    bucket: Bucket = setting(
        default_factory=lambda: default_bucket("viewership"),
        default_text="viewership",
        description="Keep raw files in this bucket or folder.",
        form="Bucket of the files: a name or s3://bucket. Raw files are kept below raw/.",
        detail="Files are kept below raw/ by their SHA-256; new files arrive below --prefix.",
        group=WHERE,
    )


class ArrivalSettings(StoreSettings, pipeline="viewership"):
    """Settings for finding uploads if no file is named."""

    prefix: Annotated[str, AfterValidator(_prefix)] = setting(
        "uploads/", description="Find new files below this folder of the bucket.", group=_ARRIVAL
    )
    arrival: Literal["both", "events", "poll"] = setting(
        "both", description="Find uploads by events, by listing the folder, or by both.", group=_ARRIVAL
    )
    outbox_table: Annotated[str, AfterValidator(_table)] = setting(
        "viewership.outbox_events", description="Read events from this table.", group=_ARRIVAL
    )
    outbox_url: SecretStr | None = setting(
        None,
        default_text="telecine's database",
        description="Read events from this database.",
        group=_ARRIVAL,
    )
    max_attempts: PositiveInt = setting(
        5, description="Set an event or file aside after this many failures.", group=LIMITS
    )


class UploadSettings(ArrivalSettings, InterpretationSettings, pipeline="viewership"):
    """Settings of `upload`, which stores the rows of files."""

    files: tuple[str, ...] = setting(
        (),
        default_text="what has arrived",
        description="Upload these files.",
        form="Files to upload: s3://bucket/key, comma-separated. Empty: what has arrived.",
        detail="Paths or s3://bucket/key. Without a file: announced files and new files below --prefix.",
        argument=True,
    )
    filename: Annotated[str, AfterValidator(utf8)] | None = setting(
        None,
        default_text="the last part of its path or key",
        description="Store the file under this name; only with one FILE.",
        form="Name under which the file is stored; only with one file.",
        detail="Useful if a program keeps files under other keys. Folders are removed. Longer names keep"
        " their last 255 characters.",
        group=_STORED,
    )
    on_overlap: Literal["ask", "skip", "replace", "append"] = setting(
        "ask",
        description="Choose how to handle a copy, or rows for days that are already stored.",
        form="How to handle a copy, or rows for days that are already stored: `ask` stores nothing and shows "
        "the difference.",
        detail="`ask` stores nothing and shows the difference; `replace` also removes the rows of the other uploads, "
        "once the new rows are loaded; `append` keeps both.",
        group=_STORED,
    )
    max_rejected: Share = setting(
        0.01,
        description="Refuse a file if a larger share of its rows is rejected.",
        detail="From 0 to 1: 0.05 is 5 %.",
        group=LIMITS,
    )
    event_overlap: Literal["ask", "follow"] = setting(
        "ask",
        description="Choose whether events may decide on copies and overlaps.",
        form="Choose whether events may decide on copies and overlaps: `ask` ignores their `on_overlap`.",
        detail="`ask` ignores their `on_overlap`, and --on-overlap decides; `follow` lets every program that announces "
        "files replace stored rows of any platform.",
        group=_STORED,
    )
    domain: Annotated[str, Field(min_length=1, max_length=200)] | None = setting(
        None, default_text="the format's", description="Store the rows under this domain.", group=_STORED
    )


class RunSettings(UploadSettings, pipeline="viewership"):
    """Settings of `run`: upload, normalize, match and load."""

    one_pod_mb: PositiveInt | None = setting(
        None,
        default_text="no limit",
        description="Only upload the files if their total size exceeds this, in MB.",
        form="Up to this total size in MB, the files of a run are matched and loaded in the upload pod.",
        detail="normalize, match and load then run as separate steps.",
        group=LIMITS,
    )


def step_of(settings: UploadSettings | None) -> str:
    """Return the step that reads files with these settings: `upload`, or `run`, which also loads their rows."""
    return "upload" if settings is not None and not isinstance(settings, RunSettings) else "run"


class _PhaseSettings(StepSettings, pipeline="viewership"):
    """Settings of a phase after the upload."""

    upload: UploadIds = setting(
        (), default_text="all that wait for this phase", description="Process these uploads, by number.", group=_CHOSEN
    )


class NormalizeSettings(_PhaseSettings, pipeline="viewership"):
    """Settings of `normalize`, which finds the deal of every row."""


class MatchSettings(_PhaseSettings, pipeline="viewership"):
    """Settings of `match`, which finds the episode of every row."""


class LoadSettings(_PhaseSettings, pipeline="viewership"):
    """Settings of `load`, which writes the final rows."""


class ValidateSettings(StepSettings, pipeline="viewership"):
    """Settings of `validate`, which counts rows by fate."""

    upload: UploadIds = setting(
        (), default_text="all uploads", description="Count the rows of these uploads, by number.", group=_CHOSEN
    )
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class UploadsSettings(StepSettings, pipeline="viewership"):
    """Settings of `uploads`, which lists them."""

    limit: PositiveInt = setting(20, description="Show at most this many uploads, latest first.", group=LIMITS)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class RetractSettings(StepSettings, pipeline="viewership"):
    """Settings of `retract`, which removes the rows of an upload from the final table."""

    number: UploadId = setting(description="Retract the upload with this number.", argument=True)
    reason: Annotated[str, Field(min_length=1, max_length=1000)] = setting(
        description="Record this reason.", group=_CHOSEN
    )
    by: Actor = by(_CHOSEN)
