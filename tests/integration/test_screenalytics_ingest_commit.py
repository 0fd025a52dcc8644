"""Lost connections, lost commits and concurrent ingests, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from jobs.screenalytics.tables import ingest_items
from shared.database.connection import dispose, engine
from shared.database.session import transaction
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres, until  # noqa: F401
from tests.screenalytics_database import codes, counted, place  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def engine_of_the_test() -> Iterator[None]:
    """Listeners stay at an engine, and marks at its connections."""
    dispose()
    yield
    dispose()


AFTER = {
    "the lock": "advisory_xact_lock",
    "the question what is known": "FROM (SELECT 1) AS one LEFT JOIN screenalytics.runs",
    "the run, before its persons": "INSERT INTO screenalytics.runs",
    "the item": "INSERT INTO screenalytics.ingest_items",
    "everything but the commit": None,
}


def killer(database: Database, statement: str | None, then: Callable[[], object] = lambda: None) -> Callable[..., None]:
    """Return a listener that terminates the connection that first runs a statement."""
    done: list[int] = []

    def kill(connection: Any, *arguments: Any) -> None:
        text = arguments[1] if arguments else ""
        if statement is None:
            # The transaction that took the lock is the one that writes the run.
            connection = connection if connection.info.get("locked") else None
        elif " ".join(statement.split()) not in " ".join(text.split()):
            connection = None
        if connection is None or done:
            return
        pid = connection.connection.driver_connection.info.backend_pid
        done.append(pid)
        then()
        database.rows("SELECT pg_terminate_backend(%s)", pid)
        until(lambda: not database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    return kill


def mark(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
    if "advisory_xact_lock" in statement:
        connection.info["locked"] = True


@pytest.mark.parametrize("step", AFTER)
@pytest.mark.parametrize("case", ["case 53"])
def test_a_connection_lost_between_two_statements_leaves_a_whole_run_or_none(place, case, step):
    place.put("r1")
    seen: list[Any] = []
    known = engine(place.database.settings())
    kill = killer(place.database, AFTER[step], lambda: seen.append((place.runs(), place.persons("r1"))))
    event.listen(known, "after_cursor_execute", mark)
    event.listen(known, "after_cursor_execute" if AFTER[step] else "commit", kill)
    report = place.ingest()
    assert seen == [([], [])]
    assert counted(report) == {"ingested": 1, "persons": 3}
    assert len(place.persons("r1")) == 3


@pytest.mark.parametrize("case", ["case 53 without an end"])
def test_a_database_that_stays_away_ends_the_stage_and_keeps_what_was_committed(place, monkeypatch, case):
    for number in range(4):
        place.put(f"r{number}")
    monkeypatch.setattr(ingest_items, "_RETRY_S", 0.0)
    known = engine(place.database.settings())

    def away(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "advisory_xact_lock" in statement and place.runs() == ["r0", "r1"]:
            pid = connection.connection.driver_connection.info.backend_pid
            place.database.rows("SELECT pg_terminate_backend(%s)", pid)
            until(lambda: not place.database.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))

    event.listen(known, "after_cursor_execute", away)
    report = place.ingest()
    assert (report.status, report.exit_code, codes(report)) == ("failed", 75, [("r2", "database_unreachable")])
    assert place.runs() == ["r0", "r1"]
    event.remove(known, "after_cursor_execute", away)
    assert counted(place.ingest()) == {"ingested": 2, "known": 2, "persons": 6}


@pytest.mark.parametrize("case", ["case 54"])
def test_a_commit_whose_answer_is_lost_is_found_done(place, case):
    place.put("r1")
    known = engine(place.database.settings())
    done: list[bool] = []

    def lose(connection: Any) -> None:
        if connection.info.pop("locked", False) and not done:
            done.append(True)
            driver = connection.connection.driver_connection
            driver.commit()
            place.database.rows("SELECT pg_terminate_backend(%s)", driver.info.backend_pid)
            driver.execute("SELECT 1")  # stands for the client waiting for the reply

    event.listen(known, "after_cursor_execute", mark)
    event.listen(known, "commit", lose)
    report = place.ingest()
    assert done
    assert counted(report) == {"unchanged": 1}
    assert (place.runs("revision"), len(place.persons("r1")), place.item("r1")) == ([1], 3, ("ingested", 0, None))


@pytest.mark.parametrize("case", ["case 52"])
def test_two_that_write_the_same_run_at_once(place, case):
    place.put("r1")
    with transaction(place.settings()) as holder:
        holder.lock("screenalytics.run:r1")
        reports: list[Any] = []
        both = [threading.Thread(target=lambda: reports.append(place.ingest())) for _ in range(2)]
        for thread in both:
            thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        until(lambda: place.database.rows(waiting) == [(2,)])
    for thread in both:
        thread.join()
    assert sorted(list(counted(report)) for report in reports) == [["ingested", "persons"], ["unchanged"]]
    assert (place.runs(), len(place.persons("r1"))) == (["r1"], 3)
