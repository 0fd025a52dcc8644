"""The pipeline: its two WorkflowTemplates, its branch of ``media``, and its crons."""

from __future__ import annotations

from typing import Final

from workflows._lib.cron import Cron
from workflows._lib.pipeline import Pipeline
from workflows.trakt import backfill, daily
from workflows.trakt.codes import CODES
from workflows.trakt.forms import BRANCH

__all__ = ["PIPELINE"]

# The time zone of the objective: fresh by 09:00.
_ZONE: Final = "America/Chicago"

PIPELINE: Final = Pipeline(
    daily.NAME,
    daily.build,
    parameters=BRANCH,
    codes=CODES,
    others={backfill.NAME: backfill.build},
    crons=(
        Cron(
            "trakt-daily",
            schedule="0 5 * * *",
            title="trakt, every morning",
            description="Reads what has changed since yesterday; starts by 05:30 and ends by 07:30.",
            start_deadline_s=1800,
            suspend=True,
            # A missed day cannot be read later: the API returns only current ratings.
            stop=None,
            timezone=_ZONE,
        ),
        Cron(
            "trakt-freshness",
            schedule="0 9 * * *",
            title="trakt, service levels at 09:00",
            description="Measures which titles were fresh by 09:00; sends no API requests.",
            # A late measurement has the same result, because it measures the state at 09:00.
            start_deadline_s=4 * 3600,
            entrypoint=daily.FRESHNESS,
            suspend=True,
            stop=None,
            timezone=_ZONE,
        ),
    ),
)
