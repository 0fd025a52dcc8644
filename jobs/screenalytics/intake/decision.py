"""The decision on a candidate, and the result that is reported for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.model import RunWarning, ScreenalyticsRun
    from jobs.screenalytics.tables.ingest_items import Entry, State
    from shared.failure import Failure

__all__ = ["Decision", "FailureClass", "IntakeOutcome", "IntakeResult"]

IntakeOutcome = Literal[
    "ingested", "unchanged", "replaced", "skipped", "source_deleted", "deferred", "set_aside", "failed"
]
FailureClass = Literal["permanent", "quarantine", "transient", "internal"]


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """The result for one candidate.

    Attributes:
        candidate: the candidate.
        outcome: outcome of the candidate; each outcome is counted.
        ep_id: the episode; None if the manifest was not parsed.
        persons: rows written to ``person_metrics``.
        output_hash: hash of the run's rows, if they are in the tables now.
        note: a status or a code for the report.
        failure: set if the candidate failed.
        failure_class: class of that failure.
        error: the error behind a failed or deferred candidate.
        event_only: True if only the event failed, so that the object in the store still needs a decision.
        warnings: warnings of a run that was written.
        bytes_read: bytes of manifest and artifacts.
    """

    candidate: Candidate
    outcome: IntakeOutcome
    ep_id: str | None = None
    persons: int = 0
    output_hash: str | None = None
    note: str = ""
    failure: Failure | None = None
    failure_class: FailureClass | None = None
    error: Exception | None = None
    event_only: bool = False
    warnings: tuple[RunWarning, ...] = ()
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The result to report for a candidate, and the changes to write for it in one transaction.

    Attributes:
        result: the result if every write succeeds.
        run: the run to write to the product tables.
        mark: change of the mark ``source_deleted`` on the run's rows.
        entry: the attempt to record; None records nothing.
        state: new state of the item; None appends ``entry`` to the attempts without changing the item.
        attempt: number of failures of this content, including this one; 0 if it did not fail.
        max_attempts: failures after which the item is set aside.
    """

    result: IntakeResult
    run: ScreenalyticsRun | None = None
    mark: Literal["deleted", "present"] | None = None
    entry: Entry | None = None
    state: State | None = None
    attempt: int = 0
    max_attempts: int = 1

    @property
    def writes(self) -> bool:
        """True if there is anything to write."""
        return self.run is not None or self.mark is not None or self.entry is not None

    @property
    def is_dispensable(self) -> bool:
        """True if the decision only adds to the list of attempts, so that losing it changes no later decision."""
        return self.run is None and self.mark is None and self.state is None
