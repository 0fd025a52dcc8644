"""Settings of the model step."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic resolves the annotations of fields
from typing import Annotated, Final

from pydantic import Field, NonNegativeInt, PositiveInt

from jobs.trakt.settings.bronze import BuildsSettings
from shared.lineage.settings import LineageSettings
from shared.settings import setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, WHERE, Group

__all__ = ["ModelSettings", "PinnedModelSettings"]

_METRICS: Final = Group("Metrics", 40)
# 1M comments then take 1.3 GB in all; with 1,000 MB, 1.6 GB and no less time.
_MEMORY_MB: Final = 800


class ModelSettings(LineageSettings, BuildsSettings, pipeline="trakt"):
    """Settings of builds: silver and gold from bronze with dbt."""

    as_of: date | None = setting(
        None,
        default_text="the newest observation's",
        description="Compute metrics for this day, such as 2026-05-31.",
        group=_METRICS,
    )
    replies_counted: bool = setting(
        False,
        description="Count replies as comments in every metric.",
        detail="A reply is part of a conversation of two, and only an ingest with --replies reads replies.",
        group=_METRICS,
    )
    n_min: Annotated[int, Field(ge=1, le=100_000)] = setting(
        20,
        description="Assign a quadrant only to titles with at least this many comments.",
        detail="With 20 comments, the interval of a share of one half is 0.40 wide; with fewer, it says nothing.",
        group=_METRICS,
    )
    engagement_days: Annotated[int, Field(ge=1, le=3_660)] = setting(
        28,
        unit="days",
        description="Write daily engagement for this many days up to the day of the metrics.",
        detail="A late comment changes the days after it; earlier days stay in PostgreSQL as they were published.",
        group=_METRICS,
    )
    full_refresh: bool = setting(
        False,
        description="Build from all of bronze, even if a cached build could be extended.",
        group=HOW_IT_RUNS,
    )
    dbt_python: str | None = setting(
        None,
        default_text=".venv-dbt next to the environment, or /opt/dbt",
        description="Run dbt with this Python; it needs the packages of requirements/dbt.txt.",
        group=WHERE,
    )
    dbt_threads: Annotated[int, Field(ge=1, le=64)] = setting(
        2, description="Run up to this many models and DuckDB threads at once.", group=LIMITS
    )
    dbt_memory_mb: Annotated[int, Field(ge=256, le=1_000_000)] = setting(
        _MEMORY_MB, unit="MB", description="Let DuckDB use this much memory before it spills to disk.", group=LIMITS
    )
    dbt_timeout_s: PositiveInt = setting(
        1_800, unit="s", description="Stop a build that takes longer than this.", group=LIMITS
    )


class PinnedModelSettings(ModelSettings, pipeline="trakt"):
    """Settings of `model`, which can also build from an older version of bronze."""

    bronze_version: NonNegativeInt | None = setting(
        None,
        default_text="the newest",
        description="Build from this version of the bronze table, as it was then.",
        detail="Such a build has a DuckDB file of its own and does not become the current one: publish it by its name.",
        group=HOW_IT_RUNS,
    )
