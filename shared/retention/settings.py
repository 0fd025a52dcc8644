"""What `telecine vacuum` takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.settings.base import setting
from shared.settings.step import StepSettings
from shared.storage.uris import Bucket, default_bucket

__all__ = ["VacuumSettings"]


class VacuumSettings(StepSettings, pipeline="vacuum"):
    """How long what is kept, and where it lies."""

    days: Annotated[int, Field(ge=1, le=36_500)] = setting(
        90, unit="days", description="What is older goes.", shared=True
    )
    artifacts: Bucket = setting(
        default_factory=lambda: default_bucket("telecine-artifacts"),
        default_text="telecine-artifacts",
        description="Bucket or folder of reports and of Argo's artifacts.",
    )
    namespace: str | None = setting(
        None,
        default_text="all",
        description="Only artifacts of this namespace: those whose key begins with NAMESPACE/.",
        shared=True,
    )
    dry_run: bool = setting(False, description="Say what would go; delete nothing.")
