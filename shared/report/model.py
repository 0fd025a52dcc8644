"""The report that a step returns: counts, times, rejects and failures."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from shared.failure import Failure
from shared.report.sections import Section
from shared.scrub import scrub_data
from shared.text import duration

__all__ = ["MAX_FAILURES", "SCHEMA_VERSION", "Bound", "Report", "StageSummary", "Status"]

SCHEMA_VERSION: Final = 1
MAX_FAILURES: Final = 50

Status = Literal["success", "partial", "failed", "skipped", "cancelled", "interrupted"]
Bound = Literal["network", "cpu", "queue"]
# With these statuses, the headline says enough.
_DONE: Final = frozenset({"success", "partial", "skipped"})


class StageSummary(BaseModel):
    """The result of one stage, in the report of a run with several."""

    model_config = ConfigDict(extra="forbid")

    status: Status = Field("success", description="How the stage ended.")
    seconds: float = Field(0.0, ge=0, description="Wall-clock time.")
    bound: Bound | None = Field(None, description="What limited the stage's speed.")
    bound_reason: str = Field("", description="The evidence for it, with figures.")


class Report(BaseModel):
    """Counts, times, rejects and failures of one step; report.json is its published form.

    ``pipeline``, ``step``, ``run_id``, times and ``parameters`` are optional: ``shared.step.execute`` fills them in.
    In a report of several stages, keys of counts start with the stage's name and a dot: ``extract.failed``.
    Only the first 50 failures are kept; ``failures_truncated`` counts the rest.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    schema_version: Literal[1] = Field(1, description="Version of this document.")
    pipeline: str = Field("", description="The pipeline, such as gamedata.")
    step: str = Field("", description="The step, such as extract.")
    run_id: str = Field("", description="The run that the step belongs to.")
    status: Status = Field("success", description="How the step ended; partial: some items failed.")
    started_at: datetime | None = Field(None, description="Start time, in UTC.")
    finished_at: datetime | None = Field(None, description="End time, in UTC.")
    seconds: float = Field(
        0.0, ge=0, description="Wall-clock time from the start of the command to the end of its last stage."
    )
    headline: str = Field("", description="The result in one sentence.")
    stages: dict[str, StageSummary] = Field(default_factory=dict, description="Stages, for a run with several.")
    items: int = Field(0, ge=0, description="Items that the step processed: TARs, sessions, rows.")
    counts: dict[str, int] = Field(default_factory=dict, description="Items by outcome.")
    bytes: dict[str, int] = Field(default_factory=dict, description="Bytes by operation.")
    rejects: dict[str, int] = Field(default_factory=dict, description="Failed items by error code.")
    rates: dict[str, float] = Field(default_factory=dict, description="Rates such as items_per_s, mb_per_s.")
    bound: Bound | None = Field(None, description="What limited the run's speed; null if unknown.")
    bound_reason: str = Field("", description="The evidence for it, with figures.")
    failures: list[Failure] = Field(default_factory=list, description="The first 50 failed items.")
    failures_truncated: int = Field(0, ge=0, description="Number of failed items that are not listed.")
    outputs: dict[str, str] = Field(default_factory=dict, description="Written files: name -> path or URI.")
    durations: dict[str, float] = Field(default_factory=dict, description="Seconds spent in each part of the run.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The step's settings, without secrets.")
    exit_code: int = Field(0, description="0, 2, 65, 70, 75, 78, 130 or 143; see shared/errors.py.")
    # Counts that the page shows as tiles; None: all of them.
    tiles: SkipJsonSchema[tuple[str, ...] | None] = Field(None, exclude=True)
    # The command that prints the run from the ledger, for the terminal.
    show_command: SkipJsonSchema[str] = Field("", exclude=True)
    # The page if another process has rendered it; None: it is rendered from this report.
    page: SkipJsonSchema[str | None] = Field(None, exclude=True)
    sections: SkipJsonSchema[Annotated[list[Section], SkipValidation]] = Field(default_factory=list, exclude=True)

    @field_validator("rates", "durations")
    @classmethod
    def _only_numbers(cls, values: dict[str, float]) -> dict[str, float]:
        """Drop NaN and infinity, such as a rate over no time: JSON has neither."""
        return {name: value for name, value in values.items() if math.isfinite(value)}

    @field_validator("parameters", "outputs", "bound_reason", "headline")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        return scrub_data(value)

    @model_validator(mode="after")
    def _cap_failures(self) -> Report:
        extra = len(self.failures) - MAX_FAILURES
        if extra > 0:
            # Bypass validate_assignment, which would call this validator again.
            self.__dict__["failures_truncated"] = self.failures_truncated + extra
            self.__dict__["failures"] = self.failures[:MAX_FAILURES]
        return self

    def summary(self) -> str:
        """Return one line for the log: ``gamedata extract: 10 TARs: 9 extracted, 1 failed; 12.3 s``.

        Without a headline it consists of the status and the counts.
        """
        name = " ".join(part for part in (self.pipeline, self.step) if part)
        if self.headline:
            parts = [self.headline, duration(self.seconds)]
            return f"{name}: {'; '.join(parts if self.status in _DONE else [self.status, *parts])}"
        # Zeros are omitted if anything was counted: the line is for people, and report.json has them all.
        shown = {key: value for key, value in self.counts.items() if value} or self.counts
        parts = [self.status, *(f"{value:,} {key.replace('_', ' ')}" for key, value in shown.items())]
        parts.append(duration(self.seconds))
        if self.bound:
            parts.append(f"bound by {self.bound}")
        return f"{name}: {', '.join(parts)}"
