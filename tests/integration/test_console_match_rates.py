"""The sums of console.match_rates equal viewership.reconciliation, whatever happened in between."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from jobs.console.app import create
from jobs.console.settings import ConsoleSettings
from jobs.console.tables import snapshots as snapshots_module
from jobs.console.tables.database import Database as Connections
from jobs.console.tables.snapshots import Snapshots
from jobs.viewership.phases.retract import retract
from jobs.viewership.review.decisions import decide, undo
from shared.database.session import transaction
from shared.errors import TransientError
from tests.console_app import BROWSER, ask, settings
from tests.integration.test_console_role import CONSOLE, migrated  # noqa: F401
from tests.postgres_server import Database, database, postgres, until  # noqa: F401
from tests.viewership_rows import catalogue, row, upload

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

ROWS = (
    row("The Long Storm", "3.25", series="Harbour Lights"),
    row("The Quiet Harvest", "0.0000000001", series="Harbour Lights"),
    row("Nothing Like It", "7"),
    row("Nothing Like It", None, revenue="2.5"),
    row("Nobody Waits Here", "2", series="The Outpost", held=True),
)


def sums(database: Database, place: str) -> list[tuple[Any, ...]]:
    return database.rows(
        f"SELECT upload_id, fate, sum(units), sum(hours), sum(revenue) FROM {place} GROUP BY 1, 2 ORDER BY 1, 2"
    )


def copied(database: Database) -> list[tuple[Any, ...]]:
    return sums(database, "console.match_rates")


def exact(database: Database) -> list[tuple[Any, ...]]:
    return sums(database, "viewership.reconciliation")


def changes(database: Database) -> dict[str, Callable[[], Any]]:
    """Return what changes fates, in the order in which it happens."""
    ((key,),) = database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Nothing Like It'")
    ((episode,),) = database.rows("SELECT id FROM catalog.episodes WHERE ref_id = 'OF-0102'")

    def decided() -> None:
        with transaction(database.settings()) as session:
            decide(session, "accept", [key], episode, by="ann")

    def undone() -> None:
        with transaction(database.settings()) as session:
            undo(session, 1, by="bob")

    return {
        "decide": decided,
        "undo": undone,
        "another upload": lambda: upload(database, ROWS[1:4]),
        "retract": lambda: retract(database.settings(), 1, by="ann", reason="wrong month", run_id="run-2"),
    }


def test_the_sums_equal_the_reconciliation_after_every_change(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These few rows are copied in a moment: the page would never be behind.
    monkeypatch.setattr(snapshots_module, "_AT_ONCE_MS", -1)
    catalogue(database)
    upload(database, ROWS)
    snapshots = Snapshots(Connections(ConsoleSettings(database_url=database.url)))
    snapshots.refresh("match_rates")
    before = copied(database)
    assert before == exact(database) != []
    app = create(settings(database_url=database.url))
    for name, change in changes(database).items():
        change()
        assert exact(database) != before, f"{name} changes fates"
        assert "As of" in ask(app, "/matching", headers=BROWSER).text
        snapshots.refresh("match_rates")
        before = copied(database)
        assert before == exact(database), name
        rows = ask(app, "/matching/uploads.json").json()["rows"]
        assert [(each["rows"], each["hours"]) for each in rows] == [
            (each["file_rows"], each["file_hours"]) for each in rows
        ], name


def test_a_copy_that_is_killed_leaves_the_one_before(database: Database) -> None:
    catalogue(database)
    upload(database, ROWS)
    snapshots = Snapshots(Connections(ConsoleSettings(database_url=database.url)))
    snapshots.refresh("match_rates")
    before = copied(database)
    changes(database)["decide"]()
    failures: list[Exception] = []

    def refresh() -> None:
        try:
            snapshots.refresh("match_rates")
        except TransientError as error:
            failures.append(error)

    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE '%INSERT INTO console.snapshots%'"
    )
    # All rows are written, and the last statement waits.
    with database.connect() as blocker, blocker.transaction():
        blocker.execute("SELECT FROM console.snapshots FOR UPDATE")
        thread = threading.Thread(target=refresh)
        thread.start()
        until(lambda: database.rows(waiting))
        ((pid,),) = database.rows(waiting)
        database.rows("SELECT pg_terminate_backend(%s)", pid)
        thread.join(20)
    assert len(failures) == 1
    assert copied(database) == before != exact(database)
    snapshots.refresh("match_rates")
    assert copied(database) == exact(database)


def test_the_role_of_the_console_may_read_all_that_the_pages_need(migrated: Database) -> None:
    catalogue(migrated)
    upload(migrated, ROWS)
    app = create(settings(database_url=migrated.as_role(CONSOLE)))
    assert len(ask(app, "/matching/uploads.json").json()["rows"]) == 1
    assert ask(app, "/matching").status == 200
    assert len(ask(app, "/matching/checks/formula.json").json()["rows"]) == 1
