"""Run a step or tool from flags to exit code; print its view; compose the message that Argo shows on its node.

Importing this module is cheap; a step's own imports happen when it is executed.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from shared import logs
from shared.disk import full_disk
from shared.errors import EXIT_OK, Stopped, TelecineError, most_severe
from shared.step import guard, termination
from shared.step.contract import UnrecordedRun
from shared.streams import write_out
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.report import Report
    from shared.settings import Settings, StepSettings
    from shared.step.contract import Step, Tool

__all__ = ["execute", "execute_tool"]

_LOG: Final = logging.getLogger("telecine")


def execute(step: Step, argv: Sequence[str]) -> int:
    """Run a step from its flags to its exit code.

    The report, the log and the ledger show the same duration: from this call to the end of the run's last stage.

    Parse the flags, set up logs and signals, open the ledger stage, call the step, finish the stage, write report.json
    and report.html, log the summary, print the step's view, and map the outcome to an exit code.

    Args:
        step: the step.
        argv: arguments after the command's name.

    Returns:
        0, 2, 65, 70, 75, 78, 130 or 143.
    """
    start = datetime.now(UTC), time.monotonic()
    with ExitStack() as stack:
        return guard.guarded(lambda: _execute(step, argv, stack, start))


def execute_tool(tool: Tool, argv: Sequence[str]) -> int:
    """Run a tool from its flags to its exit code, and print its result on standard output."""

    def body() -> int:
        settings = _parse(tool.settings, tool.program, tool.help, argv)
        logs.configure(
            getattr(settings, "log_level", "INFO"),
            getattr(settings, "log_file", None),
            getattr(settings, "log_format", "auto"),
        )
        guard.note_logs()
        _warn_of_variables(None)
        answer = guard.load(tool.call)(settings)
        text, code = answer if isinstance(answer, tuple) else (str(answer), EXIT_OK)
        if text:
            with guard.printing():
                write_out(text.rstrip("\n"))
        if code != EXIT_OK:
            # The node shows 1,000 characters: of a list of findings, only the failed ones.
            failed = [line.strip() for line in text.splitlines() if line.split()[:1] == ["fail"]]
            termination.write("\n".join(failed) or text)
        return int(code)

    return guard.guarded(body)


def _parse(settings: str, program: str, text: str, argv: Sequence[str]) -> Settings:
    model = guard.load(settings)
    from shared.settings.command import parse

    return parse(cast("type[Settings]", model), program, text, argv)


def _execute(step: Step, argv: Sequence[str], stack: ExitStack, start: tuple[datetime, float]) -> int:
    from shared.report import outputs

    outputs.begin()
    settings = cast("StepSettings", _parse(step.settings, step.program, step.help, argv))
    logs.configure(settings.log_level, settings.log_file, settings.log_format)
    guard.note_logs()
    _warn_of_variables(step.pipeline)
    if settings.run_id is not None:
        from shared.ledger.run_id import check_run_id

        # Before any report, whose folder is named like the run.
        check_run_id(settings.run_id)
    stage_run: Any = None
    report: Report | None = None
    try:
        launched = _launched(step, settings)
        run = launched or guard.load(step.run)
        with _stage(step.stage if launched is None else None, step, settings, start[1]) as stage_run:
            stack.enter_context(logs.bind(run=stage_run.run_id, step=f"{step.pipeline} {step.name}", process=True))
            with full_disk():
                report = cast("Report", run(settings, stage_run))
            stage_run.progress.finish()
            report.items = report.items or stage_run.progress.done
            _complete(report, step, settings, stage_run.run_id, start)
            stage_run.finish(report)
        _time(report, stage_run)
    except BaseException as error:
        if stage_run is not None:
            stage_run.progress.finish()
        run_id = stage_run.run_id if stage_run is not None else settings.run_id or "none"
        _write_failed(error, report, step=step, settings=settings, run_id=run_id, start=start, stage_run=stage_run)
        raise
    code = most_severe(report.exit_code, stage_run.exit_code)
    paths: dict[str, str] = {}
    try:
        paths = _write(report, settings)
    except TelecineError as error:
        _LOG.error("the report could not be written: %s", error.message)
        code = most_severe(code, error.exit_code)
    outputs.write(report)
    if code != EXIT_OK:
        termination.write(_termination_text(report))
    _LOG.info("%s", report.summary(), extra={"counts": report.counts, "seconds": report.seconds, "exit_code": code})
    if not logs.in_pod():
        _show(step, report, paths)
    return code


def _warn_of_variables(pipeline: str | None) -> None:
    from shared.settings.base import unknown_variables

    for variable, similar in unknown_variables(pipeline).items():
        hint = f"; did you mean {similar}?" if similar else ""
        _LOG.warning("the variable %s is ignored, because no setting has it%s", one_line(variable), hint)


def _termination_text(report: Report) -> str:
    """Return the text that Argo shows for the node: the summary and the first failure."""
    text = report.summary()
    if report.failures:
        first = report.failures[0]
        text += f"; first {first.item}: {first.code}: {first.message}"
    return text


def _launched(step: Step, settings: StepSettings) -> Any:
    """Return the function that runs the step elsewhere, or None to run it here."""
    # The variable marks the driver of a RayJob, which must not launch another one.
    if step.launch is None or getattr(settings, "compute", "local") == "local" or os.environ.get("TELECINE_RAYJOB"):
        return None
    return guard.load(step.launch)(settings)


@contextmanager
def _stage(stage: tuple[str, int] | None, step: Step, settings: StepSettings, began: float) -> Iterator[Any]:
    """Open the ledger stage, or its stand-in if the step has none."""
    if stage is None:
        from uuid_utils import uuid7

        from shared.progress import Progress

        run_id = settings.run_id or str(uuid7())
        yield UnrecordedRun(run_id, step.pipeline, step.name, Progress(step.name), began=began)
        return
    from shared.ledger import open_stage

    name, order = stage
    with open_stage(
        settings,
        pipeline=step.pipeline,
        stage=name,
        order=order,
        parameters=settings.parameters(),
        began=began,
    ) as stage_run:
        yield stage_run


def _complete(report: Report, step: Step, settings: StepSettings, run_id: str, start: tuple[datetime, float]) -> None:
    """Fill in the fields that the step left empty."""
    from shared.settings.database import DatabaseSettings
    from shared.settings.next_command import next_command

    started, began = start
    report.pipeline = report.pipeline or step.pipeline
    report.step = report.step or step.name
    report.run_id = report.run_id or run_id
    report.started_at = report.started_at or started
    # Monotonic, because the time of day may have been set back in the meantime.
    report.seconds = report.seconds or time.monotonic() - began
    report.finished_at = report.finished_at or report.started_at + timedelta(seconds=report.seconds)
    report.parameters = report.parameters or settings.parameters()
    report.show_command = next_command("runs show", report.run_id, model=DatabaseSettings, settings=settings)


def _time(report: Report, stage_run: Any) -> None:
    """Replace the measured duration with the ledger's, unless the ledger could not record the end."""
    seconds = getattr(stage_run, "seconds", None)
    if seconds is not None and report.started_at is not None:
        report.seconds = seconds
        report.finished_at = report.started_at + timedelta(seconds=seconds)


def _write(report: Report, settings: StepSettings) -> dict[str, str]:
    from shared.report.write import folder_of, sweep, write

    folder = folder_of(settings, report.run_id)
    if folder is None:
        return {}
    if settings.report_dir is None:
        sweep(os.path.dirname(folder))  # noqa: PTH120 - state_dir may become a URI
    return write(report, folder, settings)


def _write_failed(
    error: BaseException,
    report: Report | None,
    *,
    step: Step,
    settings: StepSettings,
    run_id: str,
    start: tuple[datetime, float],
    stage_run: Any,
) -> None:
    """Write the report of a step that raised an error; failures to write it must not hide that error."""
    from shared.failure import Failure
    from shared.report import Report, outputs

    # If the step has finished and only the ledger failed, keep the counts.
    report = report or Report()
    report.status = guard.status_of(error)
    report.exit_code = guard.exit_code_of(error)
    if not isinstance(error, Stopped | KeyboardInterrupt):
        report.failures = [Failure.of(f"{step.pipeline} {step.name}", error), *report.failures]
    _complete(report, step, settings, run_id, start)
    _time(report, stage_run)
    outputs.write(report)
    try:
        paths = _write(report, settings)
    except Exception as write_error:  # noqa: BLE001 - the original error is the one to show
        _LOG.warning("the report could not be written: %s", write_error)
    else:
        if paths:
            _LOG.info("%s; report: %s", report.summary(), _link(paths["report.html"]))


def _show(step: Step, report: Report, paths: dict[str, str]) -> None:
    """Print the step's view and the report's location on standard output."""
    from shared.report.terminal import open_console, print_line

    with guard.printing():
        console = open_console()
        if step.view is not None:
            guard.load(step.view)(report, console)
        if paths:
            print_line(console, f"report: {_link(paths['report.html'])}")


def _link(place: str) -> str:
    """Return a place as a URI, which terminals make a link of."""
    from pathlib import Path

    return place if "://" in place else Path(place).absolute().as_uri()
