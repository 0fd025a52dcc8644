"""What is known of each manifest's key: how its last ingest ended, how often it failed, and whether it is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.write import Known
from shared.database.session import retry_session
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from jobs.screenalytics.settings import SourceSettings
    from shared.database.session import DatabaseSession

__all__ = ["Entry", "Item", "Items", "Look", "State", "at_database"]

_T = TypeVar("_T")
# Seconds that a transaction of one run is tried again.
_RETRY_S: Final = 5.0

State = Literal["ingested", "skipped", "deferred", "rejected", "quarantined", "dead", "source_deleted"]

_SETTLED: Final = """
    SELECT item.manifest_key, item.state
    FROM unnest(CAST(:keys AS text[]), CAST(:etags AS text[])) AS listed (manifest_key, etag)
    JOIN screenalytics.ingest_items item
        ON item.source = :source AND item.manifest_key = listed.manifest_key AND item.etag = listed.etag
    WHERE item.state IN ('ingested', 'skipped', 'dead')
"""
_LOOK: Final = """
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
_OPEN: Final = """
    SELECT run_id, manifest_key FROM screenalytics.ingest_items
    WHERE source = :source AND (run_id = :run_id OR :run_id = '' AND state IN ('rejected', 'quarantined', 'dead'))
    ORDER BY manifest_key
"""
# Done twice it leaves the same: the answer to its commit may be lost. So it says which attempt this is, and adds none.
_NOTE: Final = """
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
    ), told AS (
        INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt,
            manifest_sha256, code, message, pipeline_run_id)
        SELECT :source, :key, :run_id, :arrival, CASE WHEN state = 'dead' THEN 'dead' ELSE :outcome END, attempts,
            :sha256, :code, :message, :pipeline_run_id
        FROM noted WHERE CAST(:told AS boolean) AND NOT EXISTS (SELECT FROM screenalytics.ingest_attempts told
            WHERE told.run_id = :run_id AND told.pipeline_run_id = :pipeline_run_id AND told.attempt = noted.attempts
                AND told.manifest_sha256 IS NOT DISTINCT FROM :sha256 AND told.code IS NOT DISTINCT FROM :code)
    )
    SELECT attempts, state FROM noted
"""
_TOLD: Final = """
    INSERT INTO screenalytics.ingest_attempts (source, manifest_key, run_id, arrival, outcome, attempt,
        manifest_sha256, code, message, pipeline_run_id)
    VALUES (:source, :key, :run_id, :arrival, :outcome, 0, :sha256, :code, :message, :pipeline_run_id)
"""


@dataclass(frozen=True, slots=True)
class Item:
    """How it stands with a manifest's key."""

    state: State
    attempts: int
    etag: str | None

    def failed_with(self, etag: str | None) -> int:
        """How often it failed with this content; an ETag that is not known counts as the one that was seen last."""
        return self.attempts if etag in (None, self.etag) else 0


@dataclass(frozen=True, slots=True)
class Look:
    """What the database knows of a manifest and of its run.

    Attributes:
        now: by the database's clock, UTC.
        item: of the key.
        known: the run, whatever key or bucket it came from.
    """

    now: datetime
    item: Item | None = None
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is noted of one look at a manifest.

    Attributes:
        ref: run and key.
        arrival: who told of it.
        outcome: for the list of attempts; ``deferred`` and ``unchanged`` are not listed.
        etag: None where nothing was read.
        sha256: of the manifest, where it was read.
        code: of an error.
        message: of an error.
    """

    ref: ManifestRef
    arrival: str
    outcome: str
    etag: str | None = None
    sha256: str | None = None
    code: str | None = None
    message: str | None = None


def at_database(settings: SourceSettings, operation: Callable[[DatabaseSession], _T]) -> _T:
    """Do one transaction; a deadlock or a lost connection is tried again for some seconds.

    Args:
        settings: where the database is.
        operation: leaves the same rows when it is done twice.
    """
    return retry_session(settings, operation, _RETRY_S, waiting="screenalytics")


class Items:
    """The items of one source, as one run of a step sees and changes them.

    Attributes:
        known: listed manifests that were settled: ingested or skipped before, with this ETag.
        set_aside: listed manifests that are set aside, with this ETag.
    """

    def __init__(self, settings: SourceSettings, source: str, pipeline_run_id: str = "") -> None:
        self.known = 0
        self.set_aside = 0
        self._settings = settings
        self._source = source
        self._pipeline_run_id = pipeline_run_id

    def settled(self, refs: Sequence[ManifestRef]) -> set[str]:
        """Return the keys that need nothing: dealt with, or set aside, with the ETag that is listed.

        Args:
            refs: some 1,000, as listed; one query.
        """
        keys, etags = [ref.key for ref in refs], [ref.etag for ref in refs]
        rows = self._rows(_SETTLED, keys=keys, etags=etags)
        dead = sum(row.state == "dead" for row in rows)
        self.set_aside += dead
        self.known += len(rows) - dead
        return {row.manifest_key for row in rows}

    def look(self, ref: ManifestRef) -> Look:
        """Return what is known of one manifest; one query."""
        (row,) = self._rows(_LOOK, key=ref.key, run_id=ref.run_id)
        item = None if row.state is None else Item(*row[1:4])
        return Look(row.now, item, None if row.ep_id is None else Known(*row[4:]))

    def waiting(self, run_id: str = "") -> list[ManifestRef]:
        """Return the manifests of a run; without one, all that are rejected, quarantined or set aside."""
        rows = self._rows(_OPEN, run_id=run_id)
        return [ManifestRef(row.run_id, row.manifest_key) for row in rows]

    def ingested(self) -> list[str]:
        """Return the keys of the few manifests that were ingested last."""
        return [row.manifest_key for row in self._rows(_INGESTED)]

    def note(self, session: DatabaseSession, entry: Entry, state: State) -> None:
        """Note an end that is no failure; the count of failures begins anew."""
        self._note(session, entry, state, counted=0, most=1)

    def note_failure(self, session: DatabaseSession, entry: Entry, state: State, *, attempt: int, most: int) -> None:
        """Note a failure; the item may then be set aside.

        Args:
            session: a transaction.
            entry: with code and message.
            state: ``rejected`` or ``quarantined``.
            attempt: which one it was, from 1.
            most: attempts after which it is set aside.
        """
        self._note(session, entry, state, counted=attempt, most=most)

    def tell(self, session: DatabaseSession, entry: Entry) -> None:
        """List an attempt that changes nothing: one that failed for reasons that pass."""
        session.run(_TOLD, **self._values(entry))

    def _rows(self, statement: str, **values: Any) -> list[Any]:
        source = self._source
        return at_database(self._settings, lambda session: session.rows(statement, source=source, **values))

    def _note(self, session: DatabaseSession, entry: Entry, state: State, *, counted: int, most: int) -> None:
        told = entry.outcome not in ("deferred", "unchanged")
        values = self._values(entry)
        session.run(_NOTE, **values, state=state, etag=entry.etag, counted=counted, most=max(most, 1), told=told)

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
