"""Settings of the publish step."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.lineage.settings import LineageSettings
from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, WHERE, Group
from shared.storage import Bucket, default_bucket

__all__ = ["PublishSettings"]

_CHOSEN: Final = Group("What is published", 20)


class PublishSettings(LineageSettings, StepSettings, pipeline="trakt"):
    """Settings of `publish`, which copies a build of gold to PostgreSQL."""

    bucket: Bucket = setting(
        default_factory=lambda: default_bucket("trakt"),
        default_text="trakt",
        description="Keep pages, bronze and gold in this bucket or folder.",
        form="Bucket of pages, bronze and gold: a name or s3://bucket.",
        detail="A bucket name, s3://bucket, a folder or file:///folder.",
        group=WHERE,
    )
    build: Annotated[str, Field(pattern=r"^[0-9a-z][0-9a-z.-]{0,127}$")] | None = setting(
        None,
        default_text="the current one",
        description="Publish this build, a folder below gold/ in the bucket.",
        group=_CHOSEN,
    )
    replace_newer: bool = setting(
        False,
        description="Publish even if a newer bronze version is published.",
        detail="For a bronze table that was created again, or to go back.",
        group=HOW_IT_RUNS,
    )
