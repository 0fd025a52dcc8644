"""Take one candidate at a time: look it up, apply the retry policy, write the decision (nothing with ``--dry-run``)."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.intake.retry_policy import ARTIFACT_GONE, RetryPolicy
from jobs.screenalytics.keys import run_of, runs_folder
from jobs.screenalytics.reading.candidate import CandidateReader
from jobs.screenalytics.reading.fetch import refused
from jobs.screenalytics.reading.source import source_uri
from jobs.screenalytics.tables.deleted import mark_deleted, mark_present
from jobs.screenalytics.tables.ingest_items import Items, retry_transaction
from jobs.screenalytics.tables.runs import write_run
from shared.errors import AccessDenied, ConfigurationError, ObjectMissing, RequestRefused, TransientError
from shared.storage import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.intake.decision import Decision, IntakeResult
    from jobs.screenalytics.reading.candidate import ReadResult
    from jobs.screenalytics.settings import IngestSettings, ReplaySettings
    from shared.database.session import DatabaseSession
    from shared.ledger import StageRun
    from shared.storage import ObjectStore

__all__ = ["Taker"]

_LOG: Final = logging.getLogger(__name__)
# Maximum objects to list in search of other objects than manifests, and maximum of those to read.
_LISTED: Final = 50
_PROBES: Final = 3


class Taker:
    """Processes the candidates of one source. Call :meth:`read` from any thread, :meth:`take` from one thread only.

    Args:
        settings: settings of the step; with ``dry_run`` nothing is written.
        store: the bucket of the runs.
        stage_run: the stage in the ledger; its run_id is stored with every row.
        accept_changed: replace runs whose content changed.
        repair: replace the rows of a run whose content did not change.
        max_attempts: failures after which an item is set aside. None: never set an item aside, and count every failure
        as the first.
    """

    def __init__(
        self,
        settings: IngestSettings | ReplaySettings,
        store: ObjectStore,
        stage_run: StageRun,
        *,
        accept_changed: bool = False,
        repair: bool = False,
        max_attempts: int | None = None,
    ) -> None:
        self.source = source_uri(settings)
        self.items = Items(settings, self.source, stage_run.run_id)
        self._reader = CandidateReader(
            settings,
            store,
            self.items,
            source=self.source,
            accept_changed=accept_changed,
            retry_dead=max_attempts is None,
            repair=repair,
        )
        self._policy = RetryPolicy(self.source, max_attempts, settings)
        self._settings = settings
        self._store = store
        self._run_id = stage_run.run_id
        self._accept_changed = accept_changed
        self._repair = repair
        self._readable: str | None = None

    def read(self, candidate: Candidate) -> ReadResult:
        """Read and check one candidate, without writing anything. Thread-safe."""
        return self._reader.read(candidate)

    def is_undecided(self, read: ReadResult) -> bool:
        """Return whether a manifest was refused before any was readable, so that the credentials may be at fault."""
        return isinstance(read.error, RequestRefused) and read.manifest is None and self._readable is None

    def find_readable(self, undecided: Sequence[tuple[Candidate, ReadResult]]) -> bool:
        """Return True if the store returns any object, so that it refuses single objects rather than all.

        If no manifest has been readable so far, try those ingested last. After a refusal other than 403, try other
        objects as well: rights may depend on an object's name, but archiving and KMS keys do not.

        Args:
            undecided: the refused manifests.
        """
        if self._readable is None:
            for key in self._probes(undecided):
                with suppress(ObjectMissing):
                    if is_readable(self._store, key):
                        self._readable = key
                        break
        return self._readable is not None

    def _probes(self, undecided: Sequence[tuple[Candidate, ReadResult]]) -> Iterator[str]:
        yield from self.items.ingested()
        if all(isinstance(read.error, AccessDenied) for _, read in undecided):
            return
        prefix = self._settings.prefix
        for folder in (runs_folder(prefix), ""):
            with suppress(RequestRefused):  # no right to list
                listed = islice(self._store.list(folder), _LISTED)
                yield from islice((info.key for info in listed if run_of(info.key, prefix) is None), _PROBES)

    def take(self, candidate: Candidate, read: ReadResult) -> IntakeResult:
        """Decide on a candidate, write the decision, and return the result.

        Raises:
            ConfigurationError: the database or the whole store is not usable.
        """
        if read.manifest is not None:
            self._readable = candidate.ref.key
        try:
            result = self._take(candidate, read)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - one run must not stop the others
            result = self._write(self._policy.retry_later(candidate, read, error))
        if not result.bytes_read and read.manifest is not None:
            result = replace(result, bytes_read=len(read.manifest.body))
        return result

    def _take(self, candidate: Candidate, read: ReadResult) -> IntakeResult:
        error = self._narrowed(candidate, read)
        if error is None:
            try:
                return self._write(self._policy.accept(candidate, read))
            except Rejected as conflict:  # another ingest wrote this run after it was read here
                error = conflict
        if isinstance(error, ConfigurationError):
            raise error
        lookup = read.lookup
        if self._policy.needs_lookup(candidate, read, error):
            lookup = self.items.lookup(candidate.ref)
        return self._write(self._policy.refuse(candidate, read, error, lookup))

    def _narrowed(self, candidate: Candidate, read: ReadResult) -> Exception | None:
        """Return the error of a read, narrowed down by a request that shows whether it affects only this run."""
        error = read.error
        if isinstance(error, RequestRefused) and read.manifest is None and self._readable is not None:
            # Either only this manifest is refused, or by now all objects are.
            with suppress(ObjectMissing):
                if not is_readable(self._store, self._readable):
                    self._readable = None
                    if not self.find_readable([(candidate, read)]):
                        return error
            return refused(error, error.message)
        if isinstance(error, Rejected) and error.code in ARTIFACT_GONE:
            ref = candidate.ref
            try:
                self._store.stat(ref.key)
            except ObjectMissing:
                return reject("SOURCE_DELETED", f"run {ref.run_id} was deleted while it was read: {ref.key} is gone")
        return error

    def _write(self, decision: Decision) -> IntakeResult:
        """Write a decision in one transaction and return its result. Only this method writes, or checks ``dry_run``.

        Raises:
            Rejected: the run conflicts with rows that were written in the meantime.
        """
        result = decision.result
        if result.failure_class == "internal":
            _LOG.error("run %s: internal error", result.candidate.ref.run_id, exc_info=result.error)
        if self._settings.dry_run or not decision.writes:
            return result
        try:
            return retry_transaction(self._settings, lambda session: self._record(session, decision))
        except TransientError as lost:
            if not decision.is_dispensable:
                raise
            _LOG.warning("run %s: the attempt could not be recorded: %s", result.candidate.ref.run_id, lost)
        return result

    def _record(self, session: DatabaseSession, decision: Decision) -> IntakeResult:
        result, entry, run_id = decision.result, decision.entry, decision.result.candidate.ref.run_id
        if decision.run is not None:
            written = write_run(
                session,
                decision.run,
                source=self.source,
                pipeline_run_id=self._run_id,
                settings=self._settings,
                accept_changed=self._accept_changed,
                repair=self._repair,
            )
            entry = None if entry is None else replace(entry, outcome=written.outcome)
            result = replace(
                result,
                outcome=written.outcome,
                persons=0 if written.outcome == "unchanged" else result.persons,
                output_hash=written.output_hash,
                warnings=written.warnings,
            )
        if decision.mark is not None:
            (mark_deleted if decision.mark == "deleted" else mark_present)(session, run_id)
        if entry is not None and decision.state is not None:
            attempt, max_attempts = decision.attempt, decision.max_attempts
            self.items.record(session, entry, decision.state, attempt=attempt, max_attempts=max_attempts)
        elif entry is not None:
            self.items.add_attempt(session, entry)
        return result
