"""Decide and undo in PostgreSQL: scope, effect, exactness, later uploads, stale states, errors, rights, concurrency."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from jobs.viewership.errors import DecisionUndone, ReviewChanged
from jobs.viewership.review.decisions import SQLSTATES, decide, preview, undo
from jobs.viewership.tables.fates import sync
from jobs.viewership.tables.uploads import update
from shared.database.session import transaction
from shared.errors import ConfigurationError, TransientError, UsageError
from tests.postgres_server import Database, made_database, postgres, until  # noqa: F401
from tests.rolled_back import database, scratch  # noqa: F401
from tests.viewership_rows import DETAILS, catalogue, match, reconciled, row, spellings, store, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.review.decisions import Decided

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

STORM = "Storm Someone Else Wrote"


def key_of(database: Database, title: str, platform: str = "tubi") -> int:
    return int(
        database.rows("SELECT key_id FROM viewership.keys WHERE content_name = %s AND platform = %s", title, platform)[
            0
        ][0]
    )


def episode(database: Database, ref: str) -> int:
    return int(database.rows("SELECT id FROM catalog.episodes WHERE ref_id = %s", ref)[0][0])


def decided(database: Database, action: Any, keys: list[int], ref: str | None = None, **values: Any) -> Decided:
    with transaction(database.settings()) as session:
        number = episode(database, ref) if ref else None
        return decide(session, action, keys, number, **{"by": "ann", "note": "because", **values})


def undone(database: Database, decision: int, by: str = "bob") -> Decided:
    with transaction(database.settings()) as session:
        return undo(session, decision, by=by)


def scope(database: Database, action: Any, keys: list[int], ref: str | None = None) -> Any:
    with transaction(database.settings()) as session:
        return preview(session, action, keys, episode(database, ref) if ref else None)


def tables(database: Database) -> dict[str, Any]:
    """Return whole tables, except history and its numbers and times."""
    return {
        "matches": database.rows("SELECT * FROM viewership.matches ORDER BY key_id"),
        "final": database.rows(f"SELECT {DETAILS} FROM viewership.episode_details ORDER BY 1, 2"),
        "aliases": database.rows("SELECT * FROM catalog.aliases WHERE undone_at IS NULL ORDER BY id"),
        "queue": database.rows("SELECT * FROM viewership.review_queue ORDER BY 1"),
        "fates": database.rows("SELECT * FROM viewership.row_fates ORDER BY 1"),
        "uploads": database.rows("SELECT * FROM viewership.uploads ORDER BY 1"),
        "rows": database.rows("SELECT * FROM viewership.platform_viewership ORDER BY 1"),
        "keys": database.rows("SELECT * FROM viewership.keys ORDER BY 1"),
    }


def fate(database: Database, upload_id: int, line: int = 2) -> Any:
    return database.rows(
        "SELECT fate, code FROM viewership.row_fates WHERE upload_id = %s AND line = %s", upload_id, line
    )[0]


@pytest.fixture(scope="module")
def scene(postgres: str) -> Iterator[Database]:
    """A catalogue, and an upload with a matched key and some that wait, one of them in two spellings."""
    with made_database(postgres) as made:
        catalogue(made)
        upload(
            made,
            [
                *spellings(STORM),
                row("Something Else Entirely", "7", series="The Outpost"),
            ],
        )
        yield made


@pytest.fixture
def loaded(request: pytest.FixtureRequest, scene: Database) -> Iterator[Database]:
    with scratch(request, scene) as made:
        yield made


def test_the_scope_is_what_a_decision_does(loaded: Database):
    keys = [key_of(loaded, STORM)]
    seen = scope(loaded, "accept", keys, "HL-0101")
    assert (seen.units, seen.hours, seen.uploads, seen.held) == (4, Decimal(9), 1, 1)
    assert (seen.loads, seen.removes) == (2, 0)
    done = decided(loaded, "accept", keys, "HL-0101")
    assert (done.loaded, done.removed) == (2, 0)
    effects = loaded.rows("SELECT effects, decided_by, note FROM viewership.decisions")[0]
    assert (effects[0]["units"], effects[0]["loaded"], effects[1:]) == (4, 2, ("ann", "because"))
    reconciled(loaded)
    again = scope(loaded, "accept", keys, "HL-0101")
    assert (again.loads, again.removes) == (0, 0)
    other = scope(loaded, "accept", keys, "HL-0102")
    assert (other.loads, other.removes) == (2, 2)
    done = decided(loaded, "accept", keys, "HL-0102")
    assert (done.loaded, done.removed) == (2, 2)
    gone = scope(loaded, "reject", keys)
    assert (gone.loads, gone.removes) == (0, 2)
    done = decided(loaded, "reject", keys)
    assert (done.loaded, done.removed) == (0, 2)
    assert fate(loaded, 1, 3) == ("unmatched", "REJECTED")
    reconciled(loaded)


def test_a_file_with_hours_and_revenue_counts_two_final_rows(database: Database):
    catalogue(database)
    upload(database, [row(STORM, "1", revenue="-2.5"), row(STORM, "1"), row(STORM, None, revenue="4")], label="Both")
    keys = [key_of(database, STORM)]
    seen = scope(database, "accept", keys, "HL-0101")
    assert (seen.units, seen.revenue, seen.loads) == (3, Decimal("1.5"), 4)
    assert decided(database, "accept", keys, "HL-0101").loaded == 4
    reconciled(database)


@pytest.mark.parametrize("action", ["accept", "alias", "reject"])
def test_undo_brings_every_table_back(loaded: Database, action: str):
    before = tables(loaded)
    done = decided(loaded, action, [key_of(loaded, STORM)], None if action == "reject" else "HL-0101")
    assert tables(loaded)["matches"] != before["matches"]
    reconciled(loaded)
    undone(loaded, done.decision)
    assert tables(loaded) == before
    reconciled(loaded)
    who = loaded.rows("SELECT undone_by, undone_at IS NOT NULL FROM viewership.decisions")
    assert who == [("bob", True)]


def test_undo_of_an_undone_decision_says_by_whom_and_when(loaded: Database):
    done = decided(loaded, "accept", [key_of(loaded, STORM)], "HL-0101")
    undone(loaded, done.decision)
    before = tables(loaded)
    with pytest.raises(DecisionUndone, match=rf"decision {done.decision} was undone by bob at 20\d\d-.* UTC") as error:
        undone(loaded, done.decision)
    assert error.value.exit_code == 65
    assert tables(loaded) == before


def test_a_decision_covers_all_spellings_and_no_other_key(loaded: Database):
    decided(loaded, "accept", [key_of(loaded, STORM.upper())], "HL-0101")
    found = loaded.rows(
        "SELECT k.content_name, m.status FROM viewership.matches m JOIN viewership.keys k USING (key_id)"
        " WHERE decision_id IS NOT NULL ORDER BY 1"
    )
    assert sorted(found) == sorted([(STORM, "matched"), (STORM.upper(), "matched")])
    assert fate(loaded, 1, 7)[0] == "review"
    reconciled(loaded)


def test_an_accepted_key_waits_again_in_a_later_upload(loaded: Database):
    decided(loaded, "accept", [key_of(loaded, STORM)], "HL-0101")
    same = upload(loaded, [row(STORM, "4", series="Harbour Lights")])
    other = upload(loaded, [row(STORM.lower(), "4", series="Harbour Lights")])
    assert fate(loaded, same) == ("review", "ACCEPTED_BEFORE")
    assert fate(loaded, other)[0] == "review"
    assert fate(loaded, 1, 3) == ("final", None)
    queue = loaded.rows("SELECT rows, uploads, accepted_before FROM viewership.review_queue WHERE hours = 8")
    assert [row[:2] for row in queue] == [(2, 2)]
    assert queue[0][2] in (episode(loaded, "HL-0101"), None)
    reconciled(loaded)
    decided(loaded, "accept", [key_of(loaded, STORM)], "HL-0101")
    assert fate(loaded, same) == fate(loaded, other) == ("final", None)
    reconciled(loaded)


def test_what_replaces_an_upload_keeps_its_accepted_keys(loaded: Database):
    decided(loaded, "accept", [key_of(loaded, STORM)], "HL-0101")
    with transaction(loaded.settings()) as session:
        later = store(session, [row(STORM, "4", series="Harbour Lights")])
        match(session, later)
        update(session, later, replaces=[1])
    assert fate(loaded, later) == ("final", None)
    # Until it is loaded, neither a decision nor its scope counts its rows twice.
    seen = scope(loaded, "accept", [key_of(loaded, STORM)], "HL-0102")
    assert (seen.units, seen.loads, seen.removes) == (5, 2, 2)
    done = decided(loaded, "accept", [key_of(loaded, STORM)], "HL-0102")
    assert (done.loaded, done.removed) == (2, 2)
    reconciled(loaded)
    undone(loaded, done.decision)
    with transaction(loaded.settings()) as session:
        update(session, 1, status="replaced", replaced_by=later)
        update(session, later, status="loaded", loaded_at=datetime.now(UTC))
        sync(session, "upload", [1, later], actor="tester", reason="load")
    found = loaded.rows("SELECT upload_id, count(*) FROM viewership.episode_details GROUP BY 1")
    assert found == [(later, 1)]
    reconciled(loaded)


def test_an_alias_also_matches_later_uploads_of_its_key_alone(loaded: Database):
    decided(loaded, "alias", [key_of(loaded, STORM)], "HL-0101")
    later = upload(
        loaded,
        [
            row(STORM, "4", series="Harbour Lights"),
            row(STORM.lower(), "4", series="HARBOUR LIGHTS"),
            row(STORM, "4", series="Harbour Lights", content_name_2="Another Clip"),
            row(f"{STORM} S07E08", "4", series="Harbour Lights"),
            row(STORM, "4", series="Harbour Lights", season="Special"),
            row(STORM, "4", series="Harbour Lights", content_id="X-1"),
        ],
    )
    assert [fate(loaded, later, line)[0] for line in range(2, 8)] == ["final", "final", *["review"] * 4]
    elsewhere = upload(loaded, [row(STORM, "4", series="Harbour Lights")], platform="philo")
    assert fate(loaded, elsewhere)[0] == "review"
    reconciled(loaded)


def test_undo_of_an_alias_takes_back_what_it_matched_since(loaded: Database):
    done = decided(loaded, "alias", [key_of(loaded, STORM)], "HL-0101")
    later = upload(loaded, [row(STORM.lower(), "4", series="Harbour Lights"), row(STORM, "1", series="Harbour Lights")])
    assert fate(loaded, later) == ("final", None)
    gone = undone(loaded, done.decision)
    assert gone.removed == 4
    assert fate(loaded, later) == ("review", "ALIAS_UNDONE")
    assert fate(loaded, later, 3)[0] == "review"
    assert loaded.rows("SELECT count(*) FROM catalog.aliases WHERE undone_at IS NULL") == [(0,)]
    again = upload(loaded, [row(STORM.title(), "4", series="HARBOUR lights")])
    assert fate(loaded, again)[0] == "review"
    reconciled(loaded)


def test_a_second_alias_replaces_the_first_and_its_undo_revives_it(loaded: Database):
    keys = [key_of(loaded, STORM)]
    first = decided(loaded, "alias", keys, "HL-0101")
    before = tables(loaded)
    second = decided(loaded, "alias", keys, "HL-0102")
    later = upload(loaded, [row(STORM.lower(), "4", series="Harbour Lights")])
    wanted = episode(loaded, "HL-0102")
    assert loaded.rows("SELECT DISTINCT episode_id FROM viewership.episode_details WHERE upload_id = %s", later) == [
        (wanted,)
    ]
    assert loaded.rows("SELECT episode_id FROM catalog.aliases WHERE undone_at IS NULL") == [(wanted,)]
    undone(loaded, second.decision)
    after = tables(loaded)
    assert after["aliases"] == before["aliases"]
    assert after["matches"][:-1] == before["matches"]
    assert fate(loaded, later) == ("review", "ALIAS_UNDONE")
    reconciled(loaded)
    undone(loaded, first.decision)
    assert loaded.rows("SELECT count(*) FROM catalog.aliases WHERE undone_at IS NULL") == [(0,)]
    reconciled(loaded)


def test_a_rejection_ends_the_alias_and_its_undo_revives_it(loaded: Database):
    keys = [key_of(loaded, STORM)]
    decided(loaded, "alias", keys, "HL-0101")
    before = tables(loaded)
    done = decided(loaded, "reject", keys)
    assert fate(loaded, upload(loaded, [row(STORM.lower(), series="Harbour Lights")]))[0] == "review"
    undone(loaded, done.decision)
    assert tables(loaded)["aliases"] == before["aliases"]
    assert fate(loaded, upload(loaded, [row(STORM.title(), series="Harbour Lights")])) == ("final", None)
    reconciled(loaded)


def test_undo_leaves_keys_that_a_later_decision_has_overridden(loaded: Database):
    storm, other = key_of(loaded, STORM), key_of(loaded, "Something Else Entirely")
    before = tables(loaded)
    first = decided(loaded, "accept", [storm, other], "HL-0101")
    second = decided(loaded, "accept", [other], "OF-0101")
    undone(loaded, first.decision)
    assert fate(loaded, 1, 3)[0] == "review"
    final = loaded.rows("SELECT key_id, episode_id FROM viewership.episode_details WHERE bucket = 'DECISION'")
    assert final == [(other, episode(loaded, "OF-0101"))]
    reconciled(loaded)
    # Not to the first decision, which was undone meanwhile.
    undone(loaded, second.decision)
    assert tables(loaded) == before
    reconciled(loaded)


def test_undo_in_any_order_ends_in_the_state_before(loaded: Database):
    storm = [key_of(loaded, STORM)]
    before = tables(loaded)
    steps = [("alias", "HL-0101"), ("accept", "HL-0102"), ("reject", None), ("alias", "HL-0103")]
    made = [decided(loaded, action, storm, ref).decision for action, ref in steps]
    for place in (1, 3, 0, 2):
        undone(loaded, made[place])
        live = [step for number, step in zip(made, steps, strict=True) if number not in {made[p] for p in ORDER[place]}]
        wanted = [(episode(loaded, live[-1][1]),)] if live and live[-1][0] == "alias" else []
        assert loaded.rows("SELECT episode_id FROM catalog.aliases WHERE undone_at IS NULL") == wanted
        reconciled(loaded)
    assert tables(loaded) == before


# Place that is undone -> all places that are undone then.
ORDER = {1: (1,), 3: (1, 3), 0: (1, 3, 0), 2: (1, 3, 0, 2)}


def test_an_automatic_match_is_overridden_only_if_nothing_else_has_its_key(loaded: Database):
    storm = key_of(loaded, "The Long Storm")
    done = decided(loaded, "accept", [storm], "HL-0102")
    assert (done.loaded, done.removed) == (1, 1)
    reconciled(loaded)
    undone(loaded, done.decision)
    assert loaded.rows("SELECT bucket FROM viewership.matches WHERE key_id = %s", storm) != [("DECISION",)]
    loaded.rows(
        "UPDATE viewership.keys SET review_digest = (SELECT review_digest FROM viewership.keys"
        " WHERE key_id = %s) WHERE key_id = %s",
        storm,
        key_of(loaded, STORM),
    )
    seen = scope(loaded, "accept", [storm], "HL-0103")
    assert (seen.units, seen.removes) == (3, 0)


def test_a_decision_about_another_state_is_refused(loaded: Database):
    keys = [key_of(loaded, STORM)]
    seen = scope(loaded, "accept", keys, "HL-0101").state
    upload(loaded, [row(STORM, "4", series="Harbour Lights")])
    before = tables(loaded)
    with pytest.raises(ReviewChanged, match=r"has changed since it was shown; .*review show KEY") as error:
        decided(loaded, "accept", keys, "HL-0101", seen=seen)
    assert (error.value.exit_code, error.value.code, error.value.data["sqlstate"]) == (65, "REVIEW_CHANGED", "TC006")
    assert tables(loaded) == before
    seen = scope(loaded, "accept", keys, "HL-0101").state
    decided(loaded, "accept", keys, "HL-0101", seen=seen)
    with pytest.raises(ReviewChanged):
        decided(loaded, "reject", keys, seen=seen)
    reconciled(loaded)


@pytest.mark.committed
def test_errors_have_an_sqlstate_and_a_type(loaded: Database):
    good = [key_of(loaded, STORM)]
    calls: list[tuple[str, type[Exception], Any]] = [
        ("TC001", UsageError, lambda: decided(loaded, "burn", good, "HL-0101")),
        ("TC001", UsageError, lambda: decided(loaded, "accept", good)),
        ("TC001", UsageError, lambda: decided(loaded, "reject", good, "HL-0101")),
        ("TC001", UsageError, lambda: decided(loaded, "reject", good, note=" ")),
        ("TC001", UsageError, lambda: decided(loaded, "accept", good, "HL-0101", by="")),
        ("TC001", UsageError, lambda: decided(loaded, "accept", good, "HL-0101", note="x" * 1001)),
        ("TC002", UsageError, lambda: decided(loaded, "accept", [*good, 999], "HL-0101")),
        ("TC002", UsageError, lambda: decided(loaded, "accept", [], "HL-0101")),
        ("TC004", UsageError, lambda: undone(loaded, 999)),
    ]
    before = tables(loaded)
    for state, kind, call in calls:
        with pytest.raises(kind) as error:
            call()
        assert getattr(error.value, "data")["sqlstate"] == state, error.value  # noqa: B009
        assert "CONTEXT" not in str(error.value)
    with pytest.raises(UsageError, match="inactive; expected an active one"), transaction(loaded.settings()) as session:
        decide(session, "accept", good, 12345, by="ann")
    loaded.rows("UPDATE catalog.series SET status = 'inactive' WHERE code = 'HL'")
    with pytest.raises(UsageError, match="inactive"):
        decided(loaded, "accept", good, "HL-0101")
    assert tables(loaded)["matches"] == before["matches"]
    with transaction(loaded.settings()) as session:
        session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(ConfigurationError, match="read committed"):
            decide(session, "reject", good, None, by="ann", note="no")
    assert set(SQLSTATES) == {f"TC00{number}" for number in range(1, 9)}


def test_a_key_without_title_series_and_id_can_be_accepted_but_not_aliased(database: Database):
    catalogue(database)
    upload(database, [row(None, "4", season="1", episode="1")])
    keys = [row[0] for row in database.rows("SELECT key_id FROM viewership.keys")]
    with pytest.raises(UsageError, match="expected accept"):
        decided(database, "alias", keys, "HL-0101")
    assert decided(database, "accept", keys, "HL-0101").loaded == 1
    reconciled(database)


def test_an_alias_of_very_long_text_matches_its_key(database: Database):
    catalogue(database)
    title = "Storm " * 600
    upload(database, [row(title, "4", series="Harbour Lights")])
    decided(database, "alias", [key_of(database, title)], "HL-0101")
    later = upload(
        database, [row(title.upper(), "4", series="Harbour Lights"), row("Other " + title, series="Harbour Lights")]
    )
    assert [fate(database, later, line)[0] for line in (2, 3)] == ["final", "review"]
    reconciled(database)


def test_the_version_of_the_catalogue_keeps_the_version_of_its_keys(loaded: Database):
    loaded.rows("UPDATE catalog.versions SET key_version = 1")
    loaded.rows("UPDATE viewership.keys SET key_version = 9")
    decided(loaded, "alias", [key_of(loaded, STORM)], "HL-0101")
    assert loaded.rows("SELECT DISTINCT key_version FROM catalog.versions") == [(1,)]
    kinds = loaded.rows("SELECT version, action, title_keys, series_keys FROM catalog.changes WHERE kind = 'alias'")
    assert kinds == [(2, "added", ["storm someone else wrote"], ["harbourlights"])] or kinds[0][:2] == (2, "added")


def test_reject_stays_rejected_for_rows_written_the_same_way(loaded: Database):
    decided(loaded, "reject", [key_of(loaded, STORM)])
    assert fate(loaded, upload(loaded, [row(STORM, "4", series="Harbour Lights")])) == ("unmatched", "REJECTED")
    reconciled(loaded)


# --- Rights ---------------------------------------------------------------------------------------------------------

PLANTED = """
    CREATE FUNCTION {0}.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE FUNCTION {0}.btrim(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE FUNCTION {0}.length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE FUNCTION {0}.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE FUNCTION {0}.hashtextextended(text, bigint) RETURNS bigint LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE FUNCTION {0}.planted(bigint, bigint) RETURNS boolean LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
"""


def as_role(database: Database) -> psycopg.Connection[Any]:
    return database.connect(user="console")


@pytest.fixture
def console(loaded: Database) -> Iterator[Database]:
    """A role with EXECUTE on the functions and SELECT on two views, and nothing else."""
    loaded.rows("CREATE ROLE console LOGIN")
    try:
        for statement in (
            "GRANT USAGE ON SCHEMA viewership TO console",
            "GRANT SELECT ON viewership.review_queue, viewership.row_fates TO console",
            "GRANT EXECUTE ON FUNCTION viewership.preview(text, bigint[], bigint) TO console",
            "GRANT EXECUTE ON FUNCTION viewership.decide(text, bigint[], bigint, text, text, text) TO console",
            "GRANT EXECUTE ON FUNCTION viewership.undo(bigint, text) TO console",
        ):
            loaded.rows(statement)
        yield loaded
    finally:
        loaded.rows("DROP OWNED BY console CASCADE")
        loaded.rows("DROP ROLE console")


@pytest.mark.committed
def test_a_role_without_rights_on_tables_decides(console: Database):
    before = tables(console)
    wanted = episode(console, "HL-0101")
    with as_role(console) as connection:
        for table in ("viewership.matches", "viewership.episode_details", "catalog.aliases", "catalog.episodes"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {table}")
        for call in ("sync('key', '{1}', 'a', 'b')", "lock_final('{tubi}')", "settle_aliases('{1}', 1, 'a', 'b')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT viewership.{call}")
        keys = connection.execute("SELECT keys FROM viewership.review_queue ORDER BY rows DESC").fetchall()[0][0]
        state = connection.execute("SELECT state FROM viewership.preview('alias', %s, %s)", (keys, wanted)).fetchone()
        assert state is not None
        made = connection.execute(
            "SELECT * FROM viewership.decide('alias', %s, %s, 'ann', NULL, %s)", (keys, wanted, state[0])
        ).fetchone()
        assert made is not None
        assert made[1:] == (2, 0)
        with pytest.raises(psycopg.DatabaseError) as error:
            connection.execute("SELECT viewership.decide('reject', %s, NULL, 'bob', 'no', %s)", (keys, state[0]))
        assert error.value.sqlstate == "TC006"
        reconciled(console)
        connection.execute("SELECT * FROM viewership.undo(%s, 'ann')", (made[0],))
    assert tables(console) == before
    who = "SELECT decided_by, decided_role, undone_by, undone_role FROM viewership.decisions"
    assert console.rows(who) == [("ann", "console", "ann", "console")]


@pytest.mark.committed
@pytest.mark.parametrize("place", ["public", "pg_temp"])
def test_planted_functions_and_operators_change_nothing(console: Database, place: str):
    console.rows("GRANT CREATE ON SCHEMA public TO console")
    before = tables(console)
    wanted = episode(console, "HL-0101")
    keys = [key_of(console, STORM)]
    with as_role(console) as connection:
        connection.execute("CREATE TEMPORARY TABLE matches (key_id bigint)")
        connection.execute("CREATE TEMPORARY TABLE keys (key_id bigint)")
        connection.execute(PLANTED.format(place))
        connection.execute(
            f"CREATE OPERATOR {place}.= (FUNCTION = {place}.planted, LEFTARG = bigint, RIGHTARG = bigint)"
        )
        connection.execute(f"SET search_path = {place}, pg_temp, public, pg_catalog")
        if place == "public":
            with pytest.raises(psycopg.errors.RaiseException, match="planted"):
                connection.execute("SELECT now()")
        # PostgreSQL finds no function in pg_temp, but tables.
        assert connection.execute("SELECT count(key_id) FROM matches").fetchone() == (0,)
        made = connection.execute(
            "SELECT * FROM viewership.decide('alias', %s, %s, 'ann', 'why')", (keys, wanted)
        ).fetchone()
        assert made is not None
        assert made[1:] == (2, 0)
        reconciled(console)
        connection.execute("SELECT * FROM viewership.undo(%s, 'ann')", (made[0],))
    assert tables(console) == before
    reconciled(console)


# --- Concurrency ----------------------------------------------------------------------------------------------------


def waits(database: Database) -> bool:
    return bool(
        database.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s", database.name)
    )


@pytest.mark.committed
def test_two_reviewers_of_one_key_decide_one_after_the_other(loaded: Database):
    keys = [key_of(loaded, STORM)]
    seen = scope(loaded, "accept", keys, "HL-0101").state
    results: list[Any] = []

    def second() -> None:
        try:
            results.append(decided(loaded, "accept", keys, "HL-0102", by="bob", seen=seen))
        except ReviewChanged as error:
            results.append(error)

    with transaction(loaded.settings()) as session:
        decide(session, "accept", keys, episode(loaded, "HL-0101"), by="ann", seen=seen)
        thread = threading.Thread(target=second)
        thread.start()
        until(lambda: waits(loaded))
        assert results == []
    thread.join(30)
    assert [type(each) for each in results] == [ReviewChanged]
    assert loaded.rows("SELECT decided_by FROM viewership.decisions") == [("ann",)]
    reconciled(loaded)


LOCKS = {
    "final rows": "SELECT viewership.lock_final('{tubi}')",
    "the catalogue": "SELECT pg_advisory_xact_lock(hashtextextended('telecine catalog', 0))",
    "a match": "SELECT FROM viewership.matches FOR UPDATE",
    "a table": "LOCK viewership.decisions IN SHARE MODE",
}
DECIDE = "viewership.decide(text, bigint[], bigint, text, text, text)"
UNDO = "viewership.undo(bigint, text)"


@pytest.mark.committed
@pytest.mark.parametrize("name", LOCKS)
def test_a_console_waits_for_a_lock_only_for_a_limited_time(console: Database, name: str):
    limits = "SELECT DISTINCT proconfig FROM pg_proc WHERE oid IN (%s::regprocedure, %s::regprocedure)"
    assert console.rows(limits, DECIDE, UNDO) == [(["search_path=pg_catalog, pg_temp", "lock_timeout=10s"],)]
    keys, wanted = [key_of(console, STORM)], episode(console, "HL-0101")
    made = decided(console, "alias", keys, "HL-0101").decision
    before = tables(console)
    for function in (DECIDE, UNDO):
        console.rows(f"ALTER FUNCTION {function} SET lock_timeout = '200ms'")
    calls = {
        "decide": ("SELECT viewership.decide('alias', %s, %s, 'ann', 'why')", (keys, wanted)),
        "undo": ("SELECT viewership.undo(%s, 'ann')", (made,)),
    }
    with transaction(console.settings()) as session:
        session.rows(LOCKS[name]) if "SELECT" in LOCKS[name] else session.run(LOCKS[name])
        for statement, values in calls.values():
            with as_role(console) as connection:
                connection.execute("SET lock_timeout = 0")
                with pytest.raises(psycopg.DatabaseError, match=r"such as a load.*more than 200ms.*try again") as error:
                    connection.execute(statement, values)
                assert error.value.sqlstate == "TC008"
                assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
        for call in (lambda: decided(console, "alias", keys, "HL-0102"), lambda: undone(console, made)):
            with pytest.raises(TransientError, match=r"try again when it has ended$") as typed:
                call()
            assert typed.value.exit_code == 75
    assert tables(console) == before
    assert undone(console, made).removed == 2


@pytest.mark.committed
def test_many_reviewers_at_once_lose_no_row(loaded: Database):
    storm, other = key_of(loaded, STORM), key_of(loaded, "Something Else Entirely")
    refs = ["HL-0101", "HL-0102", "OF-0101"]
    failures: list[BaseException] = []

    def reviewer(number: int) -> None:
        try:
            for turn in range(6):
                keys = [storm, other] if (number + turn) % 3 else [storm]
                action = ("accept", "alias", "reject")[(number + turn) % 3]
                ref = None if action == "reject" else refs[(number * turn) % 3]
                done = decided(loaded, action, keys, ref, by=f"r{number}")
                if turn % 2:
                    undone(loaded, done.decision, by=f"r{number}")
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=reviewer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [str(error) for error in failures if "faster" not in str(error) and "deadlock" not in str(error)] == []
    assert not [str(error) for error in failures if "deadlock" in str(error)]
    reconciled(loaded)
    live = loaded.rows("SELECT count(*) FROM catalog.aliases WHERE undone_at IS NULL GROUP BY key_id")
    assert all(count == 1 for (count,) in live)


@pytest.mark.committed
@pytest.mark.parametrize("first", ["load", "decide"])
def test_a_decision_during_a_load_loses_no_row(loaded: Database, first: str):
    keys = [key_of(loaded, STORM)]
    wanted = episode(loaded, "HL-0101")
    with transaction(loaded.settings()) as session:
        later = store(
            session, [row(STORM, "4", series="Harbour Lights"), row("The Long Storm", series="Harbour Lights")]
        )
    errors: list[BaseException] = []

    def load(session: Any) -> None:
        session.rows("SELECT viewership.lock_final(ARRAY['tubi'])")
        match(session, later)
        update(session, later, status="loaded", loaded_at=datetime.now(UTC))
        sync(session, "upload", [later], actor="tester", reason="load")

    def run(call: Any) -> None:
        try:
            with transaction(loaded.settings()) as session:
                call(session)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    def choose(session: Any) -> None:
        decide(session, "alias", keys, wanted, by="ann")

    calls = [load, choose] if first == "load" else [choose, load]
    with transaction(loaded.settings()) as session:
        calls[0](session)
        thread = threading.Thread(target=run, args=(calls[1],))
        thread.start()
        until(lambda: waits(loaded))
    thread.join(30)
    assert errors == []
    assert fate(loaded, later) == fate(loaded, later, 3) == ("final", None)
    assert loaded.rows(
        "SELECT count(*) FROM viewership.episode_details WHERE episode_id = %s AND bucket = 'DECISION'", wanted
    ) == [(3,)]
    reconciled(loaded)


def test_decisions_keep_what_they_replaced_as_history(loaded: Database):
    key = key_of(loaded, STORM)
    done = decided(loaded, "accept", [key], "HL-0101")
    undone(loaded, done.decision)
    history = loaded.rows(
        "SELECT status, bucket, decision_id FROM viewership.match_history WHERE key_id = %s ORDER BY id", key
    )
    assert [each[0] for each in history] == ["review", "matched"]
    assert history[1][1:] == ("DECISION", done.decision)
    assert json.loads(json.dumps(loaded.rows("SELECT count(*) FROM viewership.replaced_details"))) == [[2]]
