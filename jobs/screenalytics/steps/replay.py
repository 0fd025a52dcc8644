"""The replay step: retry or restore one run, or with ``--all`` every run that is rejected, quarantined or set aside."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.intake.prefetch import WaitTimes, take_all
from jobs.screenalytics.intake.taker import Taker
from jobs.screenalytics.intake.tally import IntakeTally
from jobs.screenalytics.keys import manifest_key, run_of
from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.reading.source import open_source, source_uri
from jobs.screenalytics.verification.tables import is_damaged
from shared.errors import UsageError

if TYPE_CHECKING:
    from jobs.screenalytics.settings import ReplaySettings
    from shared.ledger import StageRun
    from shared.report import Report

__all__ = ["run"]

_READERS: Final = 8


def run(settings: ReplaySettings, stage_run: StageRun) -> Report:
    """Retry one run, or all that failed, and return the report. A run that fails again starts over at attempt 1.

    The rows of a single run are written again if they have been changed or deleted since.

    Args:
        settings: settings of the step.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the run id is invalid, or neither or both of a run and ``--all`` are given.
        RequestRefused: every object is refused.
        ConfigurationError: the database is not set up.
    """
    began = time.monotonic()
    named = _named(settings)
    store = open_source(settings)
    repair = bool(settings.run) and is_damaged(settings, source_uri(settings), settings.run)
    taker = Taker(settings, store, stage_run, accept_changed=settings.accept_changed, repair=repair)
    # Use only keys under this prefix, because a run may also have an item under an older prefix.
    waiting = taker.items.waiting(settings.run)
    refs = [ref for ref in waiting if run_of(ref.key, settings.prefix) == ref.run_id] or named
    tally, waits = IntakeTally(), WaitTimes()
    if waiting and not refs:
        tally.hint = f"{len(waiting):,} waiting below other prefixes, such as {waiting[0].key}: set --prefix"
    stage_run.progress.start(len(refs), "runs")
    candidates = (Candidate(ref, "replay") for ref in refs)
    for _ in take_all(candidates, taker, tally, stage_run, readers=_READERS, waits=waits):
        pass
    write_s = max(0.0, time.monotonic() - began - waits.read)
    durations = {"read": waits.read, "write": write_s}
    return tally.report(max_failed=settings.max_failed, durations=durations, dry_run=settings.dry_run)


def _named(settings: ReplaySettings) -> list[ManifestRef]:
    """Return the run given on the command line, with the expected key of its manifest; empty for ``--all``."""
    if bool(settings.run) == settings.all:
        raise UsageError(
            "telecine screenalytics replay needs either a run (telecine screenalytics replay RUN) or --all for every"
            " run that is rejected, quarantined or set aside"
        )
    if settings.all:
        return []
    key = manifest_key(settings.prefix, settings.run)
    if run_of(key, settings.prefix) != settings.run:
        raise UsageError(
            f"'{settings.run}' is not a run id; expected up to 128 letters, digits, '.', '_' and '-', starting"
            " with a letter or a digit"
        )
    return [ManifestRef(settings.run, key)]
