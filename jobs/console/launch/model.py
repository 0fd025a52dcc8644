"""A request, and the outcome of an attempt to start it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.console.launch.requests import StepName

__all__ = ["Ended", "Launch", "Outcome"]

_TRANSIENT = 75


@dataclass(frozen=True, slots=True)
class Launch:
    """A row of ``console.launches`` that is being started.

    Attributes:
        launch_id: its number.
        name: name of the Workflow; on a laptop, the run's id.
        step: command of ``telecine viewership``.
        file_id: the file, if it stores one.
        upload_id: the upload, if it is about one.
        parameters: names of flags without dashes -> text.
        is_late: True if it was requested so long ago that its name must not be used.
        has_begun: True if the ledger has a run of this name.
    """

    launch_id: int
    name: str
    step: StepName
    file_id: int | None
    upload_id: int | None
    parameters: Mapping[str, str]
    is_late: bool
    has_begun: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one attempt.

    Attributes:
        state: state of the row from now on.
        run_id: the run's id, if it is known.
        message: why it has not started.
    """

    state: Literal["requested", "started", "failed"]
    run_id: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A child process that has ended.

    Attributes:
        name: the run's id.
        exit_code: its exit code, or minus the signal.
        message: last line of its log.
    """

    name: str
    exit_code: int
    message: str

    @property
    def is_transient(self) -> bool:
        """Return whether the same command may succeed later."""
        return self.exit_code == _TRANSIENT
