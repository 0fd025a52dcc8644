"""The state of each manifest key: its ETag, its last outcome, its failed attempts, the last of which sets it aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.tables.runs import KnownRun
from shared.database.session import retry_session
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from jobs.screenalytics.settings import SourceSettings
    from shared.database.session import DatabaseSession

__all__ = ["Entry", "IngestItem", "Items", "Lookup", "State", "retry_transaction"]

_T = TypeVar("_T")
# Seconds for which the transaction of one run is retried.
_RETRY_S: Final = 5.0

State = Literal["ingested", "skipped", "deferred", "rejected", "quarantined", "dead", "source_deleted"]

_SETTLED: Final = """
    SELECT item.manifest_key, item.state
    FROM unnest(CAST(:keys AS text[]), CAST(:etags AS text[])) AS listed (manifest_key, etag)
    JOIN screenalytics.ingest_items item
        ON item.source = :source AND item.manifest_key = listed.manifest_key AND item.etag = listed.etag
    WHERE item.state IN ('ingested', 'skipped', 'dead')
"""
_LOOKUP: Final = """
    SELECT clock_timestamp() AS now, item.state, item.attempts, item.etag, run.ep_id, run.source, run.manifest_key,
        run.manifest_sha256, run.output_hash, run.revision, run.status
    FROM (SELECT 1) AS one
    LEFT JOIN screenalytics.ingest_items item ON item.source = :source AND item.manifest_key = :key
    LEFT JOIN screenalytics.runs run ON run.run_id = :run_id
"""
_INGESTED: Final = """
    SELECT manifest_key FROM screenalytics.ingest_items WHERE source = :source AND state = 'ingested'
    ORDER BY last_at DESC LIMIT 3
"""
# A run that was ingested or skipped, from this key or with the same content from another one.
_PROCESSED: Final = """
    SELECT item.manifest_key FROM screenalytics.ingest_items item
    WHERE item.source = :source AND item.manifest_key = ANY (CAST(:keys AS text[]))
        AND (item.state = 'skipped' OR item.state IN ('ingested', 'source_deleted')
            AND EXISTS (SELECT FROM screenalytics.runs run WHERE run.run_id = item.run_id))
"""
_WAITING: Final = """
    SELECT run_id, manifest_key FROM screenalytics.ingest_items
    WHERE source = :source AND (run_id = :run_id OR :run_id = '' AND state IN ('rejected', 'quarantined', 'dead'))
    ORDER BY manifest_key
"""
# Idempotent, since the reply to its commit may be lost: it sets the number of the attempt instead of incrementing it.
_RECORD: Final = """
    WITH noted AS (
        INSERT INTO screenalytics.ingest_items AS item (source, manifest_key, run_id, state, attempts, etag,
            manifest_sha256, code, message, pipeline_run_id)
        VALUES (:source, :key, :run_id, CASE WHEN CAST(:counted AS integer) >= :most THEN 'dead' ELSE :state END,
            :counted, :etag, :sha256, :code, :message, :pipeline_run_id)
        ON CONFLICT (source, manifest_key) DO UPDATE SET run_id = excluded.run_id,
            attempts = excluded.attempts, state = excluded.state,
            etag = coalesce(excluded.etag, item.etag),
            manifest_sha256 = coalesce(excluded.manifest_sha256, item.manifest_sha256),
            code = excluded.code, message = excluded.message, last_at = now(),
            pipeline_run_id = excluded.pipeline_run_id
        RETURNING attempts, state
    ), listed AS (
        INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt,
            manifest_sha256, code, message, pipeline_run_id)
        SELECT :source, :key, :run_id, :arrival, CASE WHEN state = 'dead' THEN 'dead' ELSE :outcome END, attempts,
            :sha256, :code, :message, :pipeline_run_id
        FROM noted WHERE CAST(:listed AS boolean) AND NOT EXISTS (SELECT FROM screenalytics.ingest_attempts attempt
            WHERE attempt.run_id = :run_id AND attempt.pipeline_run_id = :pipeline_run_id
                AND attempt.attempt = noted.attempts AND attempt.manifest_sha256 IS NOT DISTINCT FROM :sha256
                AND attempt.code IS NOT DISTINCT FROM :code)
    )
    SELECT attempts, state FROM noted
"""
_ADD_ATTEMPT: Final = """
    INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt,
        manifest_sha256, code, message, pipeline_run_id)
    VALUES (:source, :key, :run_id, :arrival, :outcome, 0, :sha256, :code, :message, :pipeline_run_id)
"""


@dataclass(frozen=True, slots=True)
class IngestItem:
    """The state of one manifest key."""

    state: State
    attempts: int
    etag: str | None

    def failed_with(self, etag: str | None) -> int:
        """Return how often this content failed; an unknown ETag counts as the last one seen."""
        return self.attempts if etag in (None, self.etag) else 0


@dataclass(frozen=True, slots=True)
class Lookup:
    """The state of a manifest and of its run in the tables.

    Attributes:
        now: the database's clock, UTC.
        item: the item of the key.
        known: the run, from whichever key or bucket it was ingested.
    """

    now: datetime
    item: IngestItem | None = None
    known: KnownRun | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of one look at a manifest.

    Attributes:
        ref: run and key.
        arrival: how the run was found.
        outcome: as stored in the attempts; ``deferred`` and ``unchanged`` are not stored there.
        etag: None if nothing was read.
        sha256: digest of the manifest, if it was read.
        code: code of the error.
        message: message of the error.
    """

    ref: ManifestRef
    arrival: str
    outcome: str
    etag: str | None = None
    sha256: str | None = None
    code: str | None = None
    message: str | None = None


def retry_transaction(settings: SourceSettings, operation: Callable[[DatabaseSession], _T]) -> _T:
    """Run one transaction; after a deadlock or a lost connection, retry it for some seconds.

    Args:
        settings: the database.
        operation: idempotent: run twice, it leaves the same rows.
    """
    return retry_session(settings, operation, _RETRY_S, waiting="screenalytics")


class Items:
    """The items of one source, read and changed by one run of a step.

    Attributes:
        known: listed manifests that were ingested or skipped before with this ETag.
        set_aside: listed manifests that are set aside with this ETag.
    """

    def __init__(self, settings: SourceSettings, source: str, pipeline_run_id: str = "") -> None:
        self.known = 0
        self.set_aside = 0
        self._settings = settings
        self._source = source
        self._pipeline_run_id = pipeline_run_id

    def settled(self, refs: Sequence[ManifestRef]) -> set[str]:
        """Return the keys that need no work: ingested, skipped or set aside with the listed ETag. One query.

        Args:
            refs: up to 1,000 listed manifests.
        """
        keys, etags = [ref.key for ref in refs], [ref.etag for ref in refs]
        rows = self._rows(_SETTLED, keys=keys, etags=etags)
        dead = sum(row.state == "dead" for row in rows)
        self.set_aside += dead
        self.known += len(rows) - dead
        return {row.manifest_key for row in rows}

    def lookup(self, ref: ManifestRef) -> Lookup:
        """Return what the tables know of one manifest. One query."""
        (row,) = self._rows(_LOOKUP, key=ref.key, run_id=ref.run_id)
        item = None if row.state is None else IngestItem(*row[1:4])
        return Lookup(row.now, item, None if row.ep_id is None else KnownRun(*row[4:]))

    def waiting(self, run_id: str = "") -> list[ManifestRef]:
        """Return the manifests of a run or, without a run id, all that are rejected, quarantined or set aside."""
        rows = self._rows(_WAITING, run_id=run_id)
        return [ManifestRef(row.run_id, row.manifest_key) for row in rows]

    def processed(self, keys: Sequence[str]) -> set[str]:
        """Return the keys of manifests whose runs are in the tables or were skipped. One query."""
        return {row.manifest_key for row in self._rows(_PROCESSED, keys=list(keys))}

    def ingested(self) -> list[str]:
        """Return the keys of the three manifests that were ingested last."""
        return [row.manifest_key for row in self._rows(_INGESTED)]

    def record(
        self, session: DatabaseSession, entry: Entry, state: State, *, attempt: int = 0, max_attempts: int = 1
    ) -> None:
        """Set the state of an item, and add the look to the attempts.

        Args:
            session: a transaction.
            entry: the look; with code and message for a failure.
            state: the new state; ``dead`` is stored instead once ``attempt`` reaches ``max_attempts``.
            attempt: failures of this content so far; 0 for anything but a failure.
            max_attempts: failures after which the item is set aside.
        """
        listed = entry.outcome not in ("deferred", "unchanged")
        values = self._values(entry)
        most = max(max_attempts, 1)
        session.run(_RECORD, **values, state=state, etag=entry.etag, counted=attempt, most=most, listed=listed)

    def add_attempt(self, session: DatabaseSession, entry: Entry) -> None:
        """Add a look to the attempts without changing the item, such as a transient failure."""
        session.run(_ADD_ATTEMPT, **self._values(entry))

    def _rows(self, statement: str, **values: Any) -> list[Any]:
        source = self._source
        return retry_transaction(self._settings, lambda session: session.rows(statement, source=source, **values))

    def _values(self, entry: Entry) -> dict[str, str | None]:
        return {
            "source": self._source,
            "key": entry.ref.key,
            "run_id": entry.ref.run_id,
            "arrival": entry.arrival,
            "outcome": entry.outcome,
            "sha256": entry.sha256,
            "code": entry.code,
            "message": None if entry.message is None else clean_text(entry.message),
            "pipeline_run_id": self._pipeline_run_id,
        }
