"""The replay step: runs that failed, were set aside or have changed, once more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.intake.prefetch import Clock, take_all
from jobs.screenalytics.intake.taker import Taker
from jobs.screenalytics.intake.tally import Tally
from jobs.screenalytics.keys import manifest_key, run_of
from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.reading.source import open_source
from shared.errors import UsageError

if TYPE_CHECKING:
    from jobs.screenalytics.settings import ReplaySettings
    from shared.ledger import StageRun
    from shared.report import Report

__all__ = ["run"]

_READERS: Final = 8


def run(settings: ReplaySettings, stage_run: StageRun) -> Report:
    """Look again at one run or at all that wait; what fails again is at its first attempt.

    Args:
        settings: of the step.
        stage_run: of the ledger.

    Raises:
        UsageError: neither a run nor ``--all``, or both; no run's id.
        AccessDenied: the first manifest is refused.
        ConfigurationError: the database is not as it must be.
    """
    began = time.monotonic()
    refs_of = _checked(settings)
    store = open_source(settings)
    taker = Taker(settings, store, stage_run, accept_changed=settings.accept_changed)
    # By the key that the ingest looked at: a run may lie elsewhere under an older prefix.
    refs = [ref for ref in taker.items.waiting(settings.run) if run_of(ref.key, settings.prefix) == ref.run_id]
    refs = refs or refs_of
    tally, clock = Tally(), Clock()
    stage_run.progress.start(len(refs), "runs")
    candidates = (Candidate(ref, "replay") for ref in refs)
    for _ in take_all(candidates, taker, tally, stage_run, readers=_READERS, clock=clock):
        pass
    rest = max(0.0, time.monotonic() - began - clock.read)
    durations = {"read": clock.read, "write": rest}
    return tally.report(max_failed=settings.max_failed, durations=durations, dry_run=settings.dry_run)


def _checked(settings: ReplaySettings) -> list[ManifestRef]:
    """Return the run that is named, by the key where its manifest belongs; nothing with ``--all``."""
    if bool(settings.run) == settings.all:
        raise UsageError(
            "telecine screenalytics replay needs either a run, such as: telecine screenalytics replay RUN, or --all for"
            " every run that is rejected, quarantined or set aside"
        )
    if settings.all:
        return []
    key = manifest_key(settings.prefix, settings.run)
    if run_of(key, settings.prefix) != settings.run:
        raise UsageError(
            f"'{settings.run}' is no run's id; valid are letters, digits, '.', '_' and '-', at most 128, the first a"
            " letter or a digit"
        )
    return [ManifestRef(settings.run, key)]
