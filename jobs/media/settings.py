"""The parameters of the media steps."""

from __future__ import annotations

from shared.settings import StepSettings, setting

__all__ = ["PublishSettings"]


class PublishSettings(StepSettings, pipeline="media"):
    """The stages of a run in the ledger -> one index page."""

    report_link: str = setting(
        "../{step}/report.html",
        description="Where the page of a step's report lies, seen from this one; {step} and {pipeline} are filled in.",
    )
