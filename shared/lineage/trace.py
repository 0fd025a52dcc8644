"""Trace a step: a START event before its work, and COMPLETE, FAIL or ABORT after it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.errors import TelecineError
from shared.lineage.event import EventType, Job, run_event
from shared.lineage.transport import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.ledger import StageRun
    from shared.lineage.event import Dataset
    from shared.lineage.settings import LineageSettings

__all__ = ["Trace", "trace"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Trace:
    """The datasets of a step; the step may add more while it works.

    Attributes:
        inputs: datasets that it reads.
        outputs: datasets that it writes.
    """

    inputs: list[Dataset] = field(default_factory=list)
    outputs: list[Dataset] = field(default_factory=list)


@contextmanager
def trace(
    settings: LineageSettings,
    job: Job,
    stage_run: StageRun,
    *,
    inputs: list[Dataset] | None = None,
    outputs: list[Dataset] | None = None,
) -> Iterator[Trace]:
    """Report a step to OpenLineage; without a configured destination, do nothing.

    If sending fails, the step logs one warning and sends no further events: lineage never fails a run.

    Args:
        settings: the destination and the namespace.
        job: the step.
        stage_run: the run and the attempt.
        inputs: input datasets that are known before the work.
        outputs: output datasets that are known before the work.
    """
    traced = Trace(list(inputs or ()), list(outputs or ()))
    place = settings.lineage
    works = place is not None

    def report(kind: EventType, error: str | None = None) -> None:
        nonlocal works
        if not works or place is None:
            return
        try:
            event = run_event(
                kind,
                job,
                run_id=stage_run.run_id,
                attempt=stage_run.attempt,
                namespace=settings.lineage_namespace,
                at=datetime.now(UTC),
                inputs=traced.inputs,
                outputs=traced.outputs,
                error=error,
            )
            send(event, place, settings)
        except TelecineError as failure:
            works = False
            _LOG.warning("%s; lineage of %s is not recorded", failure, job.name)

    report("START")
    try:
        yield traced
    except Exception as error:
        report("FAIL", str(error) if isinstance(error, TelecineError) else type(error).__name__)
        raise
    except BaseException as stopped:
        report("ABORT", str(stopped))
        raise
    report("COMPLETE")
