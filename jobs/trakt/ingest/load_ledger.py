"""Loads of the ledger: opened, left by ended processes, and committed, with their dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobs.trakt.ingest.ledger_rows import LeftLoad
from jobs.trakt.ingest.process import Process, is_dead
from jobs.trakt.model import TitleRef
from shared.database.session import transaction
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.trakt.bronze.report import DeadLetter, LoadReport

__all__ = ["LoadLedger"]


class LoadLedger(Process):
    """Loads of the ledger."""

    def new_load(self) -> str:
        """Start a load, and return its id, which no other load has."""
        with transaction(self._settings) as session:
            while True:
                number = session.rows(
                    "SELECT count(*) + 1 AS next FROM trakt.loads WHERE run_id = :run_id", run_id=self.run_id
                )[0].next
                load_id = f"{self.run_id}-{number:04}"
                if session.run(
                    "INSERT INTO trakt.loads (load_id, run_id, owner) VALUES (:load_id, :run_id, :owner)"
                    " ON CONFLICT DO NOTHING",
                    load_id=load_id,
                    run_id=self.run_id,
                    owner=self.owner,
                ):
                    return load_id

    def left_loads(self) -> list[LeftLoad]:
        """Take over the loads that ended processes left, and return them, oldest first.

        These are loads that are not committed, and loads with planned rows: the documents of a run are planned in its
        first load, which may be committed long before the last of them is requested.
        """
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT load_id, owner, committed_at IS NOT NULL AS is_committed FROM trakt.loads
                WHERE owner <> :owner
                    AND (committed_at IS NULL OR load_id IN (SELECT load_id FROM trakt.pages WHERE status = 'planned'))
                ORDER BY started_at, load_id FOR UPDATE SKIP LOCKED
                """,
                owner=self.owner,
            )
            dead = {owner for owner in {row.owner for row in rows} if is_dead(session, owner)}
            left = [LeftLoad(row.load_id, row.is_committed) for row in rows if row.owner in dead]
            session.run(
                "UPDATE trakt.loads SET owner = :owner WHERE load_id = ANY (:loads)",
                owner=self.owner,
                loads=[each.load_id for each in left],
            )
            return left

    def read_before(self, load_id: str) -> set[TitleRef]:
        """Return the titles whose comments had all been read before the run of a load began."""
        with transaction(self._settings) as session:
            rows = session.rows(
                """
                SELECT DISTINCT kind, trakt_id FROM trakt.sweeps
                WHERE complete AND resource = 'comments' AND since IS NULL AND ended_at < (
                    SELECT min(started_at) FROM trakt.loads
                    WHERE run_id = (SELECT run_id FROM trakt.loads WHERE load_id = :load_id)
                )
                """,
                load_id=load_id,
            )
        return {TitleRef(row.kind, row.trakt_id) for row in rows}

    def letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store dead letters, and count them on their pages; storing the same ones again changes nothing."""
        rows = [
            {
                "load_id": each.load_id,
                "page_key": each.page_key,
                "item_index": each.item_index,
                "path": clean_text(each.path, 1000),
                "code": each.code,
                "message": clean_text(each.message),
                "payload_start": each.payload_start.replace("\0", "\ufffd"),
                "at": each.at.isoformat(),
            }
            for each in letters
        ]
        with transaction(self._settings) as session:
            session.run(
                """
                INSERT INTO trakt.dead_letters
                    (load_id, page_key, item_index, path, code, message, payload_start, at)
                SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (load_id text, page_key text,
                    item_index integer, path text, code text, message text, payload_start text, at timestamptz)
                ON CONFLICT DO NOTHING
                """,
                rows=json.dumps(rows),
            )
            session.run(
                """
                UPDATE trakt.pages p SET bad = (SELECT count(*) FROM trakt.dead_letters d
                    WHERE d.load_id = p.load_id AND d.page_key = p.page_key)
                WHERE p.load_id = ANY (:loads) AND p.page_key = ANY (:keys)
                """,
                loads=sorted({each.load_id for each in letters}),
                keys=sorted({each.page_key for each in letters}),
            )

    def committed(self, load_id: str, report: LoadReport | None) -> None:
        """Record that a load is in the table; None if it had no page object."""
        counts: dict[str, Any] = {}
        if report is not None:
            counts = {
                "rows": dict(report.rows),
                "items": report.items,
                "unchanged": report.unchanged,
                "bad": dict(report.bad),
                "unknown": dict(report.unknown),
            }
            if report.late_arrivals is not None:
                counts["late_arrivals"] = report.late_arrivals
        with transaction(self._settings) as session:
            session.run(
                """
                UPDATE trakt.loads SET committed_at = coalesce(committed_at, clock_timestamp()), version = :version,
                    pages = :pages, rows = :rows, counts = CAST(:counts AS jsonb)
                WHERE load_id = :load_id
                """,
                load_id=load_id,
                version=None if report is None else report.version,
                pages=0 if report is None else report.pages,
                rows=0 if report is None else sum(report.rows.values()),
                counts=json.dumps(counts).replace("\\u0000", "\\ufffd"),
            )
