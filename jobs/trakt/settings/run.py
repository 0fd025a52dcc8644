"""Settings of the commands that cover all stages: run and verify."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic resolves the annotations of fields
from typing import Annotated, Final

from pydantic import Field

from jobs.trakt.settings.ingest import IngestSettings
from jobs.trakt.settings.model import ModelSettings
from jobs.trakt.settings.publish import PublishSettings
from jobs.trakt.settings.slo import SloSettings
from shared.settings import setting
from shared.settings.base import LIMITS, Group

__all__ = ["RunSettings", "VerifySettings"]

_ASKED: Final = Group("What is asked for", 20)


class RunSettings(IngestSettings, ModelSettings, PublishSettings, SloSettings, pipeline="trakt"):
    """Settings of `run`: ingest, model, publish and slo."""

    as_of: date | None = setting(
        None,
        default_text="today for pages, the newest observation's day for metrics",
        description="Count pages and compute metrics for this day, such as 2026-05-31.",
        group=_ASKED,
    )


class VerifySettings(ModelSettings, pipeline="trakt"):
    """Settings of `verify`, which recomputes bronze, silver and gold and compares them."""

    silver_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = setting(
        1.0,
        description="Recompute silver for this share of the comments.",
        detail="The selection depends only on their ids. 1 compares all, with about 3 kB of memory per comment.",
        group=LIMITS,
    )
