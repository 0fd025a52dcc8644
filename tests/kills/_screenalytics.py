"""Runs in a folder, events in an outbox, and the rows that an ingest makes of both, without times."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from shared.storage.file import FileStore
from tests.kills.place import ledger_of
from tests.postgres_server import until
from tests.screenalytics_runs import make_run, manifest_of, put_run, screentime_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kills.killer import Child, Operation, Programs
    from tests.postgres_server import Database

__all__ = ["DATABASE", "Scene", "States", "advance", "change", "changes", "counted", "fill", "products", "written"]

COMPLETED: Final = "screenalytics.run.completed"
RUN: Final = "ledger-run"
DATABASE: Final = frozenset({"sql", "copy", "row", "commit", "end"})
_TABLES: Final = (
    *("runs", "artifacts", "person_metrics", "cast_metrics", "replaced_runs", "ingest_items", "ingest_attempts"),
    "outbox_events",
)
_ALL: Final = " UNION ALL ".join(f"SELECT '{name}', to_jsonb(it) FROM screenalytics.{name} it" for name in _TABLES)
_TIMES: Final = ("ingested_at", "updated_at", "first_seen_at", "last_at", "at", "replaced_at", "created_at")
# More than any test kills, so that nothing is set aside.
_ATTEMPTS: Final = ("--max-attempts", "50")


class Scene:
    """A bucket and a database.

    Args:
        folder: contains the bucket.
        programs: runs steps.
        database: has the tables and the ledger.
    """

    def __init__(self, folder: Path, programs: Programs, database: Database) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.database = database
        self.store = FileStore(folder / "bucket")
        self._programs = programs
        self._events = 0
        self._connection = database.connect()

    def close(self) -> None:
        """Close its connection."""
        self._connection.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Like :meth:`tests.postgres_server.Database.rows`, on one connection, since it is called very often."""
        cursor = self._connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def put(self, run_id: str, **how: Any) -> str:
        """Write a run, see :func:`tests.screenalytics_runs.make_run`; return its manifest's key."""
        return put_run(self.store, make_run(run_id, **how))

    def tell(self, run_id: str, *, event_type: str = COMPLETED) -> None:
        """Insert an event into the outbox, later than all before it."""
        self._events += 1
        payload = json.dumps({"manifest_key": f"derived/runs/{run_id}/manifest.json"})
        self.rows(
            "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json, created_at)"
            " VALUES (%s, %s, %s, %s, timestamptz '2026-01-01 00:00Z' + make_interval(mins => %s))",
            *(uuid.UUID(int=self._events), event_type, run_id, payload, self._events),
        )

    def save(self) -> None:
        """Save the tables for :meth:`restore`."""
        copies = "".join(f"CREATE TABLE saved.{name} AS TABLE screenalytics.{name};" for name in _TABLES)
        self.rows(f"DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved; {copies}")

    def restore(self) -> None:
        """Restore the saved tables, and empty the ledger."""
        deletions = "".join(f"DELETE FROM screenalytics.{name};" for name in _TABLES)
        copies = "".join(
            f"INSERT INTO screenalytics.{name} OVERRIDING SYSTEM VALUE TABLE saved.{name};" for name in _TABLES
        )
        # With few rows, a deletion takes a tenth of the time of TRUNCATE, which makes new files for tables and indexes.
        self.rows(
            "BEGIN; DELETE FROM pipeline.runs; SET LOCAL session_replication_role = replica;"
            f" {deletions} {copies} COMMIT"
        )

    def start(self, step: str, *flags: str, run_id: str = RUN, url: str | None = None, **options: Any) -> Child:
        """Start a step of screenalytics; see :meth:`tests.kills.killer.Programs.start`."""
        return self._begin(self._programs.start, step, *flags, run_id=run_id, url=url, **options)

    def complete(self, step: str, *flags: str, code: int | None, run_id: str = RUN, **options: Any) -> Child:
        """Run a step to the end, undisturbed; it ends with any code if ``code`` is None."""
        child = self._begin(self._programs.run, step, *flags, run_id=run_id, **options)
        assert code in (None, child.code), f"exit {child.code} instead of {code}\n{child.said()}"
        return child

    def _begin(
        self, how: Callable[..., Child], step: str, *flags: str, run_id: str, url: str | None = None, **options: Any
    ) -> Child:
        usual = ("--bucket", "./bucket", "--report-dir", f"./report-{run_id}")
        if step == "ingest":
            usual += _ATTEMPTS
        env = {"TELECINE_DATABASE_URL": url or self.database.url, "TELECINE_RUN_ID": run_id}
        given = {"cwd": str(self.folder), "inline": True, **options}
        return how(f"screenalytics {step}", *usual, *flags, env=env, **given)

    def report(self, run_id: str = RUN) -> dict[str, Any]:
        """Return the last ``report.json`` of a run."""
        document: dict[str, Any] = json.loads((self.folder / f"report-{run_id}/report.json").read_text())
        return document

    def wait(self) -> None:
        """Wait until the server has noticed its dead clients and rolled back their transactions."""
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        until(lambda: self.rows(count, self.database.name) == [(0,)])

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of each table without times, by run or event."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
        for name, row in self.rows(_ALL):
            if "delivered_at" in row:
                row["delivered_at"] = row["delivered_at"] is not None
            found[name].append({column: value for column, value in row.items() if column not in _TIMES})
        for rows in found.values():
            rows.sort(key=lambda row: (row.get("run_id", row.get("event_id")), json.dumps(row, sort_keys=True)))
        return found

    def outcome(self, less: Counter[str] | None = None, *, run_id: str = RUN) -> dict[str, Any]:
        """Return everything that matters in the end.

        Args:
            less: failures that killed runs had counted already: looking again at something bad is an attempt more.
            run_id: of the ledger.
        """
        less = less or Counter()
        tables = self.tables()
        for row in tables["ingest_items"]:
            row["attempts"] -= less[row["run_id"]]
        for row in tables["outbox_events"]:
            row["delivery_attempts"] -= less[f"event {row['event_id']}"]
        del tables["ingest_attempts"]
        ledger = ledger_of(self, run_id)  # type: ignore[arg-type]
        ledger["item_errors"] = [
            (stage, item, code, retryable, attempt - less[item], message)
            for stage, item, code, retryable, attempt, message in ledger["item_errors"]
        ]
        return {**tables, "ledger": ledger}


class States:
    """States of the tables and the ledger from which a run to the end has begun.

    A kill before each of a transaction's statements leaves the same, and the next run sees nothing else of the killed
    one: a second run from there shows nothing more. The locks of a dead client are its connection's.

    Args:
        scene: whose states they are.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._seen: list[Any] = []

    def __len__(self) -> int:
        return len(self._seen)

    def is_new(self, tables: dict[str, Any]) -> bool:
        """Note the state; return False if it was there before.

        Args:
            tables: what :meth:`Scene.tables` returned in it.
        """
        state = (tables, ledger_of(self._scene, RUN))  # type: ignore[arg-type]
        if state in self._seen:
            return False
        self._seen.append(state)
        return True


def products(tables: dict[str, Any]) -> dict[str, Any]:
    """Return runs, artifacts, persons and history."""
    return {name: tables[name] for name in _TABLES[:5]}


def counted(tables: dict[str, Any]) -> Counter[str]:
    """Return the number of failures, by their names in the ledger."""
    found = Counter({row["run_id"]: row["attempts"] for row in tables["ingest_items"]})
    found.update({f"event {row['event_id']}": row["delivery_attempts"] for row in tables["outbox_events"]})
    return +found


def written(tables: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Count the recorded attempts by run and outcome."""
    return Counter((row["run_id"], row["outcome"]) for row in tables["ingest_attempts"])


def fill(scene: Scene) -> None:
    """Add a run for every outcome, and events: for a good run, repeated, and of an unknown type."""
    rows = [screentime_row(1), screentime_row(2), screentime_row(2, cast_id=str(uuid.UUID(int=7)))]
    scene.put("good-two-casts", rows=rows)
    scene.put("good-people", kind="cast_screentime.v1", ep_id="rhoslc-s06e12", persons=2)
    scene.put("bad", artifact={"checksum_sha256": "0" * 64})
    scene.put("failed", status="failed")
    scene.put("running", status="running")
    for _ in range(2):
        scene.tell("good-two-casts")
    scene.tell("good-people", event_type="screenalytics.run.imagined")
    scene.save()


def change(scene: Scene, run_id: str) -> None:
    """Upload a run again, with one person fewer."""
    files = make_run(run_id, persons=2)
    assert len(manifest_of(files)[1]["artifacts"]) == 1
    put_run(scene.store, files)


def advance(child: Child, number: int) -> Operation | None:
    """Let a child run up to the operation with this number; return None if it has fewer."""
    while (operation := child.next()) and len(child.trace) <= number:
        child.go()
    return operation


def changes(trace: list[Operation], more: int = 3) -> list[int]:
    """Return the numbers of the operations to kill before: one of each kind, and some seeded ones.

    They are among what is done to the database after the ledger's begin, and the end. Kills within the ledger's begin
    and the report are those of any step: test_kill_steps has them. A commit after one SELECT is left out: nothing lies
    between the two.

    Args:
        trace: operations of an undisturbed step.
        more: number of seeded ones.
    """
    begun = [number for number, operation in enumerate(trace) if "INTO pipeline.run_stages" in operation.subject]
    first = 1 + next(number for number in range(begun[0], len(trace)) if trace[number].name == "commit") if begun else 0
    numbers = [number for number in range(first, len(trace)) if trace[number].name in DATABASE]
    numbers = [number for number in numbers if not (trace[number].name == "commit" and _only_looks(trace[number - 1]))]
    firsts: dict[tuple[str, str], int] = {}
    for number in numbers:
        firsts.setdefault(_kind(trace, number), number)
    others = [number for number in numbers if number not in firsts.values()]
    return sorted([*firsts.values(), *random.Random(0).sample(others, min(more, len(others)))])


def _kind(trace: list[Operation], number: int) -> tuple[str, str]:
    """Return what distinguishes an operation: a commit is that of the statement before it, and reads are one kind."""
    operation = trace[number]
    if operation.name == "commit":
        return "commit", trace[number - 1].subject
    if operation.name == "sql":
        # A transaction's statements leave nothing without its commit, so one of each verb will do, and the seeded ones.
        return "sql", "" if _only_looks(operation) else operation.subject.split()[0]
    # The rows of a table go before its commit, and lie between those of others: one COPY and one row of all will do.
    return operation.name, ""


def _only_looks(operation: Operation) -> bool:
    return operation.name == "sql" and operation.subject.startswith("SELECT") and "_lock(" not in operation.subject
