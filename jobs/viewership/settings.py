"""Parameters of the viewership commands: flags, variables, Argo parameters and docs are derived from these fields.

Within a section, parameters appear in the order of this file.
"""

from __future__ import annotations

import getpass
import os
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt

from shared.settings import StepSettings, setting
from shared.settings.base import LIMITS, WHERE, Group

__all__ = ["CatalogDiffSettings", "CatalogExportSettings", "CatalogImportSettings"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TAKEN: Final = Group("What is taken", 20)


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
        description="Fill fields under this name.",
        detail="A field that another source has filled stays as it is.",
        group=_TAKEN,
    )
    overwrite: bool = setting(
        False,
        description="Replace fields that other sources have filled.",
        detail="They belong to this source from then on.",
        group=_TAKEN,
    )


class CatalogImportSettings(_CatalogFilesSettings, pipeline="viewership"):
    """Settings of `catalog import`, which changes the catalogue."""

    remove_missing: bool = setting(
        False,
        description="Deactivate what this source has added and the files lack.",
        detail="Only of kinds that the files have. It is active again once a file of the same source has it.",
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
    format: Literal["csv", "jsonl"] = setting("csv", description="Write CSV or JSON lines.", group=_TAKEN)
