"""Run a step or a tool from its flags to its exit code.

Importing this module is cheap; everything that a step needs is imported when it is executed.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from shared import logs
from shared.errors import EXIT_OK, Stopped, TelecineError, most_severe
from shared.step import guard, termination
from shared.step.contract import UnrecordedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.report import Report
    from shared.settings import Settings, StepSettings
    from shared.step.contract import Step, Tool

__all__ = ["execute", "execute_tool"]

_LOG: Final = logging.getLogger("telecine")


def execute(step: Step, argv: Sequence[str]) -> int:
    """Run a step from its flags to its exit code.

    Parses, sets up logs and signals, opens the ledger's stage, calls the step, finishes the stage, writes report.json
    and report.html, logs one line, prints the step's own view, and maps whatever happens to an exit code.

    Args:
        step: which.
        argv: the arguments after the command's name.

    Returns:
        0, 2, 65, 70, 75, 78, 130 or 143.
    """
    with ExitStack() as stack:
        return guard.guarded(lambda: _execute(step, argv, stack))


def execute_tool(tool: Tool, argv: Sequence[str]) -> int:
    """Run a tool from its flags to its exit code, and print what it returns on standard output."""

    def body() -> int:
        settings = _parse(tool.settings, tool.program, tool.help, argv)
        logs.configure(getattr(settings, "log_level", "INFO"), getattr(settings, "log_file", None))
        guard.note_logs()
        answer = guard.load(tool.call)(settings)
        text, code = answer if isinstance(answer, tuple) else (str(answer), EXIT_OK)
        if text:
            with guard.printing():
                sys.stdout.write(text.rstrip("\n") + "\n")
        return int(code)

    return guard.guarded(body)


def _parse(settings: str, program: str, text: str, argv: Sequence[str]) -> Settings:
    model = guard.load(settings)
    from shared.settings.command import parse

    return parse(cast("type[Settings]", model), program, text, argv)


def _execute(step: Step, argv: Sequence[str], stack: ExitStack) -> int:
    from shared.report import outputs

    outputs.begin()
    settings = cast("StepSettings", _parse(step.settings, step.program, step.help, argv))
    logs.configure(settings.log_level, settings.log_file)
    guard.note_logs()
    begun = datetime.now(UTC), time.monotonic()
    stage_run: Any = None
    report: Report | None = None
    try:
        launched = _launched(step, settings)
        run = launched or guard.load(step.run)
        with _stage(step.stage if launched is None else None, step, settings) as stage_run:
            stack.enter_context(logs.bind(run=stage_run.run_id, step=f"{step.pipeline} {step.name}", process=True))
            report = cast("Report", run(settings, stage_run))
            stage_run.progress.finish()
            report.items = report.items or stage_run.progress.done
            _complete(report, step, settings, stage_run.run_id, begun)
            stage_run.finish(report)
    except BaseException as error:
        if stage_run is not None:
            stage_run.progress.finish()
        run_id = stage_run.run_id if stage_run is not None else settings.run_id or "none"
        _write_failed(error, report, step=step, settings=settings, run_id=run_id, begun=begun)
        raise
    code = most_severe(report.exit_code, stage_run.exit_code)
    places: dict[str, str] = {}
    try:
        places = _write(report, settings)
    except TelecineError as error:
        _LOG.error("the report could not be written: %s", error.message)
        code = most_severe(code, error.exit_code)
    outputs.write(report)
    if code != EXIT_OK:
        termination.leave(_last_word(report))
    _LOG.info("%s", report.summary(), extra={"counts": report.counts, "seconds": report.seconds, "exit_code": code})
    if not logs.in_pod():
        _show(step, report, places)
    return code


def _last_word(report: Report) -> str:
    """Return what Argo shows at the node: what was done, and the first of what failed."""
    said = report.summary()
    if report.failures:
        first = report.failures[0]
        said += f"; first {first.item}: {first.code}: {first.message}"
    return said


def _launched(step: Step, settings: StepSettings) -> Any:
    """Return what runs the step somewhere else; None: it runs here."""
    # A driver finds the variable: it is where the launcher wanted it.
    if step.launch is None or getattr(settings, "compute", "local") == "local" or os.environ.get("TELECINE_RAYJOB"):
        return None
    return guard.load(step.launch)(settings)


@contextmanager
def _stage(stage: tuple[str, int] | None, step: Step, settings: StepSettings) -> Iterator[Any]:
    """Open the ledger's stage, or what stands for it."""
    if stage is None:
        from uuid_utils import uuid7

        from shared.progress import Progress

        run_id = settings.run_id or str(uuid7())
        yield UnrecordedRun(run_id, step.pipeline, step.name, Progress(step.name))
        return
    from shared.ledger import open_stage

    name, order = stage
    with open_stage(
        settings, pipeline=step.pipeline, stage=name, order=order, parameters=settings.parameters()
    ) as stage_run:
        yield stage_run


def _complete(report: Report, step: Step, settings: StepSettings, run_id: str, begun: tuple[datetime, float]) -> None:
    """Fill in what the step left out."""
    started, began = begun
    report.pipeline = report.pipeline or step.pipeline
    report.step = report.step or step.name
    report.run_id = report.run_id or run_id
    report.started_at = report.started_at or started
    # By the clock that nobody sets: the time of day may be earlier by now.
    report.seconds = report.seconds or time.monotonic() - began
    report.finished_at = report.finished_at or report.started_at + timedelta(seconds=report.seconds)
    report.parameters = report.parameters or settings.parameters()


def _write(report: Report, settings: StepSettings) -> dict[str, str]:
    from shared.report.write import sweep, write

    folder = settings.report_dir
    if folder is None:
        # A pod's root is read-only; its template names a folder when a report is wanted.
        if logs.in_pod():
            return {}
        folder = os.path.join(settings.state_dir, "reports", report.run_id)  # noqa: PTH118 - may be a URI one day
        sweep(os.path.dirname(folder))  # noqa: PTH120
    return write(report, folder, settings)


def _write_failed(
    error: BaseException,
    report: Report | None,
    *,
    step: Step,
    settings: StepSettings,
    run_id: str,
    begun: tuple[datetime, float],
) -> None:
    """Write the report of a step that raised; what goes wrong here must not hide the error itself."""
    from shared.failure import Failure
    from shared.report import Report, outputs

    # The step may have been done, and only its ledger not: then what it counted is kept.
    report = report or Report()
    report.status = guard.status_of(error)
    report.exit_code = guard.exit_code_of(error)
    if not isinstance(error, Stopped | KeyboardInterrupt):
        report.failures = [Failure.of(f"{step.pipeline} {step.name}", error), *report.failures]
    _complete(report, step, settings, run_id, begun)
    outputs.write(report)
    try:
        places = _write(report, settings)
    except Exception as second:  # noqa: BLE001 - the error that ended the step is the one to show
        _LOG.warning("the report could not be written: %s", second)
    else:
        if places:
            _LOG.info("%s; report: %s", report.summary(), places["report.html"])


def _show(step: Step, report: Report, places: dict[str, str]) -> None:
    """Print the step's view and where the report lies, on standard output."""
    from rich.console import Console

    class QuietConsole(Console):
        """rich's own answer to a broken pipe is exit code 1; the step's own must stay."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    with guard.printing():
        console = QuietConsole(highlight=False)
        if step.view is not None:
            guard.load(step.view)(report, console)
        if places:
            console.print(f"report: {places['report.html']}", soft_wrap=True, markup=False)
