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
        "erase",
        "Erase a user's comments, and keep them from coming back.",
        settings=f"{_SETTINGS}:EraseSettings",
        run="jobs.trakt.steps.erase:run",
    ),
    Step(
        "trakt",
        "model",
        "Build silver and gold from bronze with dbt.",
        settings=f"{_SETTINGS}:ModelSettings",
        run="jobs.trakt.steps.model:run",
        stage=("model", 5),
        view="jobs.trakt.steps.model:show",
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
        "Print the JSON Schema of an answer of the API, or of all.",
        settings=f"{_SETTINGS}:SchemaSettings",
        call="jobs.trakt.steps.schema:show",
    ),
    Step(
        "trakt",
        "vacuum",
        "Compact the bronze table, and delete files that it no longer needs.",
        settings=f"{_SETTINGS}:TraktVacuumSettings",
        run="jobs.trakt.steps.vacuum:run",
    ),
)
