"""The ingest step: runs that have arrived -> screenalytics.runs and .person_metrics, each in one transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import BadEvent
from jobs.screenalytics.arrival.outbox import acknowledge, fail_event, outbox
from jobs.screenalytics.arrival.poll import poll
from jobs.screenalytics.intake.prefetch import Clock, record, take_all
from jobs.screenalytics.intake.taker import Taker
from jobs.screenalytics.intake.tally import Tally
from jobs.screenalytics.reading.source import open_source
from jobs.screenalytics.tables.persons import persons
from shared.errors import TelecineError, TransientError
from shared.report import Report
from shared.step import form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobs.screenalytics.arrival.events import Candidate, Event
    from jobs.screenalytics.intake.taker import Read, Taken
    from jobs.screenalytics.model import ManifestRef
    from jobs.screenalytics.settings import IngestSettings
    from shared.ledger import StageRun

__all__ = ["run"]

_DELIVERED: Final = frozenset({"ingested", "unchanged", "replaced", "skipped", "source_deleted", "set_aside"})


def run(settings: IngestSettings, stage_run: StageRun) -> Report:
    """Take what events tell of, then what the listing shows; every run by itself, so that bad ones stop nothing.

    Args:
        settings: of the step.
        stage_run: of the ledger.

    Raises:
        UsageError: the Workflow was given a parameter that nothing reads; ``--auth`` lacks its key.
        AccessDenied: the listing, or the first manifest, is refused.
        ConfigurationError: the database or the outbox is not as it must be.
        TransientError: the listing does not answer, or the outbox where nothing else is asked.
    """
    if form.is_known():
        form.check_names(pipeline="screenalytics")
    if not settings.enabled:
        return Report(status="skipped", headline="skipped: --no-enabled; neither outbox nor store was asked")
    report = _Ingest(settings, stage_run).run()
    report.sections += persons(settings)
    return report


class _Ingest:
    def __init__(self, settings: IngestSettings, stage_run: StageRun) -> None:
        self._settings = settings
        self._stage_run = stage_run
        self._store = open_source(settings)
        self._taker = Taker(settings, self._store, stage_run, max_attempts=settings.max_attempts)
        self._tally = Tally()
        self._clock = Clock()
        # Keys of which events told, with the digest that each named.
        self._told: dict[str, set[str | None]] = {}
        # Of what was told: what is dealt with, and the events that told the same before it was.
        self._delivered: set[tuple[str, str | None]] = set()
        self._again: defaultdict[tuple[str, str | None], list[Event]] = defaultdict(list)
        # Refused manifests that events named: the listing may show that others are not refused.
        self._held: list[tuple[Candidate, Read]] = []

    def run(self) -> Report:
        began = time.monotonic()
        self._stage_run.progress.start(0, "runs")
        if self._settings.arrival in ("both", "events"):
            self._take_events()
        if not self._tally.ended and self._settings.arrival in ("both", "poll"):
            self._take(poll(self._settings, self._store, self._settled), last=True)
        self._tally.known = self._taker.items.known
        self._tally.set_aside = self._taker.items.set_aside
        clock = self._clock
        rest = max(0.0, time.monotonic() - began - clock.list - clock.read)
        return self._tally.report(
            max_failed=self._settings.max_failed,
            durations={"list": clock.list, "read": clock.read, "write": rest},
            dry_run=self._settings.dry_run,
        )

    def _take_events(self) -> None:
        try:
            self._take(self._events(), last=self._settings.arrival == "events")
        except TransientError as error:
            # One in telecine's own database is as lost as all the rest.
            if self._settings.arrival == "events" or self._settings.outbox_url is None:
                raise
            record(self._stage_run, self._tally.add_outbox(error))
            # What was told and not taken yet is for the listing.
            self._told.clear()

    def _take(self, candidates: Iterable[Candidate], *, last: bool) -> None:
        for taken in take_all(
            candidates,
            self._taker,
            self._tally,
            self._stage_run,
            readers=self._settings.readers,
            clock=self._clock,
            held=self._held,
            last=last,
        ):
            if taken.candidate.event is not None:
                self._answer(taken.candidate.event, taken)
            if taken.by_event:
                # The listing has the last word on what the store holds.
                self._told.pop(taken.candidate.ref.key, None)

    def _events(self) -> Iterator[Candidate]:
        """Yield what the outbox names, each run once; an event that names none is dealt with here."""
        for found in outbox(self._settings):
            self._tally.events += 1
            if isinstance(found, BadEvent):
                self._refuse(found)
                continue
            event, key, digest = found.event, found.ref.key, found.expected_sha256
            told = self._told.setdefault(key, set())
            if digest in told and event is not None:
                # The earlier event stands for both, as soon as it is delivered; until then both wait.
                if (key, digest) in self._delivered:
                    acknowledge(self._settings, event)
                else:
                    self._again[key, digest].append(event)
                continue
            told.add(digest)
            yield found

    def _refuse(self, bad: BadEvent) -> None:
        dead = bad.event.attempts + 1 >= self._settings.max_attempts
        if not self._settings.dry_run:
            dead = fail_event(self._settings, bad.event, bad.error)
        record(self._stage_run, self._tally.add_bad(bad, dead=dead))

    def _answer(self, event: Event, taken: Taken) -> None:
        """Tell the outbox; an event whose run failed for a reason that passes waits as it is."""
        if self._settings.dry_run:
            return
        if taken.outcome in _DELIVERED:
            told = taken.candidate.ref.key, taken.candidate.expected_sha256
            self._delivered.add(told)
            for each in (event, *self._again.pop(told, ())):
                acknowledge(self._settings, each)
        elif isinstance(taken.error, TelecineError) and (
            taken.note == "MANIFEST_NOT_YET" or taken.kind in ("permanent", "quarantine")
        ):
            fail_event(self._settings, event, taken.error)

    def _settled(self, refs: Sequence[ManifestRef]) -> set[str]:
        told = {ref.key for ref in refs if ref.key in self._told}
        return told | self._taker.items.settled([ref for ref in refs if ref.key not in told])
