"""Settings of the catalog commands."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from jobs.viewership.settings.common import SHOWN, Actor, by
from shared.settings import StepSettings, setting
from shared.settings.base import LIMITS, WHERE, Group

__all__ = ["CatalogDiffSettings", "CatalogExportSettings", "CatalogGapsSettings", "CatalogImportSettings"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TAKEN: Final = Group("Catalogue files", 20)


def _source(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("expected up to 63 letters, digits, '.', '_' and '-', starting with a letter or digit")
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
    by: Actor = by(_TAKEN)


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


class CatalogGapsSettings(StepSettings, pipeline="viewership"):
    """Settings of `catalog gaps`, which lists episodes missing from the catalogue."""

    platform: Annotated[tuple[str, ...], Field()] = setting(
        (), default_text="all platforms", description="Only rows of these platforms.", group=_TAKEN
    )
    output: str | None = setting(
        None,
        description="Write all gaps to this .csv, .jsonl or .xlsx file.",
        detail="A path or s3://bucket/key. `catalog import` reads the file (a workbook after it was saved as CSV).",
        group=_TAKEN,
    )
    ref_id: Literal["empty", "platform"] = setting(
        "empty",
        description="Leave ref_id empty in the file, or propose the platform's id.",
        detail="An id is proposed only if all platforms that report the episode use the same one.",
        group=_TAKEN,
    )
    limit: PositiveInt = setting(20, description="Show at most this many gaps, most hours first.", group=LIMITS)
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)
