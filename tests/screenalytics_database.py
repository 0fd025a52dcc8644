"""The steps of screenalytics against a real database and a store in memory, for tests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.settings import IngestSettings, ReplaySettings
from jobs.screenalytics.steps import ingest, replay
from shared.ledger import open_stage
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import make_run, put_run

if TYPE_CHECKING:
    from shared.report import Report
    from tests.postgres_server import Database

__all__ = ["EVERYTHING", "Place", "codes", "counted", "place"]

TABLES = ("runs", "artifacts", "person_metrics", "cast_metrics", "replaced_runs")
EVERYTHING = (*TABLES, "ingest_items", "ingest_attempts", "outbox_events")


class Place:
    """A bucket of runs, and the database they are ingested into.

    Attributes:
        store: the bucket; it counts calls and injects faults.
        stage_run: the stage of the last step.
    """

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.store = MemoryStore(uri="s3://memory")
        self.stage_run = MemoryStageRun(stage="sync_screenalytics")
        for step in (ingest, replay):
            monkeypatch.setattr(step, "open_source", lambda settings: self.store)

    def put(self, run_id: str, **knobs: Any) -> str:
        """Write a run; return its manifest's key."""
        return put_run(self.store, make_run(run_id, **knobs))

    def calls(self, *actions: str) -> list[tuple[str, str]]:
        """Return the calls to the store since the last time, without the writes of tests."""
        calls = [call for call in self.store.calls if call[0] in (actions or ("list", "stat", "read", "stream"))]
        self.store.calls.clear()
        return calls

    def ingest(self, run_id: str = "ledger-1", **values: Any) -> Report:
        self.stage_run = MemoryStageRun(run_id=run_id, stage="sync_screenalytics")
        return ingest.run(self.settings(**values), self.stage_run)

    def staged(self, run_id: str, **values: Any) -> Report:
        """Ingest as a stage of the real ledger."""
        settings = self.settings(run_id=run_id, **values)
        name = "sync_screenalytics"
        with open_stage(settings, pipeline="screenalytics", stage=name, order=6, parameters={}) as stage_run:
            report = ingest.run(settings, stage_run)
            stage_run.finish(report)
        return report

    def replay(self, run: str = "", *, run_id: str = "ledger-r", **values: Any) -> Report:
        self.stage_run = MemoryStageRun(run_id=run_id, stage="sync_screenalytics")
        fixed = {"database_url": self.database.url, "bucket": "s3://memory", "run": run, "grace_min": 0}
        return replay.run(ReplaySettings(**{**fixed, **values}), self.stage_run)

    def settings(self, **values: Any) -> IngestSettings:
        fixed = {
            "database_url": self.database.url,
            "bucket": "s3://memory",
            "grace_min": 0,
            "readers": 2,
            "arrival": "poll",
        }
        return IngestSettings(**{**fixed, **values})

    def tell(self, run_id: str, *, event_type: str = "screenalytics.run.completed", payload: str = "{}") -> str:
        """Insert an event into the outbox; return its id."""
        event_id = str(uuid.uuid4())
        self.database.rows(
            "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json)"
            " VALUES (%s, %s, %s, %s)",
            *(event_id, event_type, run_id, payload),
        )
        return event_id

    def events(self) -> list[tuple[Any, ...]]:
        """Return run, delivered or not, and failed deliveries of each event, sorted by run."""
        return self.database.rows(
            "SELECT aggregate_id, delivered_at IS NOT NULL, delivery_attempts FROM screenalytics.outbox_events"
            " ORDER BY aggregate_id, event_id"
        )

    def everything(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row with its PostgreSQL row version: equal only if nothing was touched."""
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
        """Return state, attempts and code of a run's item."""
        rows = self.database.rows(
            "SELECT state, attempts, code FROM screenalytics.ingest_items WHERE run_id = %s", run_id
        )
        return rows[0] if rows else None


@pytest.fixture
def place(database: Database, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(database, monkeypatch)


def codes(report: Report) -> list[tuple[str, str]]:
    """Return item and code of each failure."""
    return [(failure.item, failure.code) for failure in report.failures]


def counted(report: Report) -> dict[str, int]:
    """Return the counts that are not zero, without ``warnings`` and ``seen``."""
    return {name: count for name, count in report.counts.items() if count and name not in ("warnings", "seen")}
