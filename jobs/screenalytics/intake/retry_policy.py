"""Decide on a candidate: ingest, defer, quarantine, reject, mark as deleted, or try again without counting a failure.

Everything here is pure: no store, no database, no dry run. A decision depends only on what was read, the run's existing
rows, and the number of allowed attempts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeGuard

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.intake.advice import advice, event_advice
from jobs.screenalytics.intake.decision import Decision, FailureClass, IntakeResult
from jobs.screenalytics.model import SkippedRun
from jobs.screenalytics.tables.ingest_items import Entry
from shared.errors import DatabaseUnreachable, EndpointUnreachable, TelecineError, TransientError
from shared.failure import Failure

if TYPE_CHECKING:
    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.reading.candidate import ReadResult
    from jobs.screenalytics.settings import SourceSettings
    from jobs.screenalytics.tables.ingest_items import Lookup, State

__all__ = ["ARTIFACT_GONE", "ENDS_THE_STAGE", "RetryPolicy"]

# Errors after which every other candidate would fail in the same way, each after all its retries.
ENDS_THE_STAGE: Final = (DatabaseUnreachable, EndpointUnreachable)
ARTIFACT_GONE: Final = frozenset({"ARTIFACT_NOT_YET", "ARTIFACT_MISSING"})
"""Codes after which the manifest may no longer exist either."""
_MANIFEST_GONE: Final = frozenset({"SOURCE_DELETED", "MANIFEST_NOT_YET", "MANIFEST_MISSING"})
_UNLIMITED: Final = 1 << 30


class RetryPolicy:
    """Decides on candidates of one source.

    Args:
        source: URI of the bucket.
        max_attempts: failures after which an item is set aside. None: never set aside, and count every failure as the
            first one.
        settings: settings of the step, for the commands in messages; None for commands without flags.
    """

    def __init__(self, source: str, max_attempts: int | None, settings: SourceSettings | None = None) -> None:
        self._source = source
        self._settings = settings
        self._counts = max_attempts is not None
        self._max_attempts = _UNLIMITED if max_attempts is None else max_attempts

    def accept(self, candidate: Candidate, read: ReadResult) -> Decision:
        """Decide on a candidate that was read without an error.

        Args:
            candidate: the candidate.
            read: its manifest and lookup, and its run if that had to be read.
        """
        if read.verdict == "set_aside":
            return Decision(IntakeResult(candidate, "set_aside"))
        if read.run is None:
            return self._unchanged(candidate, read)
        run = read.run
        if isinstance(run, SkippedRun):
            result = IntakeResult(candidate, "skipped", run.ep_id, note=run.status)
            return Decision(result, entry=_entry(candidate, read, "skipped"), state="skipped")
        outcome: Final = "replaced" if read.lookup is not None and read.lookup.known else "ingested"
        result = IntakeResult(
            candidate,
            outcome,
            run.ep_id,
            len(run.metrics),
            run.output_hash,
            warnings=run.warnings,
            bytes_read=run.bytes_read,
        )
        return Decision(result, run=run, entry=_entry(candidate, read, outcome), state="ingested")

    def needs_lookup(self, candidate: Candidate, read: ReadResult, error: Exception) -> bool:
        """Return whether :meth:`refuse` needs a new lookup instead of the one made while reading.

        If the manifest could not be read, there is no lookup. If the event is stale, an earlier event of the same run
        may have written that run since the lookup.
        """
        return _is_own_fault(error) and (read.lookup is None or _is_stale(candidate, read))

    def refuse(self, candidate: Candidate, read: ReadResult, error: Exception, lookup: Lookup | None) -> Decision:
        """Decide on a candidate that was not ingested.

        Args:
            candidate: the candidate.
            read: what was read of it.
            error: the reason; not an error that affects every candidate.
            lookup: the state of its rows; see :meth:`needs_lookup`.
        """
        if not _is_own_fault(error):
            return self.retry_later(candidate, read, error)
        assert lookup is not None
        ingested = lookup.known
        if ingested is not None:
            if _is_stale(candidate, read) and read.manifest and ingested.manifest_sha256 == read.manifest.sha256:
                return Decision(IntakeResult(candidate, "unchanged", ingested.ep_id, output_hash=ingested.output_hash))
            if error.code in _MANIFEST_GONE and self._is_same_source(candidate, lookup):
                result = IntakeResult(candidate, "source_deleted", ingested.ep_id, note="manifest is gone")
                return Decision(result, mark="deleted")
        if error.code in _MANIFEST_GONE:
            error = self._manifest_gone(candidate, read, error)
        if isinstance(error, Rejected) and error.kind == "not_ready":
            result = IntakeResult(candidate, "deferred", note=error.code, error=error)
            return Decision(result, entry=_entry(candidate, read, "deferred", error), state="deferred")
        return self._reject(candidate, read, error, lookup)

    def retry_later(self, candidate: Candidate, read: ReadResult, error: Exception) -> Decision:
        """Decide on a candidate that failed through no fault of its own; the failure does not count as an attempt."""
        failure_class: FailureClass = "transient" if isinstance(error, TransientError) else "internal"
        result = _failed(candidate, read, error, failure_class)
        if isinstance(error, ENDS_THE_STAGE):
            return Decision(result)
        return Decision(result, entry=_entry(candidate, read, failure_class, error))

    def _unchanged(self, candidate: Candidate, read: ReadResult) -> Decision:
        manifest, lookup = read.manifest, read.lookup
        assert manifest is not None
        assert lookup is not None
        assert lookup.known is not None
        ingested, item = lookup.known, lookup.item
        result = IntakeResult(candidate, "unchanged", ingested.ep_id, output_hash=ingested.output_hash)
        is_back = ingested.status != "ingested" and self._is_same_source(candidate, lookup)
        if not is_back and item is not None and (item.state, item.etag) == ("ingested", manifest.etag):
            return Decision(result)
        entry = _entry(candidate, read, "unchanged")
        return Decision(result, mark="present" if is_back else None, entry=entry, state="ingested")

    def _is_same_source(self, candidate: Candidate, lookup: Lookup) -> bool:
        """Return whether the known run was ingested from the candidate's manifest key."""
        known = lookup.known
        return known is not None and known.is_at(self._source, candidate.ref.key)

    def _manifest_gone(self, candidate: Candidate, read: ReadResult, error: TelecineError) -> TelecineError:
        """Return the error for a missing manifest of a run that the tables do not have."""
        key = candidate.ref.key
        if candidate.event is not None and read.manifest is None:
            if candidate.event.attempts + 1 >= self._max_attempts:
                return reject("MANIFEST_MISSING", f"{key}, announced by an event, does not exist")
            if isinstance(error, Rejected) and error.kind == "not_ready":
                return error
            return reject("MANIFEST_NOT_YET", error.message)
        if candidate.arrival == "replay":
            return reject("MANIFEST_MISSING", f"{key} does not exist")
        return error

    def _reject(self, candidate: Candidate, read: ReadResult, error: TelecineError, lookup: Lookup) -> Decision:
        event, item, stale = candidate.event, lookup.item, _is_stale(candidate, read)
        missing = error.code == "MANIFEST_MISSING"
        if event is not None and (missing or stale):
            # The event failed, not the object in the store, so count deliveries of the event.
            attempt = event.attempts + 1
            result = self._rejected(candidate, read, error, attempt, dead=attempt >= self._max_attempts)
            if not missing:
                return Decision(result)
            return Decision(result, entry=_entry(candidate, read, "rejected", error), state="rejected", attempt=1)
        if missing and item is None:
            return Decision(self._rejected(candidate, read, error, 1, dead=False))
        if error.code == "SOURCE_DELETED":
            entry = _entry(candidate, read, "rejected", error)
            return Decision(self._rejected(candidate, read, error, 1, dead=False), entry=entry, state="source_deleted")
        state: State = "quarantined" if _class_of(error) == "quarantine" else "rejected"
        attempt = 1 + item.failed_with(_etag(candidate, read)) if item is not None and self._counts else 1
        return Decision(
            self._rejected(candidate, read, error, attempt, dead=attempt >= self._max_attempts),
            entry=_entry(candidate, read, state, error),
            state=state,
            attempt=attempt,
            max_attempts=self._max_attempts,
        )

    def _rejected(
        self, candidate: Candidate, read: ReadResult, error: TelecineError, attempt: int, *, dead: bool
    ) -> IntakeResult:
        """Return the result of a bad run; its message ends with advice."""
        stale = _is_stale(candidate, read)
        if stale:
            end = event_advice(dead=dead, attempt=attempt)
        else:
            run_id = candidate.ref.run_id
            end = advice(error.code, run_id, self._settings, message=error.message, dead=dead, attempt=attempt)
        message = error.message.rstrip(". ") + end
        advised = type(error)(message, code=error.code, retryable=False, **error.data)
        result = _failed(candidate, read, advised, _class_of(error), attempt)
        return replace(result, event_only=stale)


def _is_own_fault(error: Exception) -> TypeGuard[TelecineError]:
    """Return whether the run itself is bad, rather than the store, the database or this program."""
    return isinstance(error, TelecineError) and not isinstance(error, TransientError)


def _is_stale(candidate: Candidate, read: ReadResult) -> bool:
    """Return whether the event announced content that differs from the store's."""
    return read.manifest is not None and candidate.expected_sha256 not in (None, read.manifest.sha256)


def _class_of(error: TelecineError) -> FailureClass:
    return "quarantine" if isinstance(error, Rejected) and error.kind == "quarantine" else "permanent"


def _etag(candidate: Candidate, read: ReadResult) -> str | None:
    if read.manifest is not None:
        return read.manifest.etag
    return (read.listed or candidate.ref).etag


def _entry(candidate: Candidate, read: ReadResult, outcome: str, error: Exception | None = None) -> Entry:
    return Entry(
        candidate.ref,
        candidate.arrival,
        outcome,
        _etag(candidate, read),
        None if read.manifest is None else read.manifest.sha256,
        None if error is None else getattr(error, "code", "internal"),
        None if error is None else str(error),
    )


def _failed(
    candidate: Candidate, read: ReadResult, error: Exception, failure_class: FailureClass, attempt: int = 1
) -> IntakeResult:
    ref = candidate.ref
    facts = {"manifest_key": ref.key, "class": failure_class}
    failure = Failure.of(ref.run_id, error, attempt=attempt, input_hash=_etag(candidate, read), **facts)
    return IntakeResult(
        candidate, "failed", note=failure.code, failure=failure, failure_class=failure_class, error=error
    )
