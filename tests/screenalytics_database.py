"""The steps of screenalytics against a real database and a folder, for tests."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.screenalytics import ingest, replay
from jobs.screenalytics.settings import IngestSettings, ReplaySettings
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.screenalytics_runs import make_run, put_run

if TYPE_CHECKING:
    from shared.report import Report
    from shared.storage import ObjectStore
    from tests.postgres_server import Database

__all__ = ["Place"]

TABLES = ("runs", "artifacts", "person_metrics", "replaced_runs")


@dataclass
class Place:
    """A folder of runs, and the database that they go to."""

    folder: Path
    database: Database
    stage_run: MemoryStageRun = field(default_factory=lambda: MemoryStageRun(stage="sync_screenalytics"))

    @property
    def store(self) -> ObjectStore:
        return open_store(str(self.folder), create=True)

    def put(self, run_id: str, **knobs: Any) -> str:
        """Write a run; returns its manifest's key."""
        return put_run(self.store, make_run(run_id, **knobs))

    def remove(self, key: str) -> None:
        self.store.delete(key)

    def ingest(self, run_id: str = "ledger-1", **values: Any) -> Report:
        self.stage_run = MemoryStageRun(run_id=run_id, stage="sync_screenalytics")
        return ingest.run(self.settings(**values), self.stage_run)

    def replay(self, run: str = "", *, run_id: str = "ledger-r", **values: Any) -> Report:
        self.stage_run = MemoryStageRun(run_id=run_id, stage="sync_screenalytics")
        settings = ReplaySettings(
            **{"database_url": self.database.url, "bucket": str(self.folder), "run": run, "grace_min": 0, **values}
        )
        return replay.run(settings, self.stage_run)

    def settings(self, **values: Any) -> IngestSettings:
        fixed = {"database_url": self.database.url, "bucket": str(self.folder), "grace_min": 0, "arrival": "poll"}
        return IngestSettings(**{**fixed, **values})

    def tell(self, run_id: str, *, event_type: str = "screenalytics.run.completed", payload: str = "{}") -> str:
        """Put an event into the outbox; returns its id."""
        event_id = str(uuid.uuid4())
        self.database.rows(
            "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json)"
            " VALUES (%s, %s, %s, %s)",
            *(event_id, event_type, run_id, payload),
        )
        return event_id

    def events(self) -> list[tuple[Any, ...]]:
        """Run, whether delivered, failed deliveries; in the order of the run."""
        return self.database.rows(
            "SELECT aggregate_id, delivered_at IS NOT NULL, delivery_attempts FROM screenalytics.outbox_events"
            " ORDER BY aggregate_id, event_id"
        )

    def everything(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row with the versions that PostgreSQL keeps of it: equal only where nothing was touched."""
        return {
            table: self.database.rows(
                f"SELECT ctid::text, xmin::text, row.* FROM screenalytics.{table} AS row ORDER BY row::text"
            )
            for table in tables or TABLES
        }

    def runs(self, columns: str = "run_id") -> list[Any]:
        rows = self.database.rows(f"SELECT {columns} FROM screenalytics.runs ORDER BY run_id")
        return [row[0] for row in rows] if "," not in columns else rows

    def persons(self, run_id: str, columns: str = "person_id, onscreen_ms") -> list[tuple[Any, ...]]:
        return self.database.rows(
            f"SELECT {columns} FROM screenalytics.person_metrics WHERE run_id = %s ORDER BY person_id", run_id
        )

    def item(self, run_id: str) -> tuple[Any, ...] | None:
        """State, attempts and code."""
        rows = self.database.rows(
            "SELECT state, attempts, code FROM screenalytics.ingest_items WHERE run_id = %s", run_id
        )
        return rows[0] if rows else None
