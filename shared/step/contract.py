"""The step contract: what a command is. Importing this module costs nothing; a command names what it needs as text."""

from __future__ import annotations

from dataclasses import dataclass
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
    """One command of a pipeline. What it needs is named as ``module:name`` and imported when it runs.

    Attributes:
        pipeline: such as ``gamedata``.
        name: such as ``extract``.
        help: one sentence.
        settings: the class of its settings, a ``StepSettings``.
        run: the function ``(settings, stage_run) -> Report``.
        stage: name and order in the ledger; None opens no ledger.
        view: a function ``(report, console)`` that prints the report for people; None prints nothing more.
        launch: a function ``(settings) -> run``: with ``--compute`` other than local, what runs in the place of ``run``
            and opens no stage of the ledger, because its driver does; it may return None: run in place.
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
        """The command as typed."""
        return f"telecine {self.pipeline} {self.name}"


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that is no step of a pipeline: no ledger, no report; it prints what its function returns.

    Attributes:
        group: such as ``db``.
        name: such as ``upgrade``; empty where the group is the command itself, as in ``telecine doctor``.
        help: one sentence.
        settings: the class of its settings, a ``Settings``.
        call: the function ``(settings) -> str``, or ``-> (str, exit code)`` where a bad finding is no error.
    """

    group: str
    name: str
    help: str
    settings: str
    call: str

    @property
    def program(self) -> str:
        """The command as typed."""
        return f"telecine {self.group} {self.name}".rstrip()


@dataclass(slots=True)
class UnrecordedRun:
    """Stands for ``shared.ledger.StageRun`` in a step that opens no ledger: the same attributes, nothing is stored."""

    run_id: str
    pipeline: str
    stage: str
    progress: Progress
    attempt: int = 1
    exit_code: int = EXIT_OK

    def record_errors(self, failures: Iterable[Failure]) -> None:
        """Store nothing."""

    def finish(self, report: Report) -> None:
        """Store nothing."""
