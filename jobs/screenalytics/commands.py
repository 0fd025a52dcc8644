"""The commands of screenalytics. Importing this costs nothing; what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step, Tool

__all__ = ["STEPS"]

_SETTINGS: Final = "jobs.screenalytics.settings"
_STAGE: Final = ("sync_screenalytics", 6)

STEPS: Final = (
    Step(
        "screenalytics",
        "ingest",
        "Read runs that have arrived, check them, and write each whole into PostgreSQL, once.",
        settings=f"{_SETTINGS}:IngestSettings",
        run="jobs.screenalytics.steps.ingest:run",
        stage=_STAGE,
        view="jobs.screenalytics.steps._view:show",
    ),
    Step(
        "screenalytics",
        "replay",
        "Look once more at a run that failed, was set aside or has changed; or at all of them.",
        settings=f"{_SETTINGS}:ReplaySettings",
        run="jobs.screenalytics.steps.replay:run",
        stage=_STAGE,
        view="jobs.screenalytics.steps._view:show",
    ),
    Step(
        "screenalytics",
        "verify",
        "Compare the tables with the store.",
        settings=f"{_SETTINGS}:VerifySettings",
        run="jobs.screenalytics.steps.verify:run",
        view="jobs.screenalytics.steps._view:show_verify",
    ),
    Step(
        "screenalytics",
        "sample",
        "Write a small set of runs with known outcome.",
        settings=f"{_SETTINGS}:SampleSettings",
        run="jobs.screenalytics.steps.sample:run",
        view="jobs.screenalytics.steps._view:show_sample",
    ),
    Tool(
        "screenalytics",
        "schema",
        "Print the contract of a run's manifest as JSON Schema, or an example.",
        settings=f"{_SETTINGS}:SchemaSettings",
        call="jobs.screenalytics.steps.schema:show",
    ),
)
