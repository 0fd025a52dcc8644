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
        "publish",
        "Copy a build of gold to PostgreSQL, all tables in one transaction.",
        settings=f"{_SETTINGS}:PublishSettings",
        run="jobs.trakt.steps.publish:run",
        stage=("publish", 7),
        view="jobs.trakt.steps.publish:show",
    ),
    Step(
        "trakt",
        "slo",
        "Measure freshness and page completeness, write the page, and send alerts.",
        settings=f"{_SETTINGS}:SloSettings",
        run="jobs.trakt.steps.slo:run",
        stage=("slo", 7),
        view="jobs.trakt.steps.slo:show",
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
)
