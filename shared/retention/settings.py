"""Settings of `telecine vacuum`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.settings.base import HOW_IT_RUNS, WHERE, setting
from shared.settings.step import StepSettings
from shared.storage.uris import Bucket, default_bucket

__all__ = ["VacuumSettings"]


class VacuumSettings(StepSettings, pipeline="vacuum"):
    """Settings of retention: what to delete, and where."""

    artifacts: Bucket = setting(
        default_factory=lambda: default_bucket("telecine-artifacts"),
        default_text="telecine-artifacts",
        description="Delete old reports and Argo artifacts from this bucket or folder.",
        form="Bucket of reports and Argo artifacts: a name or s3://bucket.",
        group=WHERE,
    )
    viewership_bucket: Bucket = setting(
        default_factory=lambda: default_bucket("viewership"),
        default_text="viewership",
        description="Delete received files without a row from this bucket or folder.",
        form="Bucket of uploads: a name or s3://bucket. Only objects below console/ are deleted.",
        group=WHERE,
        aliases=("TELECINE_VIEWERSHIP_BUCKET",),
    )
    namespace: str | None = setting(
        None,
        default_text="all",
        description="Delete only artifacts of this namespace (keys NAMESPACE/…).",
        shared=True,
        group=WHERE,
    )
    days: Annotated[int, Field(ge=1, le=36_500)] = setting(
        90, unit="days", description="Delete what is older than this.", shared=True, group=HOW_IT_RUNS
    )
    dry_run: bool = setting(False, description="Only report; delete nothing.", group=HOW_IT_RUNS)
