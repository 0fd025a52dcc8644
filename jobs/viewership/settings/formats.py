"""Settings of the formats commands, and of how one upload is read."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from jobs.viewership.settings.common import READING, SHOWN
from shared.settings import Settings, setting
from shared.settings.base import Group

__all__ = [
    "FormatsCheckSettings",
    "FormatsInferSettings",
    "FormatsListSettings",
    "FormatsSettings",
    "FormatsShowSettings",
    "InterpretationSettings",
    "MappedSettings",
    "ReadingSettings",
    "utf8",
]

CODE: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
"""Pattern of a platform's name: lower-case words joined by hyphens."""
_PLATFORM_CHARS: Final = 60
_FORMATS: Final = Group("Formats", 20)
# As CODE of a format's model; this module is imported for every command's flags, and the model costs more.
_FILE: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[1-9][0-9]{0,3}\.yaml")


def utf8(value: str) -> str:
    """Refuse bytes that are not UTF-8: choices are stored with the upload."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("expected text in UTF-8") from None
    return value


def _platform(value: str) -> str:
    if not re.fullmatch(CODE, value) or len(value) > _PLATFORM_CHARS:
        raise ValueError("expected up to 60 lower-case letters, digits and hyphens, such as orbit-tv")
    return value


def _pairs(value: tuple[str, ...]) -> tuple[str, ...]:
    for pair in map(utf8, value):
        field, equals, column = pair.partition("=")
        if not (field.strip() and equals and column.strip()):
            raise ValueError("expected FIELD=COLUMN, such as 'hours=Watch Time'; write a comma in a name as \\,")
    return value


def _format_file(value: str) -> str:
    if not _FILE.fullmatch(value.rpartition("/")[2]):
        raise ValueError("expected NAME-VERSION.yaml, such as formats/lantern-1.yaml")
    return value


class FormatsSettings(Settings, pipeline="viewership"):
    """The known formats: the shipped ones, and those in a folder of the user."""

    formats_dir: str | None = setting(
        None,
        description="Also use the formats in this folder, one NAME-VERSION.yaml each.",
        detail="A file with the name of a shipped format is an error; use another version or variant.",
        group=_FORMATS,
    )


class ReadingSettings(FormatsSettings, pipeline="viewership"):
    """Choices about how one upload is read, if the file leaves any."""

    sheet: Annotated[str, AfterValidator(utf8)] | None = setting(
        None,
        default_text="the only visible sheet with data",
        description="Read this sheet of a workbook.",
        group=READING,
    )
    encoding: Annotated[str, AfterValidator(utf8)] | None = setting(
        None,
        default_text="decided from the bytes",
        description="Read a text file in this encoding, such as utf-8 or cp1252.",
        group=READING,
    )
    delimiter: Annotated[str, AfterValidator(utf8)] | None = setting(
        None,
        default_text="decided from the lines",
        description="Split a text file at this character or name (comma, semicolon, tab, pipe).",
        group=READING,
    )
    header_line: PositiveInt | None = setting(
        None,
        default_text="detected from its names",
        description="Read the column names from this line.",
        detail="Counted from 1; in a workbook, the number of the row.",
        group=READING,
    )


class MappedSettings(ReadingSettings, pipeline="viewership"):
    """Choices for the columns of one upload, if the file leaves any."""

    platform: Annotated[str, AfterValidator(_platform)] | None = setting(
        None,
        default_text="the format's",
        description="Store the rows under this platform, such as orbit-tv.",
        detail="For a file whose platform has no format of its own, read with --format canonical. Deals, overlaps "
        "and decisions are per platform.",
        group=_FORMATS,
    )
    map: Annotated[tuple[str, ...], AfterValidator(_pairs)] = setting(
        (),
        default_text="the format's",
        description="Read a field from a column: FIELD=COLUMN, such as 'hours=Watch Time'.",
        detail="COLUMN is its name, `Hours (2)` for the second column of a name, or its letters, such as `Column D`. "
        "`(dates)` means the date columns of a file with one column per date; `(none)` leaves the field unread, even "
        "if the format has a column for it.",
        group=READING,
    )


class InterpretationSettings(MappedSettings, pipeline="viewership"):
    """Choices for what the columns of one upload mean, if the file leaves any."""

    format: str | None = setting(
        None,
        default_text="the one that fits",
        description="Read the upload with this format, such as roku or roku-1.",
        group=_FORMATS,
    )
    period: str | None = setting(
        None,
        default_text="any",
        description="Expect dates in this period, such as 2025-07 or 2025-07-01..2025-07-31.",
        detail="A year, quarter, month, week, day or range. Rows without a date get it. It can also settle the order "
        "of day and month.",
        group=READING,
    )
    date_order: Literal["dmy", "mdy", "ymd"] | None = setting(
        None, default_text="decided per column", description="Read dates in this order.", group=READING
    )
    decimal_mark: Literal[".", ","] | None = setting(
        None, default_text="decided per column", description="Read numbers with this decimal mark.", group=READING
    )
    clock: Literal["hh:mm", "mm:ss"] | None = setting(
        None,
        default_text="decided per column",
        description="Read durations such as 37:44 in this form.",
        group=READING,
    )
    round_money: bool = setting(
        False,
        description="Round amounts with more than 10 digits after the mark.",
        detail="Half to even, with a warning. Without it, such an amount rejects its row.",
        group=READING,
    )


class FormatsListSettings(FormatsSettings, pipeline="viewership"):
    """Settings of `formats list`."""

    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class FormatsShowSettings(FormatsSettings, pipeline="viewership"):
    """Settings of `formats show`."""

    format: str = setting(description="Show this format, such as roku or roku-1.", argument=True)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class _WrittenSettings(Settings, pipeline="viewership_infer"):
    """The file that `formats infer` writes; its variable is not that of the sample's folder."""

    output: Annotated[str, AfterValidator(_format_file)] | None = setting(
        None,
        description="Write the proposal as a format to this NAME-VERSION.yaml.",
        detail="The name is in lower case with hyphens, such as lantern-1.yaml. Its folder is for --formats-dir. A "
        "file that exists is never replaced.",
        group=_FORMATS,
    )


class FormatsInferSettings(_WrittenSettings, MappedSettings, pipeline="viewership"):
    """Settings of `formats infer`."""

    file: str = setting(description="Propose how to read this file.", argument=True)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)


class FormatsCheckSettings(InterpretationSettings, pipeline="viewership"):
    """Settings of `formats check`."""

    file: str = setting(description="Check this format (.yaml), or read this upload without storing it.", argument=True)
    show_rows: Annotated[int, Field(ge=0, le=1_000)] = setting(
        0, description="Show this many rows as they would be read.", group=SHOWN
    )
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)
