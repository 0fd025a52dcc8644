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
        "upload",
        "Store the rows of platform reports, without matching them.",
        settings=f"{_SETTINGS}.uploads:UploadSettings",
        run="jobs.viewership.steps.upload:run",
        stage=("upload", 2),
        view="jobs.viewership.steps._view:show_uploads",
    ),
    Step(
        "viewership",
        "normalize",
        "Find the deal, channel and territory of the rows of uploads.",
        settings=f"{_SETTINGS}.uploads:NormalizeSettings",
        run="jobs.viewership.steps.phases:run_normalize",
        stage=("normalize", 3),
        view="jobs.viewership.steps._view:show_uploads",
    ),
    Step(
        "viewership",
        "match",
        "Find the episode of the rows of uploads.",
        settings=f"{_SETTINGS}.uploads:MatchSettings",
        run="jobs.viewership.steps.phases:run_match",
        stage=("match", 4),
        view="jobs.viewership.steps._view:show_uploads",
    ),
    Step(
        "viewership",
        "load",
        "Write the matched rows of uploads to the final table.",
        settings=f"{_SETTINGS}.uploads:LoadSettings",
        run="jobs.viewership.steps.phases:run_load",
        stage=("load", 7),
        view="jobs.viewership.steps._view:show_uploads",
    ),
    Step(
        "viewership",
        "run",
        "Upload, normalize, match and load platform reports.",
        settings=f"{_SETTINGS}.uploads:RunSettings",
        run="jobs.viewership.steps.run:run",
        view="jobs.viewership.steps._view:show_uploads",
    ),
    Tool(
        "viewership",
        "validate",
        "Count the rows of uploads by what became of them.",
        settings=f"{_SETTINGS}.uploads:ValidateSettings",
        call="jobs.viewership.steps.validate:validate",
    ),
    Tool(
        "viewership",
        "uploads",
        "List uploads, latest first.",
        settings=f"{_SETTINGS}.uploads:UploadsSettings",
        call="jobs.viewership.steps.uploads:list_uploads",
    ),
    Step(
        "viewership",
        "retract",
        "Take an upload back: its rows leave the final table.",
        settings=f"{_SETTINGS}.uploads:RetractSettings",
        run="jobs.viewership.steps.retract:run",
        stage=("retract", 7),
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
