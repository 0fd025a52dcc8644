"""What becomes of a candidate that is not ingested: refused, not ready, gone, or failed for reasons of the moment."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.intake._advice import advice
from jobs.screenalytics.tables.deleted import mark_deleted
from jobs.screenalytics.tables.ingest_items import Entry, at_database
from shared.errors import DatabaseUnreachable, EndpointUnreachable, ObjectMissing, TelecineError, TransientError
from shared.failure import Failure

if TYPE_CHECKING:
    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.model import Warned
    from jobs.screenalytics.reading.candidate import Read
    from jobs.screenalytics.settings import IngestSettings, ReplaySettings
    from jobs.screenalytics.tables.ingest_items import Items, Look, State
    from jobs.screenalytics.tables.runs import Known
    from shared.storage import ObjectStore

__all__ = ["ENDS_THE_STAGE", "Class", "Outcome", "Setbacks", "Taken", "entry_of"]

_LOG: Final = logging.getLogger(__name__)

Outcome = Literal["ingested", "unchanged", "replaced", "skipped", "source_deleted", "deferred", "set_aside", "failed"]
Class = Literal["permanent", "quarantine", "transient", "internal"]

# After one of these the next run would fail the same way, each after all its retries.
ENDS_THE_STAGE: Final = (DatabaseUnreachable, EndpointUnreachable)
_NEVER: Final = 1 << 30
_MISSING: Final = frozenset({"SOURCE_DELETED", "MANIFEST_NOT_YET", "MANIFEST_MISSING"})
_ARTIFACT_GONE: Final = frozenset({"ARTIFACT_NOT_YET", "ARTIFACT_MISSING"})


@dataclass(slots=True)
class Taken:
    """What became of a candidate.

    Attributes:
        candidate: which.
        outcome: what its run counts as.
        ep_id: None where the manifest was not understood, or not asked.
        persons: rows that were written.
        output_hash: of the run's rows, where they are there now.
        note: for the report: a status, a code.
        failure: of one that failed.
        kind: of the failure.
        error: of one that failed or is deferred.
        by_event: it is the event that failed; what lies in the store was not judged.
        warnings: of a run that was written.
        bytes_read: of manifest and artifacts.
        read_s: seconds.
    """

    candidate: Candidate
    outcome: Outcome
    ep_id: str | None = None
    persons: int = 0
    output_hash: str | None = None
    note: str = ""
    failure: Failure | None = None
    kind: Class | None = None
    error: Exception | None = None
    by_event: bool = False
    warnings: tuple[Warned, ...] = ()
    bytes_read: int = 0
    read_s: float = 0.0


def entry_of(candidate: Candidate, read: Read, outcome: str, error: Exception | None = None) -> Entry:
    """Return what is noted of a candidate."""
    manifest = read.manifest
    return Entry(
        candidate.ref,
        candidate.arrival,
        outcome,
        candidate.ref.etag if manifest is None else manifest.etag,
        None if manifest is None else manifest.sha256,
        None if error is None else getattr(error, "code", "internal"),
        None if error is None else str(error),
    )


class Setbacks:
    """Sorts errors of single candidates, and notes them.

    Args:
        settings: of the step; with ``dry_run`` nothing is noted.
        store: asked whether a manifest is still there.
        items: of the source.
        source: its URI.
        max_attempts: failures after which an item is set aside; None: never, and each count begins at one.
    """

    def __init__(
        self,
        settings: IngestSettings | ReplaySettings,
        store: ObjectStore,
        items: Items,
        *,
        source: str,
        max_attempts: int | None,
    ) -> None:
        self._settings = settings
        self._store = store
        self.items = items
        self.source = source
        self._most = max_attempts

    def sort(self, candidate: Candidate, read: Read, error: Exception) -> Taken:
        """Say what an error means for its run, and note it.

        Args:
            candidate: which.
            read: what is known of it.
            error: none that concerns every run.
        """
        if isinstance(error, TransientError) or not isinstance(error, TelecineError):
            return self.pass_over(candidate, read, error)
        if read.manifest is not None and _is_stale(candidate, read):
            # What was read ahead may have been written since, for an event before this one.
            known = self.items.look(candidate.ref).known
            if known is not None and known.manifest_sha256 == read.manifest.sha256:
                return Taken(candidate, "unchanged", known.ep_id, output_hash=known.output_hash)
        if isinstance(error, Rejected) and error.code in _MISSING | _ARTIFACT_GONE:
            found = self._missing(candidate, read, error)
            if isinstance(found, Taken):
                return found
            error = found
        if isinstance(error, Rejected) and error.kind == "not_ready":
            entry = entry_of(candidate, read, "deferred", error)
            if not self._settings.dry_run:
                at_database(self._settings, lambda session: self.items.note(session, entry, "deferred"))
            return Taken(candidate, "deferred", note=error.code, error=error)
        return self._reject(candidate, read, error)

    def is_ours(self, look: Look, candidate: Candidate) -> bool:
        """Whether the run that is known came from this very manifest's place."""
        known = look.known
        return known is not None and (known.source, known.manifest_key) == (self.source, candidate.ref.key)

    def _missing(self, candidate: Candidate, read: Read, error: Rejected) -> Taken | Rejected:
        """Say what a missing manifest or artifact means; a run that we have stays, and says that its source is gone."""
        ref = candidate.ref
        if error.code in _ARTIFACT_GONE:
            try:
                self._store.stat(ref.key)
            except ObjectMissing:
                error = reject("SOURCE_DELETED", f"run {ref.run_id} was deleted while it was read: no {ref.key}")
            else:
                return error
        look = read.look or self.items.look(ref)
        if self.is_ours(look, candidate):
            if not self._settings.dry_run:
                at_database(self._settings, lambda session: mark_deleted(session, ref.run_id))
            return Taken(candidate, "source_deleted", cast("Known", look.known).ep_id, note="manifest is gone")
        if candidate.event is not None and read.manifest is None:
            if candidate.event.attempts + 1 < (self._most or _NEVER):
                return error if error.kind == "not_ready" else reject("MANIFEST_NOT_YET", error.message)
            return reject("MANIFEST_MISSING", f"there is no {ref.key}, of which an event told")
        if candidate.arrival == "replay":
            return reject("MANIFEST_MISSING", f"there is no {ref.key}")
        return error

    def _reject(self, candidate: Candidate, read: Read, error: TelecineError) -> Taken:
        kind: Class = "quarantine" if isinstance(error, Rejected) and error.kind == "quarantine" else "permanent"
        attempt, dead = self._count(candidate, read, error, kind)
        run_id = candidate.ref.run_id
        message = error.message.rstrip(". ") + advice(error.code, run_id, dead=dead, attempt=attempt)
        taken = self._failed(candidate, read, error, kind, message=message, attempt=attempt)
        taken.by_event = _is_stale(candidate, read)
        return taken

    def _count(self, candidate: Candidate, read: Read, error: TelecineError, kind: Class) -> tuple[int, bool]:
        """Return which attempt this was, and whether it was the last."""
        event, manifest = candidate.event, read.manifest
        most = self._most or _NEVER
        missing = error.code == "MANIFEST_MISSING"
        if event is not None and (missing or _is_stale(candidate, read)):
            # It is the event that fails here, not what lies in the store.
            attempt = event.attempts + 1
            if missing:
                self._note_failure(candidate, read, error, "rejected", attempt=1, most=1)
            return attempt, attempt >= most
        item = read.look.item if read.look is not None else self.items.look(candidate.ref).item
        if missing and item is None:
            return 1, False
        if error.code == "SOURCE_DELETED":
            if not self._settings.dry_run:
                entry = entry_of(candidate, read, "rejected", error)
                at_database(self._settings, lambda session: self.items.note(session, entry, "source_deleted"))
            return 1, False
        etag = manifest.etag if manifest is not None else candidate.ref.etag
        attempt = 1 if item is None or self._most is None else 1 + item.failed_with(etag)
        state: State = "quarantined" if kind == "quarantine" else "rejected"
        self._note_failure(candidate, read, error, state, attempt=attempt, most=most)
        return attempt, attempt >= most

    def _note_failure(
        self, candidate: Candidate, read: Read, error: TelecineError, state: State, *, attempt: int, most: int
    ) -> None:
        if self._settings.dry_run:
            return
        entry = entry_of(candidate, read, state, error)
        at_database(
            self._settings,
            lambda session: self.items.note_failure(session, entry, state, attempt=attempt, most=most),
        )

    def pass_over(self, candidate: Candidate, read: Read, error: Exception) -> Taken:
        """Fail a run for reasons that are not its own: its attempts are not counted."""
        kind: Class = "transient" if isinstance(error, TransientError) else "internal"
        if kind == "internal":
            _LOG.error("run %s: a bug of ours", candidate.ref.run_id, exc_info=error)
        taken = self._failed(candidate, read, error, kind)
        if not isinstance(error, ENDS_THE_STAGE) and not self._settings.dry_run and taken.failure is not None:
            try:
                at_database(self._settings, lambda s: self.items.tell(s, entry_of(candidate, read, kind, error)))
            except TransientError as lost:
                _LOG.warning("run %s: the attempt could not be listed: %s", candidate.ref.run_id, lost)
        return taken

    def _failed(
        self,
        candidate: Candidate,
        read: Read,
        error: Exception,
        kind: Class,
        *,
        message: str | None = None,
        attempt: int = 1,
    ) -> Taken:
        ref = candidate.ref
        facts = {"manifest_key": ref.key, "class": kind}
        etag = read.manifest.etag if read.manifest is not None else ref.etag
        if isinstance(error, TelecineError) and message is not None:
            error = type(error)(message, code=error.code, retryable=False, **error.data)
        failure = Failure.of(ref.run_id, error, attempt=attempt, input_hash=etag, **facts)
        return Taken(candidate, "failed", note=failure.code, failure=failure, kind=kind, error=error)


def _is_stale(candidate: Candidate, read: Read) -> bool:
    """Whether an event tells of other content than lies in the store."""
    return read.manifest is not None and candidate.expected_sha256 not in (None, read.manifest.sha256)
