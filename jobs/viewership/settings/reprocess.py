"""Settings of reprocess."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from jobs.viewership.settings.common import Actor, UploadId, by
from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, Group

__all__ = ["ReprocessSettings"]

_CHOSEN: Final = Group("Keys", 20)


class ReprocessSettings(StepSettings, pipeline="viewership"):
    """Settings of `reprocess`, which matches rows again after the catalogue has changed."""

    upload: Annotated[tuple[UploadId, ...], Field()] = setting(
        (),
        default_text="all uploads",
        description="Only keys of these uploads, by number.",
        detail="A key that is shared with other uploads changes there as well.",
        group=_CHOSEN,
    )
    platform: Annotated[tuple[str, ...], Field()] = setting(
        (), default_text="all platforms", description="Only keys of these platforms.", group=_CHOSEN
    )
    titles: Annotated[str, Field(min_length=1)] | None = setting(
        None,
        default_text="all titles",
        description="Only this title, or the titles in this file, one per line.",
        detail="Their keys are matched again even if no change affects them.",
        group=_CHOSEN,
    )
    all_: bool = setting(
        False,
        description="Match every key again, not only those that changes affect.",
        group=_CHOSEN,
    )
    by: Actor = by(_CHOSEN)
    dry_run: bool = setting(False, description="Report what would change; write nothing.", group=HOW_IT_RUNS)
