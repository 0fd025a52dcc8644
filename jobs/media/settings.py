"""Parameters of the media steps."""

from __future__ import annotations

from shared.settings import StepSettings, setting
from shared.settings.base import WHERE

__all__ = ["PublishSettings"]


class PublishSettings(StepSettings, pipeline="media"):
    """Settings of `publish`, which writes one index page of all stages of a run."""

    report_link: str = setting(
        "../{step}/report.html",
        description="Link to each step's report with this template, relative to the index page.",
        detail="{step} and {pipeline} are replaced.",
        group=WHERE,
    )
