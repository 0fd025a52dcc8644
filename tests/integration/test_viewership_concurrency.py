"""Uploads, replacements and reviews at once: one upload per file, and final rows that are due at every moment."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import contextlib
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import polars as pl
import pytest

from jobs.viewership.phases import load as load_phase
from jobs.viewership.phases import retract as retract_phase
from jobs.viewership.phases import upload as upload_phase
from jobs.viewership.phases.load import load
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.phases.reprocess import Selection, reprocess
from jobs.viewership.phases.retract import retract
from jobs.viewership.phases.upload import take
from jobs.viewership.settings.review import ReviewUndoSettings
from jobs.viewership.settings.uploads import UploadSettings
from jobs.viewership.steps import review as review_step
from jobs.viewership.tables import locks
from jobs.viewership.tables.keys import KEY_FIELDS, distinct_keys, key_ids
from shared.database.session import transaction
from shared.errors import TransientError, UsageError
from tests.postgres_server import postgres, until  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_place import viewership  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEAD = "Series,Season,Episode,Title,Date,Hours\n"
ROWS = "Calm River,1,1,The Storm,2025-07-01,1.5\nCalm River,,,Somewhere Else Entirely,2025-07-03,4\n"


def decide(viewership, action="accept"):
    key = "ARRAY(SELECT key_id FROM viewership.keys WHERE content_name = 'Somewhere Else Entirely')"
    episode = "(SELECT id FROM catalog.episodes WHERE ref_id = 'LH-0101')"
    return viewership.rows(f"SELECT loaded, removed FROM viewership.decide('{action}', {key}, {episode}, 'ann', 'x')")


def test_a_decision_between_match_and_load_of_a_replacement_counts_no_hour_twice(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", HEAD + ROWS))
    viewership.upload(viewership.file("corrected.csv", HEAD + ROWS.replace(",1.5", ",9")), on_overlap="replace")
    normalize(viewership.database.settings(), 2, "r", by="ann")
    match(viewership.database.settings(), 2, "r", by="ann")
    assert viewership.is_due()
    assert decide(viewership) == [(1, 0)]
    assert viewership.final() == (2, Decimal("5.5"))
    assert viewership.is_due()
    viewership.run(viewership.file("other.csv", HEAD + "Lost Harbor,1,1,Arrival,2025-08-01,1\n"))
    assert [status for *_, status in viewership.statuses()] == ["replaced", "loaded", "loaded"]
    assert viewership.final() == (3, Decimal(14))
    assert viewership.is_due()


MONTH = "telecine viewership canonical 2025-07"


def undo_two(place):
    """Undo two decisions in one transaction, which takes the catalogue's lock first."""
    settings = place.settings(ReviewUndoSettings, decisions=(1, 2), by="ann")
    with contextlib.suppress(UsageError):  # there are none
        review_step.undo_decisions(settings)


WAITING = {
    "claim": (
        """
        INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)
        VALUES (%(sha256)s, 'x', 'x', 1, 'received', 'other')
        """,
        lambda place, file: take(place.settings(UploadSettings, bucket=place.bucket), file, "r"),
    ),
    "import": (
        "SELECT pg_advisory_xact_lock(hashtextextended('telecine catalog', 0))",
        lambda place, _: place.catalogue(),
    ),
    "undo": (
        "SELECT pg_advisory_xact_lock(hashtextextended('telecine catalog', 0))",
        lambda place, _: undo_two(place),
    ),
}


@pytest.mark.committed
@pytest.mark.parametrize("name", WAITING)
def test_no_command_waits_forever_for_a_transaction_that_is_left_open(viewership, monkeypatch, name):
    monkeypatch.setattr(locks, "_LOCK_TIMEOUT", "200ms")
    monkeypatch.setattr(upload_phase, "_RETRY_S", 0.0)
    monkeypatch.setattr(review_step, "_RETRY_S", 0.0)
    monkeypatch.setattr(review_step, "LOCK_LIMIT", "200ms")
    statement, command = WAITING[name]
    file = viewership.file("july.csv", HEAD + ROWS)
    with viewership.database.connect() as console:
        console.autocommit = False
        console.execute("SET idle_in_transaction_session_timeout = '20s'")
        console.execute(statement, {"sha256": hashlib.sha256((HEAD + ROWS).encode()).hexdigest()})
        with pytest.raises(TransientError, match="another transaction holds a lock") as caught:
            command(viewership, file)
        assert (caught.value.code, caught.value.exit_code) == ("database_busy", 75)
        console.rollback()
    command(viewership, file)


PHASES = {
    "upload": lambda place, file: take(place.settings(UploadSettings, bucket=place.bucket), file, "r"),
    "normalize": lambda place, _: normalize(place.database.settings(), 1, "r", by="ann"),
    "match": lambda place, _: match(place.database.settings(), 1, "r", by="ann"),
    "load": lambda place, _: load(place.database.settings(), 1, "r", by="ann"),
    "reprocess": lambda place, _: reprocess(place.database.settings(), Selection(everything=True), "r", by="ann"),
    "retract": lambda place, _: retract(place.database.settings(), 1, by="ann", reason="wrong", run_id="r"),
}


@pytest.mark.committed
def test_no_phase_waits_forever_for_a_transaction_that_was_left_open(viewership, monkeypatch):
    monkeypatch.setattr(locks, "_LOCK_TIMEOUT", "200ms")
    viewership.catalogue()
    file = viewership.file("july.csv", HEAD + ROWS)
    for name, phase in PHASES.items():
        with viewership.database.connect() as console:
            console.autocommit = False
            console.execute("SET idle_in_transaction_session_timeout = '60s'")
            console.execute("SELECT viewership.lock_final(ARRAY['canonical'])")
            console.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('telecine viewership canonical 2025-07', 0))"
            )
            with pytest.raises(TransientError, match="lock timeout") as caught:
                phase(viewership, file)
            assert caught.value.code == "database_busy", name
        phase(viewership, file)
    assert viewership.statuses() == [(1, "july.csv", "retracted")]


@pytest.mark.committed
@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}Calm River,1,1,The Storm,2025-W27,7\n",
        "Series,Title,Year,Quarter,Revenue\nCalm River,The Storm,2025,q3,7\n",
        "Series,Title,Year,Revenue\nCalm River,The Storm,2025,7\n",
    ],
    ids=["week", "quarter", "year"],
)
def test_a_file_for_a_longer_time_waits_for_others_of_any_of_its_months(viewership, monkeypatch, text):
    monkeypatch.setattr(locks, "_LOCK_TIMEOUT", "200ms")
    viewership.catalogue()
    file = viewership.file("long.csv", text)
    with viewership.database.connect() as console:
        console.autocommit = False
        console.execute("SET idle_in_transaction_session_timeout = '60s'")
        console.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (MONTH,))
        with pytest.raises(TransientError, match="lock timeout"):
            PHASES["upload"](viewership, file)
    PHASES["upload"](viewership, file)
    assert viewership.statuses() == [(1, "long.csv", "read")]


@pytest.mark.committed
@pytest.mark.parametrize("first", ["load", "retract"])
def test_a_reading_of_another_month_is_loaded_while_the_first_one_is_retracted(viewership, monkeypatch, first):
    viewership.catalogue()
    undated = viewership.file("undated.csv", "Series,Season,Episode,Title,Hours\nCalm River,1,1,The Storm,1.5\n")
    viewership.run(undated, period="2025-07")
    viewership.upload(undated, period="2025-08", on_overlap="replace")
    database = viewership.database.settings()
    normalize(database, 2, "r", by="ann")
    match(database, 2, "r", by="ann")
    assert viewership.statuses() == [(1, "undated.csv", "loaded"), (2, "undated.csv", "matched")]

    # The first one stops where it has the final rows, until the other one has its uploads or waits for them.
    modules = {"load": load_phase, "retract": retract_phase}
    phases = {
        "load": lambda: load(database, 2, "r", by="ann"),
        "retract": lambda: retract(database, 1, by="ann", reason="wrong", run_id="r"),
    }
    [second] = modules.keys() - {first}
    reached, held = threading.Event(), threading.Event()
    locked, holds = modules[first].lock_final, modules[second].hold_related

    def lock_and_wait(session, platforms):
        locked(session, platforms)
        reached.set()
        held.wait(1)

    def hold_and_tell(*args):
        found = holds(*args)
        held.set()
        return found

    monkeypatch.setattr(modules[first], "lock_final", lock_and_wait)
    monkeypatch.setattr(modules[second], "hold_related", hold_and_tell)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(phases[first])
        assert reached.wait(30)
        other = pool.submit(phases[second])
        one.result(60)
        if first == "load":
            with pytest.raises(UsageError, match="upload 1 is already replaced"):
                other.result(60)
        else:
            other.result(60)
    assert viewership.statuses()[1] == (2, "undated.csv", "loaded")
    assert viewership.statuses()[0][2] == {"load": "replaced", "retract": "retracted"}[first]
    assert viewership.final() == (1, Decimal("1.5"))
    assert viewership.is_due()


@pytest.mark.committed
def test_two_uploads_number_the_same_new_keys_once(viewership):
    units = pl.DataFrame({name: pl.Series([f"{name} 1"], dtype=pl.String) for name in KEY_FIELDS})
    settings = viewership.database.settings()
    started = threading.Event()

    def second() -> int:
        with ThreadPoolExecutor(1) as pool, transaction(settings) as session:
            started.set()
            keys = key_ids(session, distinct_keys("canonical", units), pool)
            assert keys.new is None
            return keys.numbers["key_id"][0]

    waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(2) as pool:
        with transaction(settings) as session:
            keys = key_ids(session, distinct_keys("canonical", units), pool)
            other = pool.submit(second)
            started.wait()
            until(lambda: viewership.rows(waiting))
            keys.write(session)
        assert other.result() == keys.numbers["key_id"][0]
    assert viewership.rows("SELECT count(*)::int FROM viewership.keys") == [(1,)]
