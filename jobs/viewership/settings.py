"""Parameters of the viewership commands: flags, variables, Argo parameters and docs are derived from these fields.

Within a section, parameters appear in the order of this file.
"""

from __future__ import annotations

import getpass
import os
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from shared.settings import Settings, StepSettings, setting
from shared.settings.base import LIMITS, WHERE, Group
from shared.storage import Bucket, default_bucket

__all__ = [
    "CatalogDiffSettings",
    "CatalogExportSettings",
    "CatalogImportSettings",
    "FormatsCheckSettings",
    "FormatsInferSettings",
    "FormatsListSettings",
    "FormatsSettings",
    "FormatsShowSettings",
    "ReadingSettings",
    "SampleSettings",
]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TAKEN: Final = Group("Catalogue files", 20)
_FORMATS: Final = Group("Formats", 20)
_READING: Final = Group("How the file is read", 30)
_SHOWN: Final = Group("What is shown", 70)
_WRITTEN: Final = Group("What is written", 20)


def _source(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("expected up to 63 letters, digits, '.', '_' and '-', starting with a letter or digit")
    return value


def _user() -> str:
    """Return the name of the operating system's user; in a container, the user's number may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _pairs(value: tuple[str, ...]) -> tuple[str, ...]:
    for pair in value:
        field, equals, column = pair.partition("=")
        if not (field.strip() and equals and column.strip()):
            raise ValueError("expected FIELD=COLUMN, such as 'hours=Watch Time'")
    return value


class _CatalogFilesSettings(StepSettings, pipeline="viewership"):
    """Settings of commands that read catalogue files."""

    file: str = setting(
        description="Read this CSV or JSON lines file, or all files of this folder.",
        detail="A path, s3://bucket/key, or a folder or s3://bucket/folder/ with one file per kind.",
        argument=True,
        group=WHERE,
    )
    source: Annotated[str, AfterValidator(_source)] = setting(
        "catalogue",
        description="Record the values under this source name.",
        detail="A field that another source has filled stays as it is.",
        group=_TAKEN,
    )
    overwrite: bool = setting(
        False,
        description="Replace fields that other sources have filled.",
        detail="The fields then belong to this source.",
        group=_TAKEN,
    )


class CatalogImportSettings(_CatalogFilesSettings, pipeline="viewership"):
    """Settings of `catalog import`, which changes the catalogue."""

    remove_missing: bool = setting(
        False,
        description="Deactivate entities that this source added but the files lack.",
        detail="Applies only to kinds that the files contain. A later import from this source reactivates what it has.",
        group=_TAKEN,
    )
    by: Annotated[str, Field(min_length=1, max_length=200)] = setting(
        default_factory=_user,
        default_text="the user of the operating system",
        description="Record this name as the author of the change.",
        group=_TAKEN,
    )


class CatalogDiffSettings(_CatalogFilesSettings, pipeline="viewership"):
    """Settings of `catalog diff`, which changes nothing."""

    limit: PositiveInt = setting(20, description="Show at most this many differences of each kind.", group=LIMITS)


class CatalogExportSettings(StepSettings, pipeline="viewership"):
    """Settings of `catalog export`."""

    folder: str = setting(
        description="Write to this folder or s3://bucket/folder, one file per kind.",
        argument=True,
        group=WHERE,
    )
    file_format: Literal["csv", "jsonl"] = setting("csv", description="Write CSV or JSON lines.", group=_TAKEN)


class FormatsSettings(Settings, pipeline="viewership"):
    """The formats that are known: those that are shipped, and a folder of the user's own."""

    formats_dir: str | None = setting(
        None,
        description="Also use the formats in this folder, one NAME-VERSION.yaml each.",
        detail="A file with the name of a shipped format is an error; use another version or variant.",
        group=_FORMATS,
    )


class ReadingSettings(FormatsSettings, pipeline="viewership"):
    """Choices for the reading of one upload, if the file leaves any."""

    sheet: str | None = setting(
        None,
        default_text="the only visible sheet with data",
        description="Read this sheet of a workbook.",
        group=_READING,
    )
    encoding: str | None = setting(
        None,
        default_text="decided from the bytes",
        description="Read a text file in this encoding, such as utf-8 or cp1252.",
        group=_READING,
    )
    delimiter: str | None = setting(
        None,
        default_text="decided from the lines",
        description="Split a text file at this character.",
        group=_READING,
    )
    header_line: PositiveInt | None = setting(
        None,
        default_text="detected from its names",
        description="Read the column names from this line.",
        detail="Counted from 1; in a workbook, the number of the row.",
        group=_READING,
    )


class FormatsListSettings(FormatsSettings, pipeline="viewership"):
    """Settings of `formats list`."""

    json_: bool = setting(False, description="Print JSON.", group=_SHOWN)


class FormatsShowSettings(FormatsSettings, pipeline="viewership"):
    """Settings of `formats show`."""

    format: str = setting(description="Show this format, such as roku or roku-1.", argument=True)
    json_: bool = setting(False, description="Print JSON.", group=_SHOWN)


class FormatsInferSettings(ReadingSettings, pipeline="viewership"):
    """Settings of `formats infer`."""

    file: str = setting(description="Propose how to read this file.", argument=True)
    json_: bool = setting(False, description="Print JSON.", group=_SHOWN)


class FormatsCheckSettings(ReadingSettings, pipeline="viewership"):
    """Settings of `formats check`."""

    file: str = setting(description="Check this format (.yaml), or read this upload without storing it.", argument=True)
    format: str | None = setting(
        None,
        default_text="the one that fits",
        description="Read the upload with this format, such as roku or roku-1.",
        group=_FORMATS,
    )
    map: Annotated[tuple[str, ...], AfterValidator(_pairs)] = setting(
        (),
        default_text="those of the format",
        description="Read a field from a column: FIELD=COLUMN, such as 'hours=Watch Time'.",
        detail="COLUMN is its name, `Hours (2)` for the second column of a name, or its letters, such as `Column D` "
        "(required if the name has a comma). `(dates)` means the date columns of a file with one column per date.",
        group=_READING,
    )
    period: str | None = setting(
        None,
        default_text="any",
        description="Expect dates in this period, such as 2025-07 or 2025-07-01..2025-07-31.",
        detail="A year, quarter, month, week, day or range. Rows without a date get it. It can also settle the order "
        "of day and month.",
        group=_READING,
    )
    date_order: Literal["dmy", "mdy", "ymd"] | None = setting(
        None, default_text="decided per column", description="Read dates in this order.", group=_READING
    )
    decimal_mark: Literal[".", ","] | None = setting(
        None, default_text="decided per column", description="Read numbers with this decimal mark.", group=_READING
    )
    clock: Literal["hh:mm", "mm:ss"] | None = setting(
        None,
        default_text="decided per column",
        description="Read durations such as 37:44 in this form.",
        group=_READING,
    )
    json_: bool = setting(False, description="Print JSON.", group=_SHOWN)


class SampleSettings(StepSettings, pipeline="viewership"):
    """Settings of `sample`, which writes reports of every platform with known outcomes."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("viewership"),
        default_text="viewership",
        description="Write the files to this bucket or folder.",
        group=WHERE,
    )
    include: tuple[str, ...] = setting(
        (), default_text="all", description="Write only these kinds, by name.", group=_WRITTEN
    )
    episodes: Annotated[int, Field(ge=4, le=1000)] = setting(
        24, description="Put this many episodes into each series of the catalogue.", group=_WRITTEN
    )
    seed: int = setting(
        1,
        description="Seed the random generator.",
        detail="Another seed produces different hours and amounts.",
        group=_WRITTEN,
    )
