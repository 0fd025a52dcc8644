"""A step that does what its ``--what`` says, and a ledger that remembers it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import StoreUnavailable, UsageError
from shared.failure import Failure
from shared.report import Report, Table
from shared.settings import Settings, StepSettings, setting
from shared.step.contract import Step, Tool

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["STEP", "TOOL", "FakeSettings", "echo", "run", "view"]

What = Literal["fine", "partial", "transient", "usage", "bug", "extra", "sigint", "sigterm", "interrupt", "pipe"]


class FakeSettings(StepSettings, pipeline="fake"):
    what: What = setting("fine", description="What happens.")


class ToolSettings(Settings, pipeline="fake"):
    word: str = setting("hello", description="What is said.")


def run(settings: FakeSettings, stage_run: Any) -> Report:
    stage_run.progress.start(2, "things")
    stage_run.progress.advance()
    if settings.what in ("sigint", "sigterm"):
        os.kill(os.getpid(), signal.SIGINT if settings.what == "sigint" else signal.SIGTERM)
        signal.pause()
    errors = {
        "transient": StoreUnavailable("s3://b/k answered 503; try again later", uri="s3://b/k"),
        "usage": UsageError("--task-list x: there is no such file"),
        "bug": ValueError("postgresql://me:hush-hush@host/db"),
        "extra": ModuleNotFoundError("No module named 'av'", name="av"),
        "interrupt": KeyboardInterrupt(),
        "pipe": BrokenPipeError(),
    }
    if settings.what in errors:
        raise errors[settings.what]
    report = Report(counts={"things": 2}, sections=[Table("Things", ["a"], [[1]])])
    if settings.what == "partial":
        report.status, report.exit_code = "partial", 65
        report.failures = [Failure("thing", "broken", "it is broken")]
        stage_run.record_errors(report.failures)
    return report


def view(report: Report, console: Console) -> None:
    console.print(f"{len(report.sections)} section")


def echo(settings: ToolSettings) -> str:
    return settings.word


STEP = Step(
    "fake", "go", "Does it.", "tests.fakes.steps:FakeSettings", "tests.fakes.steps:run", view="tests.fakes.steps:view"
)
TOOL = Tool("fake", "echo", "Says it.", "tests.fakes.steps:ToolSettings", "tests.fakes.steps:echo")
