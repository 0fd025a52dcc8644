"""Implements `telecine runs list | show`: the ledger as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from shared.ledger import history
from shared.settings.base import setting
from shared.settings.database import DatabaseSettings
from shared.text import as_json, duration, one_line, text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ListSettings", "ShowSettings", "list_runs", "show_run"]

SHOWN_ERRORS = 20


class ListSettings(DatabaseSettings, pipeline="runs"):
    """Settings of `telecine runs list`."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = setting(20, description="List at most this many runs.")
    of: str | None = setting(None, default_text="all", description="List only runs of this pipeline, such as gamedata.")


class ShowSettings(DatabaseSettings, pipeline="runs"):
    """Settings of `telecine runs show`."""

    run: str = setting(description="Show the run whose id is this or starts with this.", argument=True)


def list_runs(settings: ListSettings) -> str:
    """Return a table of the latest runs, newest first."""
    runs = history.list_runs(settings, limit=settings.limit, pipeline=settings.of)
    if not runs:
        return _none(settings)
    rows = [
        (run.run_id, run.pipeline, run.status, _time(run.started_at), duration(run.seconds), run.error_message or "")
        for run in runs
    ]
    return text_table(("run", "pipeline", "status", "started (UTC)", "took", ""), rows)


def _none(settings: ListSettings) -> str:
    """Return that there are no runs, and of which pipelines there are."""
    known = history.pipelines(settings) if settings.of is not None else []
    if not known:
        return "There are no runs yet."
    return f"There are no runs of {one_line(repr(settings.of))}; there are runs of: {', '.join(map(one_line, known))}."


def show_run(settings: ShowSettings) -> str:
    """Return one run with its stages and first item errors."""
    run, stages = history.show_run(settings, settings.run)
    lines = [
        f"run       {one_line(run.run_id)}",
        f"pipeline  {one_line(run.pipeline)}",
        f"status    {run.status}" + (f" (stage {one_line(run.error_stage)})" if run.error_stage else ""),
        f"started   {_time(run.started_at)} UTC, took {duration(run.seconds)}",
        f"by        telecine {one_line(run.version or '?')} on {one_line(run.host or '?')}",
    ]
    if run.error_message:
        # Indented, so that a line break in a message cannot forge a line.
        lines.append("error     " + run.error_message.replace("\n", "\n          "))
    rows = [
        (
            *(stage.stage, stage.status, str(stage.attempt), duration(stage.seconds)),
            "" if stage.exit_code is None else str(stage.exit_code),
            ", ".join(f"{name} {value}" for name, value in stage.counts.items()),
        )
        for stage in stages
    ]
    if rows:
        lines += ["", text_table(("stage", "status", "attempt", "took", "exit", "counts"), rows)]
    lines += [f"{one_line(stage.stage)} wrote {one_line(stage.manifest_key)}" for stage in stages if stage.manifest_key]
    failures = history.failed_items(settings, run.run_id, limit=SHOWN_ERRORS)
    total = sum(stage.failed_items for stage in stages)
    if failures:
        errors = [(failure.item, failure.code, failure.message) for failure in failures]
        lines += ["", text_table(("item", "code", "message"), errors)]
    if total > len(failures):
        lines.append(f"… and {total - len(failures)} more")
    lines += _parameters(run.parameters, stages)
    return "\n".join(lines)


def _parameters(parameters: dict[str, Any], stages: Sequence[history.StageRow]) -> list[str]:
    """Return the parameters in lines, those that differ from their defaults first."""
    changed = {name for stage in stages for name in stage.changed or ()}
    is_known = any(stage.changed is not None for stage in stages)
    groups = [("parameters that differ from their defaults", [name for name in parameters if name in changed])]
    others = [name for name in parameters if name not in changed]
    groups.append(("other parameters" if is_known else "parameters", others))
    lines: list[str] = []
    for title, names in groups:
        if names:
            lines += ["", title, *(f"  {one_line(name)} = {as_json(parameters[name])}" for name in names)]
    return lines


def _time(moment: Any) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
