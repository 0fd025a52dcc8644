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
    Tool(
        "viewership",
        "review list",
        "List the keys that wait for a decision, by the hours at stake.",
        settings=f"{_SETTINGS}.review:ReviewListSettings",
        call="jobs.viewership.steps.review:list_keys",
    ),
    Tool(
        "viewership",
        "review show",
        "Show a key: its rows, candidates, differences, history and next commands.",
        settings=f"{_SETTINGS}.review:ReviewShowSettings",
        call="jobs.viewership.steps.review:show_key",
    ),
    Tool(
        "viewership",
        "review accept",
        "Accept an episode for the rows of keys that wait.",
        settings=f"{_SETTINGS}.review:ReviewAcceptSettings",
        call="jobs.viewership.steps.review:accept",
    ),
    Tool(
        "viewership",
        "review alias",
        "Accept an episode for the rows of keys, also in later uploads.",
        settings=f"{_SETTINGS}.review:ReviewAliasSettings",
        call="jobs.viewership.steps.review:alias",
    ),
    Tool(
        "viewership",
        "review reject",
        "Leave the rows of keys unmatched, with a reason.",
        settings=f"{_SETTINGS}.review:ReviewRejectSettings",
        call="jobs.viewership.steps.review:reject",
    ),
    Tool(
        "viewership",
        "review undo",
        "Take decisions back, with all their effects.",
        settings=f"{_SETTINGS}.review:ReviewUndoSettings",
        call="jobs.viewership.steps.review:undo_decisions",
    ),
    Tool(
        "viewership",
        "review export",
        "Write the keys that wait to a CSV file or a workbook.",
        settings=f"{_SETTINGS}.review:ReviewExportSettings",
        call="jobs.viewership.steps.review:export_queue",
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
