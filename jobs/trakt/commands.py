"""Commands of trakt. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step, Tool

__all__ = ["HELP", "STEPS"]

HELP: Final = "Turn Trakt comments and ratings into tables."

_SETTINGS: Final = "jobs.trakt.settings"

STEPS: Final = (
    Step(
        "trakt",
        "ingest",
        "Read what has changed on Trakt and commit it to the bronze table.",
        settings=f"{_SETTINGS}:IngestSettings",
        run="jobs.trakt.steps.ingest:run",
        stage=("ingest", 5),
        view="jobs.trakt.steps.ingest:show",
    ),
    Step(
        "trakt",
        "backfill",
        "Read all comments of titles; an interrupted run resumes where it left off.",
        settings=f"{_SETTINGS}:BackfillSettings",
        run="jobs.trakt.steps.ingest:run",
        stage=("backfill", 5),
        view="jobs.trakt.steps.ingest:show",
    ),
    Step(
        "trakt",
        "erase",
        "Erase a user's comments and keep them from coming back.",
        settings=f"{_SETTINGS}:EraseSettings",
        run="jobs.trakt.steps.erase:run",
        view="jobs.trakt.steps.erase:show",
    ),
    Step(
        "trakt",
        "model",
        "Build silver and gold from bronze with dbt.",
        settings=f"{_SETTINGS}:PinnedModelSettings",
        run="jobs.trakt.steps.model:run",
        stage=("model", 5),
        view="jobs.trakt.steps.model:show",
    ),
    Step(
        "trakt",
        "publish",
        "Copy a build of gold to PostgreSQL in one transaction.",
        settings=f"{_SETTINGS}:PublishSettings",
        run="jobs.trakt.steps.publish:run",
        # In media, the ledger keeps one row per run and stage, and gamedata's `publish` belongs to the same run.
        stage=("publish_trakt", 7),
        view="jobs.trakt.steps.publish:show",
    ),
    Step(
        "trakt",
        "slo",
        "Measure freshness and page completeness, write a report and send alerts.",
        settings=f"{_SETTINGS}:SloSettings",
        run="jobs.trakt.steps.slo:run",
        stage=("slo", 7),
        view="jobs.trakt.steps.slo:show",
    ),
    Step(
        "trakt",
        "run",
        "Ingest, model, publish and measure service levels.",
        settings=f"{_SETTINGS}:RunSettings",
        run="jobs.trakt.steps.run:run",
        view="jobs.trakt.steps.run:show",
    ),
    Tool(
        "trakt",
        "replayer",
        "Serve a seeded site that answers like the Trakt API, faults included.",
        settings=f"{_SETTINGS}:ReplayerSettings",
        call="jobs.trakt.steps.replayer:serve",
    ),
    Tool(
        "trakt",
        "schema",
        "Print the JSON Schema of one kind of API answer, or of all.",
        settings=f"{_SETTINGS}:SchemaSettings",
        call="jobs.trakt.steps.schema:show",
    ),
    Step(
        "trakt",
        "verify",
        "Compare every stored layer with the one it derives from.",
        settings=f"{_SETTINGS}:VerifySettings",
        run="jobs.trakt.steps.verify:run",
        view="jobs.trakt.steps.verify:show",
    ),
    Step(
        "trakt",
        "vacuum",
        "Compact the bronze table, delete unused files and old builds of gold.",
        settings=f"{_SETTINGS}:TraktVacuumSettings",
        run="jobs.trakt.steps.vacuum:run",
        view="jobs.trakt.steps.vacuum:show",
    ),
)
