"""Commands of viewership. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step, Tool

__all__ = ["HELP", "STEPS"]

HELP: Final = "Read platforms' viewership reports; keep a content catalogue."

_SETTINGS: Final = "jobs.viewership.settings"

STEPS: Final = (
    Step(
        "viewership",
        "catalog import",
        "Import series, episodes, aliases, deals, channels or territories.",
        settings=f"{_SETTINGS}.catalog:CatalogImportSettings",
        run="jobs.viewership.steps.catalog:run_import",
        view="jobs.viewership.steps.catalog:show_import",
    ),
    Tool(
        "viewership",
        "catalog export",
        "Export the catalogue to files that can be imported.",
        settings=f"{_SETTINGS}.catalog:CatalogExportSettings",
        call="jobs.viewership.steps.catalog:export_files",
    ),
    Tool(
        "viewership",
        "catalog diff",
        "Show what an import would change, without changing anything.",
        settings=f"{_SETTINGS}.catalog:CatalogDiffSettings",
        call="jobs.viewership.steps.catalog:diff",
    ),
    Tool(
        "viewership",
        "formats list",
        "List the known formats of platform reports.",
        settings=f"{_SETTINGS}.formats:FormatsListSettings",
        call="jobs.viewership.steps.formats:list_formats",
    ),
    Tool(
        "viewership",
        "formats show",
        "Show the columns, fields and conventions of a format.",
        settings=f"{_SETTINGS}.formats:FormatsShowSettings",
        call="jobs.viewership.steps.formats:show_format",
    ),
    Tool(
        "viewership",
        "formats check",
        "Check a format's YAML file, or show what would be read from an upload.",
        settings=f"{_SETTINGS}.formats:FormatsCheckSettings",
        call="jobs.viewership.steps.formats_check:check",
    ),
    Tool(
        "viewership",
        "formats infer",
        "Propose a format, or a header and a field for each column of a file.",
        settings=f"{_SETTINGS}.formats:FormatsInferSettings",
        call="jobs.viewership.steps.formats:infer_file",
    ),
    Step(
        "viewership",
        "verify",
        "Verify matches, sums and final rows against the stored raw rows.",
        settings=f"{_SETTINGS}.audit:VerifySettings",
        run="jobs.viewership.steps.verify:run",
        view="jobs.viewership.steps.verify:show_verify",
    ),
    Tool(
        "viewership",
        "shadow",
        "Show what other matching rules would change, without changing it.",
        settings=f"{_SETTINGS}.audit:ShadowSettings",
        call="jobs.viewership.steps.shadow:shadow",
    ),
    Step(
        "viewership",
        "sample",
        "Write sample reports for every platform, with known outcomes.",
        settings=f"{_SETTINGS}.sample:SampleSettings",
        run="jobs.viewership.steps.sample:run",
        view="jobs.viewership.steps._view:show_sample",
    ),
)
