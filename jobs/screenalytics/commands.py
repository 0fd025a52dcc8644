"""Commands of screenalytics. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step, Tool

__all__ = ["HELP", "STEPS"]

HELP: Final = "Load Screenalytics run manifests into PostgreSQL."

_SETTINGS: Final = "jobs.screenalytics.settings"
_STAGE: Final = ("sync_screenalytics", 6)

STEPS: Final = (
    Step(
        "screenalytics",
        "ingest",
        "Validate new runs and write each to PostgreSQL exactly once.",
        settings=f"{_SETTINGS}:IngestSettings",
        run="jobs.screenalytics.steps.ingest:run",
        stage=_STAGE,
        view="jobs.screenalytics.steps._view:show",
    ),
    Step(
        "screenalytics",
        "replay",
        "Retry a run that failed, was quarantined or changed (or --all).",
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
        "write-manifest",
        "Write the manifest of a run whose producer writes none.",
        settings=f"{_SETTINGS}:WriteManifestSettings",
        run="jobs.screenalytics.steps.write_manifest:run",
        view="jobs.screenalytics.steps._view:show_manifests",
    ),
    Step(
        "screenalytics",
        "sample",
        "Write a small set of sample runs with known outcomes.",
        settings=f"{_SETTINGS}:SampleSettings",
        run="jobs.screenalytics.steps.sample:run",
        view="jobs.screenalytics.steps._view:show_sample",
    ),
    Tool(
        "screenalytics",
        "schema",
        "Print the JSON Schema of a run's manifest, or an example.",
        settings=f"{_SETTINGS}:SchemaSettings",
        call="jobs.screenalytics.steps.schema:show",
    ),
)
