"""The ingest step: load runs announced by events, then those found by listing; update the events in the outbox."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import BadEvent
from jobs.screenalytics.arrival.outbox import acknowledge, dead_events, fail_event, outbox
from jobs.screenalytics.arrival.poll import elsewhere, poll
from jobs.screenalytics.intake.prefetch import WaitTimes, record_failure, take_all
from jobs.screenalytics.intake.taker import Taker
from jobs.screenalytics.intake.tally import IntakeTally
from jobs.screenalytics.reading.source import open_source
from jobs.screenalytics.tables.persons import persons
from shared.errors import TelecineError, TransientError
from shared.report import Report
from shared.step import form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobs.screenalytics.arrival.events import Candidate, Event
    from jobs.screenalytics.intake.decision import IntakeResult
    from jobs.screenalytics.model import ManifestRef
    from jobs.screenalytics.reading.candidate import ReadResult
    from jobs.screenalytics.settings import IngestSettings
    from shared.ledger import StageRun

__all__ = ["run"]

_log = logging.getLogger(__name__)

_DELIVERED: Final = frozenset({"ingested", "unchanged", "replaced", "skipped", "source_deleted", "set_aside"})


def run(settings: IngestSettings, stage_run: StageRun) -> Report:
    """Ingest runs announced by events, then runs found by listing, and return the report.

    A bad run does not stop the others.

    Args:
        settings: settings of the step.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: the Workflow has an unknown parameter, or ``--auth`` lacks its key.
        RequestRefused: the listing, or every object, is refused.
        ConfigurationError: the database or the outbox is not set up.
        TransientError: the listing fails, or the outbox fails and is the only source or part of telecine's database.
    """
    if form.is_known():
        form.check_names(pipeline="screenalytics")
    if not settings.enabled:
        return Report(status="skipped", headline="skipped by --no-enabled; neither the outbox nor the store was read")
    report = _Ingest(settings, stage_run).run()
    report.sections += persons(settings)
    return report


class _Ingest:
    def __init__(self, settings: IngestSettings, stage_run: StageRun) -> None:
        self._settings = settings
        self._stage_run = stage_run
        self._store = open_source(settings)
        self._taker = Taker(settings, self._store, stage_run, max_attempts=settings.max_attempts)
        self._tally = IntakeTally()
        self._waits = WaitTimes()
        # Manifest key -> the digests that events announced for it.
        self._announced: dict[str, set[str | None]] = {}
        # Announcements (key, digest) that were delivered, and repeated events of those that were not delivered yet.
        self._delivered: set[tuple[str, str | None]] = set()
        self._repeated: defaultdict[tuple[str, str | None], list[Event]] = defaultdict(list)
        # Events that failed in this ingest; the next one sees what became of their runs.
        self._failed: set[str] = set()
        self._outbox_down = False
        self._listed = 0
        # Refused manifests that events announced; the listing may show that others are readable.
        self._undecided: list[tuple[Candidate, ReadResult]] = []

    def run(self) -> Report:
        began = time.monotonic()
        self._stage_run.progress.start(0, "runs")
        if self._settings.arrival in ("both", "events"):
            self._take_events()
        if not self._tally.ended and self._settings.arrival in ("both", "poll"):
            self._take(poll(self._settings, self._store, self._settled), last=True)
            if not (self._listed or self._tally.ended):
                self._tally.hint = elsewhere(self._settings, self._store)
                _log.warning("%s", self._tally.hint)
        if not self._tally.ended and not self._outbox_down and self._settings.arrival in ("both", "events"):
            self._deliver_dead_events()
        self._tally.known = self._taker.items.known
        self._tally.set_aside = self._taker.items.set_aside
        waits = self._waits
        write_s = max(0.0, time.monotonic() - began - waits.list - waits.read)
        return self._tally.report(
            max_failed=self._settings.max_failed,
            durations={"list": waits.list, "read": waits.read, "write": write_s},
            dry_run=self._settings.dry_run,
        )

    def _take_events(self) -> None:
        try:
            self._take(self._events(), last=self._settings.arrival == "events")
        except TransientError as error:
            # Without telecine's own database, nothing else would work either.
            if self._settings.arrival == "events" or self._settings.outbox_url is None:
                raise
            self._outbox_down = True
            record_failure(self._stage_run, self._tally.add_outbox(error))
            # The listing finds announced runs that were not taken.
            self._announced.clear()

    def _take(self, candidates: Iterable[Candidate], *, last: bool) -> None:
        for result in take_all(
            candidates,
            self._taker,
            self._tally,
            self._stage_run,
            readers=self._settings.readers,
            waits=self._waits,
            undecided=self._undecided,
            last=last,
        ):
            if result.candidate.event is not None:
                self._update_outbox(result.candidate.event, result)
            if result.event_only:
                # Let the listing find the content that is in the store.
                self._announced.pop(result.candidate.ref.key, None)

    def _events(self) -> Iterator[Candidate]:
        """Yield each announced run once; count invalid events as failures."""
        for arrived in outbox(self._settings):
            self._tally.events += 1
            if isinstance(arrived, BadEvent):
                self._reject_event(arrived)
                continue
            event, key, digest = arrived.event, arrived.ref.key, arrived.expected_sha256
            digests = self._announced.setdefault(key, set())
            if digest in digests and event is not None:
                # It is delivered together with the first event that announced the same content.
                if (key, digest) in self._delivered:
                    acknowledge(self._settings, event)
                else:
                    self._repeated[key, digest].append(event)
                continue
            digests.add(digest)
            yield arrived

    def _reject_event(self, bad: BadEvent) -> None:
        dead = bad.event.attempts + 1 >= self._settings.max_attempts
        if not self._settings.dry_run:
            dead = fail_event(self._settings, bad.event, bad.error)
        record_failure(self._stage_run, self._tally.add_bad(bad, dead=dead))

    def _update_outbox(self, event: Event, result: IntakeResult) -> None:
        """Mark an event as delivered or failed; it stays pending after a transient or internal failure of its run."""
        if self._settings.dry_run:
            return
        if result.outcome in _DELIVERED:
            announced = result.candidate.ref.key, result.candidate.expected_sha256
            self._delivered.add(announced)
            for each in (event, *self._repeated.pop(announced, ())):
                acknowledge(self._settings, each)
        elif isinstance(result.error, TelecineError) and (
            result.note == "MANIFEST_NOT_YET" or result.failure_class in ("permanent", "quarantine")
        ):
            self._failed.add(event.event_id)
            fail_event(self._settings, event, result.error)

    def _deliver_dead_events(self) -> None:
        """Mark events that were set aside as delivered if their run has been ingested or skipped since."""
        if self._settings.dry_run:
            return
        try:
            for page in dead_events(self._settings):
                processed = self._taker.items.processed([candidate.ref.key for candidate in page])
                for candidate in page:
                    event = candidate.event
                    if candidate.ref.key in processed and event is not None and event.event_id not in self._failed:
                        acknowledge(self._settings, event)
        except TransientError as error:
            # All runs have been processed, and the next ingest delivers these events.
            _log.warning("events that were set aside are not marked as delivered: %s", error)

    def _settled(self, refs: Sequence[ManifestRef]) -> set[str]:
        self._listed += len(refs)
        announced = {ref.key for ref in refs if ref.key in self._announced}
        settled = self._taker.items.settled([ref for ref in refs if ref.key not in announced])
        self._tally.add_settled(settled)
        return announced | settled
