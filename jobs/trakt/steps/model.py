"""The model step: build silver and gold from bronze with dbt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.trakt.datasets import BRONZE, MODEL, bronze
from jobs.trakt.settings.model import PinnedModelSettings
from jobs.trakt.settings.publish import PublishSettings
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.lineage.event import Dataset
from shared.lineage.trace import trace
from shared.report import Report
from shared.report.terminal import counted, print_line
from shared.settings import StepSettings
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.modelling.build import Built
    from jobs.trakt.settings.model import ModelSettings
    from shared.ledger import StageRun
    from shared.lineage.trace import Trace

__all__ = ["run", "show"]


def run(settings: ModelSettings, stage_run: StageRun) -> Report:
    """Build, and return the report.

    Raises:
        ConfigurationError: the salt, or dbt's environment, is missing; or users were erased with another salt.
        UsageError: the version that was asked for cannot be built, or the day is before the first comment.
        DataError: a model or a test failed; the last build stays.
        TransientError: the store does not answer, or dbt did not end in time.
    """
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.bronze.tombstones import erased_users
    from jobs.trakt.gold.publish import hold_gold
    from jobs.trakt.modelling.build import build

    with trace(settings, MODEL, stage_run, inputs=[Dataset(BRONZE)]) as traced:
        # With another salt, every user would get another key.
        ready(settings)
        with transaction(settings) as session:
            erased_users(session, settings)
        built = build(
            settings,
            BronzePlace(settings),
            run_id=stage_run.run_id,
            version=settings.bronze_version if isinstance(settings, PinnedModelSettings) else None,
            hold=hold_gold(settings),
        )
        if settings.lineage is not None and built.outcome != "empty":
            _name_datasets(traced, settings, built)
    return _report(settings, built)


def _name_datasets(traced: Trace, settings: ModelSettings, built: Built) -> None:
    from jobs.trakt.bronze.schema import SCHEMA
    from jobs.trakt.gold.build import read_build
    from jobs.trakt.gold.parquet import file_datasets
    from shared.storage import open_store

    store = open_store(settings.bucket, settings)
    columns = {column.name: str(column.type) for column in SCHEMA}
    traced.inputs[:] = [bronze(columns, version=built.version)]
    traced.outputs += file_datasets(store, read_build(store, built.build_id, build_again="telecine trakt model"))


def show(report: Report, console: Console) -> None:
    """Print the headline and the file that can be queried."""
    print_line(console, report.headline)
    if file := report.outputs.get("duckdb"):
        print_line(console, f"DuckDB file: {file}")


def _report(settings: ModelSettings, built: Built) -> Report:
    if built.outcome == "empty":
        command = next_command("trakt ingest", model=StepSettings, settings=settings)
        return Report(status="skipped", headline=f"bronze has no load yet; run: {command}")
    outputs = {"gold": f"{settings.bucket}/gold/{built.build_id}", "duckdb": str(built.file)}
    outputs["output_hash"] = built.build_id
    pinned = ""
    if built.is_pinned:
        outputs["bronze_version"] = str(built.version)
        words = ("--build", built.build_id, "--replace-newer")
        publish = next_command("trakt publish", *words, model=PublishSettings, settings=settings)
        pinned = f"; pinned to version {built.version} of bronze, so the current build stays; to publish it: {publish}"
    if built.outcome == "unchanged":
        return Report(
            headline=f"version {built.version} of bronze is modelled already: build {built.build_id}{pinned}",
            counts={"loads": 0},
            outputs=outputs,
        )
    from jobs.trakt.modelling.sections import build_sections

    tests = built.results.tests
    unusual = sum(test.status == "warn" for test in tests)
    comments, titles = built.rows.get("stg_trakt__comment_event", 0), built.rows.get("dim_title", 0)
    return Report(
        headline=f"{counted(built.loads, 'load', 'loads')} of bronze {built.outcome}: "
        f"{counted(comments, 'comment', 'comments')}, {counted(titles, 'title', 'titles')} as of {built.as_of}, "
        f"{counted(len(tests), 'test', 'tests')} passed, {counted(unusual, 'anomaly', 'anomalies')}{pinned}",
        items=built.loads,
        counts={
            "loads": built.loads,
            "files": built.files,
            "comments": comments,
            "titles": titles,
            "models": len(built.results.models),
            "tests": len(tests),
            "anomalies": unusual,
        },
        bytes={"bronze": built.bytes_read, "gold": sum(built.sizes.values())},
        outputs=outputs,
        durations=built.seconds,
        sections=build_sections(settings, built),
    )
