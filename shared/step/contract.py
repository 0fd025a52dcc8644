"""The step contract: what each command declares.

Importing this module is cheap, because a command names its functions and classes as text.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.failure import Failure
    from shared.progress import Progress
    from shared.report import Report

__all__ = ["Step", "Tool", "UnrecordedRun"]


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a pipeline. Its functions and classes are named as ``module:name`` and imported when it runs.

    Attributes:
        pipeline: name of the pipeline, such as ``gamedata``.
        name: name of the command, such as ``extract`` or ``catalog import``.
        help: one imperative sentence of at most 80 characters.
        settings: settings class, a ``StepSettings``.
        run: function ``(settings, stage_run) -> Report``.
        stage: name and order of the ledger stage; None records nothing.
        view: function ``(report, console)`` that prints the report on a terminal; None prints only its location.
        launch: function ``(settings) -> run``, called unless ``--compute`` is local. The function that it returns is
            used instead of ``run``, without a ledger stage, because the driver opens one. If it returns None, ``run``
            is used.
    """

    pipeline: str
    name: str
    help: str
    settings: str
    run: str
    stage: tuple[str, int] | None = None
    view: str | None = None
    launch: str | None = None

    @property
    def program(self) -> str:
        """Return the command as typed."""
        return f"telecine {self.pipeline} {self.name}"


@dataclass(frozen=True, slots=True)
class Tool:
    """A command outside the step contract, without ledger stage or report; it prints the text of its function.

    Attributes:
        group: name of the group, such as ``db``.
        name: name of the command, such as ``upgrade``; empty if the group itself is the command, like ``telecine
            doctor``.
        help: one imperative sentence of at most 80 characters.
        settings: settings class, a ``Settings``.
        call: function ``(settings) -> str``, or ``-> (str, exit code)`` if a bad result is not an error.
    """

    group: str
    name: str
    help: str
    settings: str
    call: str

    @property
    def program(self) -> str:
        """Return the command as typed."""
        return f"telecine {self.group} {self.name}".rstrip()


@dataclass(slots=True)
class UnrecordedRun:
    """A stand-in for ``shared.ledger.StageRun`` in steps without a ledger stage: it stores nothing.

    Attributes:
        began: when the command began, on the monotonic clock.
        seconds: duration of its run according to the ledger, if the step opens one; see ``shared.ledger.open_run``.
    """

    run_id: str
    pipeline: str
    stage: str
    progress: Progress
    attempt: int = 1
    exit_code: int = EXIT_OK
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def record_errors(self, failures: Iterable[Failure]) -> None:
        """Do nothing."""

    def finish(self, report: Report) -> None:
        """Do nothing."""
