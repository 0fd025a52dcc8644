"""Commands of viewership. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step, Tool

__all__ = ["HELP", "STEPS"]

HELP: Final = "Match platforms' viewership uploads to the content catalogue."

_SETTINGS: Final = "jobs.viewership.settings"

STEPS: Final = (
    Step(
        "viewership",
        "catalog import",
        "Import series, episodes, aliases, deals, channels or territories.",
        settings=f"{_SETTINGS}:CatalogImportSettings",
        run="jobs.viewership.steps.catalog:run_import",
        view="jobs.viewership.steps.catalog:show_import",
    ),
    Tool(
        "viewership",
        "catalog export",
        "Write the catalogue as files that can be imported.",
        settings=f"{_SETTINGS}:CatalogExportSettings",
        call="jobs.viewership.steps.catalog:export_files",
    ),
    Tool(
        "viewership",
        "catalog diff",
        "Show what an import would change, without changing anything.",
        settings=f"{_SETTINGS}:CatalogDiffSettings",
        call="jobs.viewership.steps.catalog:diff",
    ),
)
