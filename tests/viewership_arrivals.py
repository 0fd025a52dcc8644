"""A bucket of uploads and an outbox for tests, with a producer that fills both."""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

from jobs.viewership.arrival.delivery import refuse_event, settle
from jobs.viewership.arrival.events import Arrival, BadEvent
from jobs.viewership.arrival.search import arrivals
from jobs.viewership.settings.uploads import UploadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.viewership.tables.arrivals import Outcome
    from tests.postgres_server import Database

__all__ = ["Uploads"]


class Uploads:
    """A folder with uploads, the database, and the steps of a poll."""

    def __init__(self, database: Database, folder: Path, bucket: str | None = None) -> None:
        self.database = database
        self.folder = folder
        self.bucket = bucket or f"file://{folder}"

    def settings(self, **values: Any) -> UploadSettings:
        return UploadSettings(**{"database_url": self.database.url, "bucket": self.bucket, **values})

    def write(self, key: str, body: bytes = b"a,b\n1,2\n", *, age: float = 60.0) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def announce(self, payload: Any, **columns: Any) -> str:
        known = {
            "event_id": str(uuid.uuid4()),
            "event_type": "viewership.upload.arrived",
            "aggregate_id": "delivery-1",
            "payload_json": payload if isinstance(payload, str) else json.dumps(payload),
        }
        row = {**known, **columns}
        marks = ", ".join(["%s"] * len(row))
        self.database.rows(
            f"INSERT INTO viewership.outbox_events ({', '.join(row)}, created_at) VALUES ({marks}, clock_timestamp())",
            *row.values(),
        )
        return str(row["event_id"])

    def event(self, event_id: str) -> tuple[Any, ...]:
        (row,) = self.database.rows(
            "SELECT delivered_at IS NOT NULL, delivery_attempts, last_error FROM viewership.outbox_events"
            " WHERE event_id = %s",
            event_id,
        )
        return row

    def rows(self, columns: str = "uri, status, attempts") -> list[tuple[Any, ...]]:
        return self.database.rows(f"SELECT {columns} FROM viewership.arrivals ORDER BY uri")

    def find(self, **values: Any) -> list[Arrival | BadEvent]:
        return list(arrivals(self.settings(**values)))

    def settle(self, found: Arrival, outcome: Outcome = "taken", /, **values: Any) -> bool:
        given = {name: values.pop(name, None) for name in ("upload_id", "code", "message")}
        return settle(self.settings(**values), found, outcome, run_id="run-1", **given)

    def poll(self, outcome: Outcome = "taken", code: str | None = None, **values: Any) -> list[str]:
        """Settle everything with one outcome, as a step does, and return the keys and the codes of bad events."""
        told = []
        for found in arrivals(self.settings(**values)):
            if isinstance(found, BadEvent):
                told.append(found.error.code)
                refuse_event(self.settings(**values), found)
            else:
                told.append(found.key)
                self.settle(found, outcome, code=code, message="what to do", **values)
        return told
