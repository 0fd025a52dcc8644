"""Settings of the publish step."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from jobs.trakt.settings.bronze import BronzeSettings
from shared.lineage.settings import LineageSettings
from shared.settings import setting
from shared.settings.base import HOW_IT_RUNS, Group

__all__ = ["PublishSettings"]

_CHOSEN: Final = Group("What is published", 20)


class PublishSettings(LineageSettings, BronzeSettings, pipeline="trakt"):
    """Settings of `publish`, which copies a build of gold to PostgreSQL."""

    build: Annotated[str, Field(pattern=r"^[0-9a-z][0-9a-z.-]{0,127}$")] | None = setting(
        None,
        default_text="the current one",
        description="Publish this build: a folder under gold/ in the bucket.",
        group=_CHOSEN,
    )
    replace_newer: bool = setting(
        False,
        description="Publish even if a build of a newer bronze version is published.",
        detail="To roll back, or after the bronze table was created again.",
        group=HOW_IT_RUNS,
    )
    replace_source: bool = setting(
        False,
        description="Let a replayer's build delete all published rows of the API.",
        group=HOW_IT_RUNS,
    )
