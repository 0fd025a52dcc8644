"""The step contract. Importing this module is cheap, because commands name their imports as text."""

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
    """A command of a pipeline. Its functions and classes are named as ``module:name`` and imported when it runs.

    Attributes:
        pipeline: such as ``gamedata``.
        name: such as ``extract``.
        help: one imperative sentence of at most 80 characters.
        settings: its settings class, a ``StepSettings``.
        run: the function ``(settings, stage_run) -> Report``.
        stage: name and order in the ledger; None records nothing.
        view: a function ``(report, console)`` that prints the report on a terminal; None prints nothing more.
        launch: a function ``(settings) -> run``, called unless ``--compute`` is local. The function that it returns
            replaces ``run`` and opens no ledger stage, because its driver does. If it returns None, ``run`` is used.
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
    """A command outside the step contract: it has no ledger stage or report, and prints what its function returns.

    Attributes:
        group: such as ``db``.
        name: such as ``upgrade``; empty if the group is itself the command, as in ``telecine doctor``.
        help: one imperative sentence of at most 80 characters.
        settings: its settings class, a ``Settings``.
        call: the function ``(settings) -> str``, or ``-> (str, exit code)`` if a bad result is not an error.
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
    """A stand-in for ``shared.ledger.StageRun`` in steps without a ledger stage: same attributes, stores nothing."""

    run_id: str
    pipeline: str
    stage: str
    progress: Progress
    attempt: int = 1
    exit_code: int = EXIT_OK

    def record_errors(self, failures: Iterable[Failure]) -> None:
        """Do nothing."""

    def finish(self, report: Report) -> None:
        """Do nothing."""
