"""Settings of the sample command."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobs.viewership.settings.common import WRITTEN
from shared.settings import StepSettings, setting
from shared.settings.base import WHERE
from shared.storage import Bucket, default_bucket

__all__ = ["SampleSettings"]


class SampleSettings(StepSettings, pipeline="viewership"):
    """Settings of `sample`, which writes reports of every platform with known outcomes."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("viewership"),
        default_text="viewership",
        description="Write the files to this bucket or folder.",
        group=WHERE,
    )
    include: tuple[str, ...] = setting(
        (), default_text="all", description="Write only these kinds, by name.", group=WRITTEN
    )
    episodes: Annotated[int, Field(ge=4, le=1000)] = setting(
        24, description="Put this many episodes into each series of the catalogue.", group=WRITTEN
    )
    seed: int = setting(
        1,
        description="Seed the random generator.",
        detail="Another seed produces different hours and amounts.",
        group=WRITTEN,
    )
