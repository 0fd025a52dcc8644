"""The console's copies of views equal the views, and are made again once something has changed."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.console.settings import ConsoleSettings
from jobs.console.tables import snapshots as module
from jobs.console.tables.database import Database as Connections
from jobs.console.tables.snapshots import Snapshots
from jobs.viewership.review.decisions import decide, undo
from shared.database.session import transaction
from tests.postgres_server import Database, made_database, postgres  # noqa: F401 - fixtures
from tests.viewership_rows import catalogue, row, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

_KEYS = "review_digest, status, keys, rows, held, uploads, hours, revenue, waiting_since"
_RATES = "upload_id, platform, week, fate, bucket, units, hours, revenue"
ROWS = (
    row("The Long Storm", "3", series="Harbour Lights"),
    row("The Long Strom", "5", series="Harbour Lights"),
    row("Nothing Like It", "7"),
    row("Nobody Waits Here", "2", series="The Outpost", held=True),
)


@pytest.fixture(scope="module")
def template(postgres: str) -> Iterator[Database]:
    with made_database(postgres) as made:
        catalogue(made)
        upload(made, ROWS)
        yield made


@pytest.fixture
def database(postgres: str, template: Database) -> Iterator[Database]:
    """A database with one upload, and no copies yet."""
    with made_database(postgres, template) as made:
        yield made


@pytest.fixture
def snapshots(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshots]:
    """Copies that count as slow."""
    monkeypatch.setattr(module, "_AT_ONCE_MS", -1)
    made = Snapshots(Connections(ConsoleSettings(database_url=database.url)))
    yield made
    made.wait()


def differences(database: Database) -> list[str]:
    """Return the copies that differ from their views."""
    found = []
    for name, view, columns in (
        ("review_keys", "review_queue", _KEYS),
        ("match_rates", "match_rates", _RATES),
    ):
        ours, theirs = (f"SELECT {columns} FROM {place}" for place in (f"console.{name}", f"viewership.{view}"))
        if database.rows(f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours})"):
            found.append(name)
    return found


def make_old(database: Database, seconds: int = 60) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE console.snapshots SET taken_at = taken_at - %s * interval '1 second'", (seconds,))


def current(snapshots: Snapshots) -> list[bool]:
    states = [snapshots.current("review_keys").is_current, snapshots.current("match_rates").is_current]
    snapshots.wait()
    return states


def test_the_first_page_makes_the_copy_and_it_equals_its_view(database: Database, snapshots: Snapshots) -> None:
    assert current(snapshots) == [True, True]
    assert database.rows("SELECT count(*) > 0 FROM console.review_keys") == [(True,)]
    assert database.rows("SELECT count(*) > 0 FROM console.match_rates") == [(True,)]
    assert differences(database) == []


def test_the_best_score_and_its_margin_are_those_of_the_candidates(database: Database, snapshots: Snapshots) -> None:
    snapshots.refresh("review_keys")

    for score, margin, stored in database.rows(
        "SELECT c.score, c.margin, q.candidates FROM console.review_keys c"
        " JOIN viewership.review_queue q USING (review_digest)"
    ):
        scores = sorted((each["score"] for each in stored), reverse=True)
        assert score == (pytest.approx(scores[0]) if scores else None)
        assert margin == (pytest.approx(scores[0] - scores[1]) if len(scores) > 1 else None)


def test_an_upload_a_decision_and_its_undo_each_make_the_copies_again(database: Database, snapshots: Snapshots) -> None:
    assert current(snapshots) == [True, True]
    ((key,),) = database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Nothing Like It'")
    ((episode,),) = database.rows("SELECT id FROM catalog.episodes WHERE ref_id = 'OF-0102'")

    def decided() -> int:
        with transaction(database.settings()) as session:
            return decide(session, "accept", [key], episode, by="ann").decision

    def undone() -> None:
        with transaction(database.settings()) as session:
            undo(session, 1, by="bob")

    for change in (lambda: upload(database, ROWS[1:3]), decided, undone):
        make_old(database)
        change()
        assert differences(database) == ["review_keys", "match_rates"]
        assert current(snapshots) == [False, False]
        assert current(snapshots) == [True, True]
        assert differences(database) == []


def test_a_copy_that_takes_a_moment_is_made_at_once(
    database: Database, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE_MS", 60_000)
    current(snapshots)
    upload(database, ROWS[1:3])

    assert current(snapshots) == [True, True]
    assert differences(database) == []


def test_a_page_shows_the_old_copy_while_another_process_makes_it(
    database: Database, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE_MS", 60_000)
    current(snapshots)
    upload(database, ROWS)
    with database.connect() as other, other.transaction():
        for name in ("review_keys", "match_rates"):
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"telecine console {name}",))
        assert current(snapshots) == [False, False]
    assert current(snapshots) == [True, True]


def test_a_copy_is_not_made_again_within_seconds_or_without_a_change(database: Database, snapshots: Snapshots) -> None:
    current(snapshots)
    first = database.rows("SELECT name, xmin::text FROM console.snapshots ORDER BY name")
    upload(database, ROWS)
    assert current(snapshots) == [False, False]
    assert database.rows("SELECT name, xmin::text FROM console.snapshots ORDER BY name") == first

    make_old(database)
    current(snapshots)
    made = database.rows("SELECT name, xmin::text FROM console.snapshots ORDER BY name")
    assert made != first
    assert current(snapshots) == [True, True]
    assert database.rows("SELECT name, xmin::text FROM console.snapshots ORDER BY name") == made


def test_a_copy_of_the_moment_before_a_commit_is_made_again_later(database: Database, snapshots: Snapshots) -> None:
    current(snapshots)
    with database.connect() as connection:
        connection.execute("DELETE FROM console.review_keys")
    make_old(database, 299)
    current(snapshots)
    assert differences(database) == ["review_keys"]
    make_old(database, 300)
    current(snapshots)
    assert differences(database) == []


def test_rows_that_stay_the_same_are_not_written_again(database: Database, snapshots: Snapshots) -> None:
    snapshots.refresh("review_keys")
    snapshots.refresh("match_rates")
    query = "SELECT xmin::text FROM console.review_keys UNION ALL SELECT xmin::text FROM console.match_rates"
    before = sorted(database.rows(query))

    snapshots.refresh("review_keys")
    snapshots.refresh("match_rates")

    assert sorted(database.rows(query)) == before


def test_a_failure_keeps_the_copy_of_before(
    database: Database, snapshots: Snapshots, caplog: pytest.LogCaptureFixture
) -> None:
    current(snapshots)
    before = database.rows("SELECT * FROM console.review_keys ORDER BY review_digest")
    upload(database, ROWS)
    make_old(database)
    with database.connect() as connection:
        connection.execute("ALTER TABLE console.review_keys ADD CHECK (rows < 0) NOT VALID")

    snapshots.current("review_keys")
    snapshots.wait()

    assert "the copy review_keys was not made" in caplog.text
    assert database.rows("SELECT * FROM console.review_keys ORDER BY review_digest") == before
