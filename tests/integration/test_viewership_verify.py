"""Verify: silent on sound rows; names every kind of damage; tells damage from a changed catalogue; writes nothing."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import run as telecine
from jobs.viewership.audit import matches
from jobs.viewership.errors import AUDIT, STALE
from jobs.viewership.phases.retract import retract
from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.steps import verify as step
from shared.database.session import transaction
from shared.errors import UsageError
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_store import CATALOGUE, Store, catalogued, copied, report, store, undone  # noqa: F401
from workflows.viewership import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.report import Report
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# Rows of a second upload, for other days: no finding about the first may name it.
LATER = (
    "2025-08-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,5,1.25",
    "2025-08-02,Acme,Harbour TV,US,Harbour Lights,1,3,Homecoming at Midnight,,6,",
)


@pytest.fixture(scope="module")
def loaded(catalogued: Store, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two loaded uploads, which tests copy."""
    with copied(catalogued, postgres, tmp_path_factory.mktemp("loaded")) as made:
        assert (made.stored(), made.stored(LATER, "later.csv")) == (1, 2)
        yield made


@pytest.fixture
def two(request: pytest.FixtureRequest, loaded: Store, tmp_path: Path) -> Iterator[Store]:
    with undone(loaded, tmp_path, request) as made:
        yield made


def verified(store: Store, **values: Any) -> Report:
    settings = VerifySettings(database_url=store.database.url, bucket=store.bucket, **values)
    return step.run(settings, MemoryStageRun(run_id="run-1", stage="verify"))


def found(report: Report) -> list[tuple[str, str]]:
    return [(failure.code, failure.item) for failure in report.failures]


def damage(store: Store, *statements: str) -> None:
    """Change stored rows behind telecine's back, as the owner of the tables can."""
    with store.database.connect() as connection:
        connection.execute("ALTER TABLE viewership.platform_viewership DISABLE TRIGGER insert_only")
        for statement in statements:
            changed = connection.execute(statement.encode()).rowcount
            assert changed, f"the statement changed nothing: {statement}"
        connection.execute("ALTER TABLE viewership.platform_viewership ENABLE TRIGGER insert_only")


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, with its version: equal only if nothing was touched."""
    tables = database.rows(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
    )
    return {
        table: database.rows(f"SELECT ctid::text, xmin::text, row::text FROM {table} AS row ORDER BY 1")
        for (table,) in tables
    }


def test_sound_rows_have_no_finding_and_nothing_is_written(two):
    before = dump(two.database)
    for values in ({}, {"files": True}, {"reread": True}, {"upload": (1,)}, {"platform": "canonical"}):
        report = verified(two, **values)
        assert found(report) == []
        assert (report.exit_code, report.status) == (0, "success")
    assert report.counts["uploads"] == 2
    assert dump(two.database) == before
    checks = {row[0]: row[1] for row in report.sections[0].rows}
    # 7 + 2 rows, 1 set aside; 2 + 2 details of each, and one more of the row with revenue.
    assert (checks["units"], checks["rows"], checks["final rows"]) == (10, 9, 6)
    assert report.sections[1].rows[0][3:] == ["8", "8", "27.8750000001", "27.8750000001", "0", "0", "1", "1"]


def row(line: int, upload: int = 1) -> str:
    return f"upload_id = {upload} AND line = {line}"


# Name -> statements, findings. A line of ROWS is its place + 2; row ids are 1 to 7 in the first upload.
DAMAGE: dict[str, tuple[tuple[str, ...], list[tuple[str, str]]]] = {
    "hours of a row that is not final": (
        (f"UPDATE viewership.platform_viewership SET tot_hov = 2.5 WHERE {row(5)}",),
        [("SUMS", "upload 1"), ("VALUES", "upload 1")],
    ),
    "hours of a final row in both tables": (
        (
            f"UPDATE viewership.platform_viewership SET tot_hov = tot_hov + 1 WHERE {row(2)}",
            "UPDATE viewership.episode_details SET hours = hours + 1 WHERE viewership_id = 1",
        ),
        [("SUMS", "upload 1"), ("VALUES", "upload 1")],
    ),
    "hours that moved between two rows": (
        (
            f"UPDATE viewership.platform_viewership SET tot_hov = tot_hov + 1 WHERE {row(5)}",
            f"UPDATE viewership.platform_viewership SET tot_hov = tot_hov - 1 WHERE {row(6)}",
        ),
        [("VALUES", "upload 1")],
    ),
    "views, which no sum has": (
        (f"UPDATE viewership.platform_viewership SET views = 7 WHERE {row(5)}",),
        [("VALUES", "upload 1")],
    ),
    "a row that is gone": (
        (f"DELETE FROM viewership.platform_viewership WHERE {row(5)}",),
        [("SUMS", "upload 1"), ("UNITS", "upload 1"), ("VALUES", "upload 1")],
    ),
    "a row set aside that is gone": (
        (f"DELETE FROM viewership.set_aside_rows WHERE {row(9)}",),
        [("SUMS", "upload 1"), ("UNITS", "upload 1")],
    ),
    "unreadable values of a row set aside": (
        (f"UPDATE viewership.set_aside_rows SET unparsable = 2 WHERE {row(9)}",),
        [("SUMS", "upload 1")],
    ),
    "sums of the file": (("UPDATE viewership.uploads SET revenue = 0.01 WHERE upload_id = 1",), [("SUMS", "upload 1")]),
    "a unit stored and set aside": (
        (
            (
                "INSERT INTO viewership.set_aside_rows (upload_id, line, fate, code, message)"
                " VALUES (1, 5, 'rejected', 'NUMBER', '')"
            ),
        ),
        [("SUMS", "upload 1"), ("UNITS", "upload 1"), ("UNIT_TWICE", "upload 1, line 5")],
    ),
    "a row outside the days of its upload": (
        ("UPDATE viewership.uploads SET last_date = '2025-07-02' WHERE upload_id = 1",),
        [("DAYS", f"upload 1, line {line}, row {line - 1}") for line in (6, 7, 8)],
    ),
    "a week": (
        (f"UPDATE viewership.platform_viewership SET week = '2025-06-29' WHERE {row(5)}",),
        [("DAYS", "upload 1, line 5, row 4")],
    ),
    "the month of a row": (
        (f"UPDATE viewership.platform_viewership SET year_month_day = '20250601' WHERE {row(5)}",),
        [("DAYS", "upload 1, line 5, row 4")],
    ),
    "a load that is forgotten, with its final rows": (
        (
            "UPDATE viewership.uploads SET loaded_at = NULL WHERE upload_id = 1",
            "DELETE FROM viewership.episode_details WHERE upload_id = 1",
        ),
        [("STATE", "upload 1")],
    ),
    "a replacement by nothing": (
        (
            "UPDATE viewership.uploads SET status = 'replaced' WHERE upload_id = 1",
            "DELETE FROM viewership.episode_details WHERE upload_id = 1",
        ),
        [("STATE", "upload 1")],
    ),
    "a replacement by an upload that replaces nothing": (
        ("UPDATE viewership.uploads SET replaced_by = 2 WHERE upload_id = 1",),
        [("STATE", "upload 1")],
    ),
    "the title of a row": (
        (f"UPDATE viewership.platform_viewership SET platform_content_name = 'Other' WHERE {row(5)}",),
        [("VALUES", "upload 1"), ("KEY_OF_ROW", "upload 1, line 5, row 4")],
    ),
    "a row without its key": (
        (f"UPDATE viewership.platform_viewership SET key_id = NULL WHERE {row(5)}",),
        [("KEY_OF_ROW", "upload 1, line 5, row 4")],
    ),
    "the date of a row": (
        (f"UPDATE viewership.platform_viewership SET date = '2025-07-03', day = 3 WHERE {row(5)}",),
        [("VALUES", "upload 1"), ("SCOPE_OF_ROW", "upload 1, line 5, row 4")],
    ),
    "a title key": (
        ("UPDATE viewership.keys SET title_key = 'x' WHERE content_name = 'Unknown'",),
        [("KEY", "key {Unknown}")],
    ),
    "a review key": (
        ("UPDATE viewership.keys SET review_key[2] = 'x' WHERE content_name = 'Unknown'",),
        [("KEY", "key {Unknown}")],
    ),
    "a review digest": (
        ("UPDATE viewership.keys SET review_digest = decode(repeat('00', 16), 'hex') WHERE content_name = 'Unknown'",),
        [("KEY", "key {Unknown}")],
    ),
    "the digest of a key, even one of older rules": (
        (
            (
                "UPDATE viewership.keys SET digest = decode(repeat('00', 16), 'hex'), key_version = 0"
                " WHERE content_name = 'Unknown'"
            ),
        ),
        [("KEY", "key {Unknown}")],
    ),
    "keys of older rules": (
        ("UPDATE viewership.keys SET key_version = 0, title_key = 'x' WHERE content_name = 'Unknown'",),
        [("KEY_STALE", "key {Unknown}")],
    ),
    "the digest of a scope": (
        ("UPDATE viewership.scopes SET digest = decode(repeat('00', 16), 'hex') WHERE platform_territory = 'MX'",),
        [("SCOPE", "scope {MX}")],
    ),
    "the code of a scope": (
        ("UPDATE viewership.scopes SET code = 'NO_TERRITORY' WHERE platform_territory = 'MX'",),
        [("SCOPE", "scope {MX}")],
    ),
    "a scope of loaded rows that was never resolved": (
        (
            (
                "UPDATE viewership.scopes SET catalogue_version = NULL, code = 'NO_TERRITORY'"
                " WHERE platform_territory = 'MX'"
            ),
        ),
        [("SCOPE_STALE", "scope {MX}")],
    ),
    "the parent of a deal, in a scope and its final rows": (
        (
            "UPDATE viewership.scopes SET deal_parent = '9' WHERE platform_territory = 'CA'",
            "UPDATE viewership.episode_details SET deal_parent = '9' WHERE platform_territory = 'CA'",
        ),
        [("SCOPE", "scope {CA}")],
    ),
    "a match of another episode": (
        (
            (
                "UPDATE viewership.matches SET episode_id = (SELECT id FROM catalog.episodes WHERE ref_id = 'HL-0102')"
                " FROM viewership.keys k WHERE k.key_id = matches.key_id AND k.content_name LIKE 'Homecomming%'"
            ),
            (
                "SELECT viewership.sync('key', ARRAY[k.key_id], 'x', 'x') FROM viewership.keys k"
                " WHERE k.content_name LIKE 'Homecomming%'"
            ),
        ),
        [("MATCH", "key {Homecomming at Midnight}")],
    ),
    "the confidence of a match, in the fourth digit": (
        (
            (
                "UPDATE viewership.matches SET confidence = confidence - 0.0001"
                " FROM viewership.keys k WHERE k.key_id = matches.key_id AND k.content_name LIKE 'Homecomming%'"
            ),
            (
                "UPDATE viewership.episode_details SET confidence = confidence - 0.0001"
                " WHERE platform_content_name LIKE 'Homecomming%'"
            ),
        ),
        [("MATCH", "key {Homecomming at Midnight}")],
    ),
    "the reasons of a match": (
        (
            (
                'UPDATE viewership.matches SET reasons = \'[{"code": "TIE"}]\''
                " FROM viewership.keys k WHERE k.key_id = matches.key_id AND k.content_name = 'Unknown'"
            ),
        ),
        [("MATCH", "key {Unknown}")],
    ),
    "a match of rules that are gone": (
        (
            (
                "UPDATE viewership.matches SET rule_version = 'standard-0', margin = 3"
                " FROM viewership.keys k WHERE k.key_id = matches.key_id AND k.content_name = 'Unknown'"
            ),
        ),
        [("MATCH_STALE", "key {Unknown}")],
    ),
    # No foreign key refuses it.
    "a match with an episode that does not exist": (
        ("UPDATE viewership.matches SET episode_id = 999999 WHERE key_id = 1",),
        [
            ("MATCH", "key 1"),
            ("DETAIL_EXTRA", "upload 1, line 2, row 1, Viewership"),
            ("DETAIL_EXTRA", "upload 2, line 2, row 8, Revenue"),
            ("DETAIL_EXTRA", "upload 2, line 2, row 8, Viewership"),
        ],
    ),
    "a match that is gone": (
        (
            (
                "DELETE FROM viewership.matches USING viewership.keys k WHERE k.key_id = matches.key_id"
                " AND k.content_name = 'Unknown'"
            ),
        ),
        [("MATCH_MISSING", "upload 1, line 5, key {Unknown}")],
    ),
    "a final row that is gone": (
        ("DELETE FROM viewership.episode_details WHERE viewership_id = 2",),
        [("DETAIL_MISSING", "upload 1, line 3, row 2, Viewership")],
    ),
    "hours of a final row": (
        ("UPDATE viewership.episode_details SET hours = 99 WHERE viewership_id = 2",),
        [("DETAIL", "upload 1, line 3, row 2, Viewership")],
    ),
    "the title of a final row": (
        ("UPDATE viewership.episode_details SET asset_title = 'x' WHERE viewership_id = 2",),
        [("DETAIL", "upload 1, line 3, row 2, Viewership")],
    ),
    "a final row of a row that is held": (
        (
            (
                "INSERT INTO viewership.episode_details SELECT (jsonb_populate_record(d, '{\"viewership_id\": 6}')).*"
                " FROM viewership.episode_details d WHERE viewership_id = 2"
            ),
        ),
        [("DETAIL_EXTRA", "upload 1, line 7, row 6, Viewership")],
    ),
    "a final row twice, without its primary key": (
        (
            "DO 'BEGIN ALTER TABLE viewership.episode_details DROP CONSTRAINT episode_details_pkey; END'",
            "INSERT INTO viewership.episode_details SELECT * FROM viewership.episode_details WHERE viewership_id = 2",
        ),
        [("DETAIL_EXTRA", "upload 1, line 3, row 2, Viewership"), ("DETAIL_TWICE", "upload 1, row 2")],
    ),
    "two uploads of the same bytes, without their index": (
        (
            "DO 'BEGIN DROP INDEX viewership.uploads_bytes; END'",
            (
                "UPDATE viewership.uploads SET sha256 = (SELECT sha256 FROM viewership.uploads WHERE upload_id = 1),"
                " object_key = (SELECT object_key FROM viewership.uploads WHERE upload_id = 1),"
                " size_bytes = (SELECT size_bytes FROM viewership.uploads WHERE upload_id = 1) WHERE upload_id = 2"
            ),
        ),
        [("UPLOAD_TWICE", "upload 1")],
    ),
    "a final row of an upload that was retracted": (
        ("UPDATE viewership.uploads SET status = 'retracted', retracted_by = 'x' WHERE upload_id = 2",),
        [
            ("DETAIL_REPLACED", "upload 2, line 2, row 8, Revenue"),
            ("DETAIL_REPLACED", "upload 2, line 2, row 8, Viewership"),
            ("DETAIL_REPLACED", "upload 2, line 3, row 9, Viewership"),
        ],
    ),
}


def named(store: Store, places: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Fill in the numbers of keys and scopes."""
    keys = store.database.rows("SELECT content_name, key_id FROM viewership.keys")
    scopes = store.database.rows("SELECT platform_territory, scope_id FROM viewership.scopes ORDER BY 2 DESC")
    numbers = {str(name): number for name, number in (*keys, *scopes)}
    return [(code, place.format(**numbers)) for code, place in places]


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_with_its_place_and_nothing_else_is(two, name):
    statements, places = DAMAGE[name]
    expected = named(two, places)
    damage(two, *statements)
    report = verified(two)
    assert found(report) == expected
    stale = all(code in STALE for code, _ in expected)
    assert report.exit_code == (0 if stale else 65)
    assert report.status == ("partial" if stale else "failed")
    assert report.counts["stale" if stale else "wrong"] == len(expected)
    assert ("run: telecine viewership reprocess" in report.headline) == stale


# Damage whose advice is a command that repairs it.
REPAIRED = {
    "a match of another episode": "MATCH",
    "the reasons of a match": "MATCH",
    "a match that is gone": "MATCH_MISSING",
    "a match of rules that are gone": "MATCH_STALE",
    "keys of older rules": "KEY_STALE",
    "the code of a scope": "SCOPE",
    "the parent of a deal, in a scope and its final rows": "SCOPE",
    "a final row that is gone": "DETAIL_MISSING",
    "hours of a final row": "DETAIL",
    "the title of a final row": "DETAIL",
    "a final row of a row that is held": "DETAIL_EXTRA",
    "a final row of an upload that was retracted": "DETAIL_REPLACED",
}


@pytest.mark.parametrize("name", REPAIRED)
def test_what_the_report_says_to_run_repairs_the_damage(two, name):
    statements, _ = DAMAGE[name]
    damage(two, *statements)
    failure = verified(two).failures[0]
    assert failure.code == REPAIRED[name]
    repair(two, failure.message)
    assert found(verified(two)) == []


def repair(store: Store, message: str) -> None:
    """Run the command at the end of a finding."""
    words = shlex.split(message.rpartition("; run: telecine ")[2])
    assert telecine([*words, "--database-url", store.database.url]) == 0


def test_a_final_row_of_a_decided_key_is_repaired(two):
    episode = two.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = two.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Unknown'")
    two.database.rows("SELECT viewership.decide('accept', ARRAY[%s]::bigint[], %s, 'ann', '')", key, episode)
    damage(two, f"DELETE FROM viewership.episode_details WHERE key_id = {key}")
    report = verified(two)
    assert found(report) == [("DETAIL_MISSING", "upload 1, line 5, row 4, Viewership")]
    repair(two, report.failures[0].message)
    assert found(verified(two)) == []


def test_every_code_of_damage_is_tried():
    tried = {code for _, places in DAMAGE.values() for code, _ in places}
    elsewhere = {
        *("FILE_MISSING", "FILE_CHANGED", "FILE_READING", "REREAD", "DECISION", "NOT_CHECKED"),
        *("SCOPE_STALE", "DETAIL_STALE"),
    }
    assert tried | elsewhere == set(AUDIT)


def test_only_the_chosen_uploads_are_verified(two):
    damage(two, "UPDATE viewership.episode_details SET hours = 99 WHERE viewership_id = 2")
    assert found(verified(two, upload=(2,))) == []
    assert found(verified(two, upload=(1,))) == [("DETAIL", "upload 1, line 3, row 2, Viewership")]
    with pytest.raises(UsageError, match="upload 9 does not exist"):
        verified(two, upload=(9,))
    with pytest.raises(UsageError, match="of platform canonical; expected an upload of roku"):
        verified(two, upload=(1,), platform="roku")
    with pytest.raises(UsageError, match="platform 'canonicle' has no uploads; did you mean 'canonical'"):
        verified(two, platform="canonicle")


def test_a_run_that_does_not_exist_is_refused_and_one_without_uploads_is_not(two):
    with pytest.raises(UsageError, match="run 'nope' does not exist; expected an id listed by `telecine runs list`"):
        verified(two, of_run="nope")
    two.database.rows(
        "INSERT INTO pipeline.runs (run_id, pipeline, status, finished_at)"
        " VALUES ('idle', 'viewership', 'success', now())"
    )
    report = verified(two, of_run="idle")
    assert (report.exit_code, report.headline) == (0, "0 uploads: nothing to compare")


def test_a_changed_catalogue_makes_matches_and_final_rows_stale(two):
    # The episode that nothing resembled, and a better one for the typing error.
    two.catalogue({
        "more.csv": "ref_id,series,season,episode,title\nZZ-9,Gardens of Stone,3,9,The Last Orchard of Umbria\n"
    })  # fmt: skip
    report = verified(two)
    assert found(report) == named(two, [("MATCH_STALE", "key {The Last Orchard of Umbria}")])
    assert (report.exit_code, report.counts["stale"]) == (0, 1)


def test_a_title_that_changed_makes_final_rows_stale(two):
    files = {"e.csv": CATALOGUE["episodes.csv"].replace("A Letter from Lisbon", "A Letter From Lisbon!")}
    two.catalogue(files)
    report = verified(two)
    assert ("DETAIL_STALE", "upload 1, line 3, row 2, Viewership") in found(report)
    assert {code for code, _ in found(report)} <= STALE
    assert report.exit_code == 0
    # Hours have nothing to do with the catalogue.
    damage(two, "UPDATE viewership.episode_details SET hours = 99 WHERE viewership_id = 2")
    report = verified(two)
    assert ("DETAIL", "upload 1, line 3, row 2, Viewership") in found(report)
    assert report.exit_code == 65


def test_a_changed_deal_makes_scopes_stale(two):
    two.catalogue({"deals.csv": "platform,partner,channel,territory,deal_parent\ncanonical,Acme,,MX,7\n"})
    assert found(verified(two)) == named(two, [("SCOPE_STALE", "scope {MX}")])


def test_an_alias_does_not_make_scopes_stale(two):
    episode = two.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = two.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Unknown'")
    two.database.rows("SELECT viewership.decide('alias', ARRAY[%s]::bigint[], %s, 'ann', '')", key, episode)
    damage(two, "UPDATE viewership.scopes SET code = 'NO_TERRITORY' WHERE platform_territory = 'MX'")
    assert found(verified(two)) == named(two, [("SCOPE", "scope {MX}")])


DECISIONS = {
    "a match that lost its decision": (
        "UPDATE viewership.matches SET decision_id = NULL, bucket = 'TITLE_ONLY' WHERE decision_id = 1",
        {"DECISION", "MATCH_STALE"},
    ),
    "a decision on another episode": (
        "UPDATE viewership.decisions SET episode_id = (SELECT max(id) FROM catalog.episodes)",
        {"DECISION"},
    ),
    "a decision that was undone by its row alone": (
        "UPDATE viewership.decisions SET undone_by = 'bob', undone_at = now()",
        {"DECISION"},
    ),
    "a decision without its alias": ("DELETE FROM catalog.aliases WHERE decision_id = 1", {"DECISION"}),
    "a decision about other keys": ("UPDATE viewership.decisions SET keys = '{}'", {"DECISION"}),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_decisions_are_compared_with_their_effects(two, name):
    statement, codes = DECISIONS[name]
    episode = two.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = two.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Unknown'")
    two.database.rows("SELECT viewership.decide('alias', ARRAY[%s]::bigint[], %s, 'ann', '')", key, episode)
    assert found(verified(two)) == []
    damage(two, statement)
    report = verified(two)
    assert {code for code, _ in found(report)} >= {"DECISION"}
    assert {code for code, _ in found(report)} - {"DETAIL"} <= codes
    assert report.exit_code == 65


@pytest.mark.parametrize(
    ("action", "uploads"), [("accept", "NULL"), ("accept", "'{1,2}'"), ("alias", "'{1}'"), ("reject", None)]
)
def test_an_accepted_episode_counts_in_the_uploads_of_its_decision(two, action, uploads):
    episode = two.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = two.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Unknown'")
    chosen = None if action == "reject" else episode
    two.database.rows(f"SELECT viewership.decide('{action}', ARRAY[%s]::bigint[], %s::bigint, 'ann', 'x')", key, chosen)
    assert found(verified(two)) == []
    if uploads is not None:
        damage(two, f"UPDATE viewership.matches SET uploads = {uploads} WHERE decision_id = 1")
        assert found(verified(two)) == [("DECISION", f"decision 1, key {key}")]


def test_a_decision_that_was_undone_leaves_nothing(two):
    episode = two.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = two.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'Unknown'")
    for action in ("accept", "alias"):
        [[decision]] = two.database.rows(
            "SELECT decision FROM viewership.decide(%s, ARRAY[%s]::bigint[], %s, 'ann', '')", action, key, episode
        )
        two.database.rows("SELECT viewership.undo(%s, 'ann')", decision)
        assert found(verified(two)) == []


def raw(store: Store, upload: int) -> Path:
    [[key]] = store.database.rows("SELECT object_key FROM viewership.uploads WHERE upload_id = %s", upload)
    return store.folder / "bucket" / key


def test_a_raw_file_that_is_gone_or_shorter_is_named(two):
    raw(two, 1).unlink()
    raw(two, 2).write_bytes(raw(two, 2).read_bytes()[:-1])
    assert found(verified(two, files=True)) == [("FILE_MISSING", "upload 1"), ("FILE_CHANGED", "upload 2")]
    # Without the flag the bucket is not needed at all.
    assert found(verified(Store(two.database, two.folder / "elsewhere"))) == []


def test_changed_bytes_of_the_same_length_are_found_by_reading(two):
    body = raw(two, 1).read_bytes()
    raw(two, 1).write_bytes(body.replace(b"10.5", b"10.6"))
    assert found(verified(two)) == []
    assert found(verified(two, files=True)) == [("FILE_CHANGED", "upload 1")]


REREAD = {
    "hours": (
        f"UPDATE viewership.platform_viewership SET tot_hov = 2.5 WHERE {row(5)}",
        ("upload 1, line 5, row at position 0", "its hours is 2.5000000000; the file has 2.0000000000"),
    ),
    "a row that is gone": (
        f"DELETE FROM viewership.platform_viewership WHERE {row(5)}",
        ("upload 1, line 5, row at position 0", "it is not stored; the file has it"),
    ),
    "a reject's raw text": (
        f"UPDATE viewership.set_aside_rows SET raw = '12' WHERE {row(9)}",
        ("upload 1, line 9, row set aside at position 0", "its raw is 12; the file has 12h?"),
    ),
    "a long text, which is named whole or not at all": (
        f"UPDATE viewership.set_aside_rows SET raw = repeat('secret', 20) WHERE {row(9)}",
        ("upload 1, line 9, row set aside at position 0", "its raw is a text of 120 characters; the file has 12h?"),
    ),
    "a reject that is another line": (
        f"UPDATE viewership.set_aside_rows SET line = 12 WHERE {row(9)}",
        ("upload 1, line 12, row set aside at position 0", "the file does not have it"),
    ),
}


@pytest.mark.parametrize("name", REREAD)
def test_reading_the_file_again_names_the_line(two, name):
    statement, place = REREAD[name]
    damage(two, statement)
    report = verified(two, reread=True)
    said = [(each.item, each.message.partition("; retract")[0]) for each in report.failures if each.code == "REREAD"]
    assert place in said
    assert len(said) == (2 if "line = 12" in statement else 1)


def test_a_file_that_is_read_in_another_way_is_named(two):
    damage(two, 'UPDATE viewership.uploads SET choices = \'{"format": "roku"}\' WHERE upload_id = 1')
    assert found(verified(two, reread=True)) == [("FILE_READING", "upload 1")]
    damage(two, "UPDATE viewership.uploads SET choices = '{\"format\": \"canonical\"}', format = 'canonical-0'"
           " WHERE upload_id = 1")  # fmt: skip
    report = verified(two, reread=True)
    assert found(report) == [("FILE_READING", "upload 1")]
    assert "now reads as format canonical-1; expected canonical-0" in report.failures[0].message


def test_the_choices_of_an_upload_are_used_again(store):
    # 1.234 is 1234 only with the decimal mark that was chosen.
    line = "2025-07-05,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,1.234,"
    store.stored([line], decimal_mark=",")
    assert store.database.rows("SELECT hours FROM viewership.episode_details") == [(1234,)]
    assert found(verified(store, reread=True)) == []


def test_a_bucket_that_failed_is_not_taken_for_damage(two, monkeypatch):
    from jobs.viewership.matching import cascade

    broken = {**cascade._NEEDS, next(iter(cascade._NEEDS)): "1 / (k.key - k.key) = 1"}
    monkeypatch.setattr(cascade, "_NEEDS", broken)
    assert found(verified(two)) == [("NOT_CHECKED", "matches")]


def test_keys_are_matched_in_parts(two, monkeypatch):
    monkeypatch.setattr(matches, "CHUNK", 2)
    report = verified(two)
    assert found(report) == []
    assert next(row for row in report.sections[0].rows if row[0] == "matches")[1] > 2 * 2


def test_uploads_that_wait_are_sound(store):
    taken = store.take(b"\n".join(line.encode() for line in ("Date,Title,Hours", "2025-07-01,A,1", "")))
    assert taken.outcome == "stored"
    assert found(verified(store, reread=True)) == []
    assert found(verified(store)) == []


def test_the_same_bytes_read_again_are_sound(store):
    line = "2025-07-05,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,1.234,"
    first = store.take(report(line), decimal_mark=".")
    store.load(first.upload_id)
    second = store.take(report(line), decimal_mark=",", on_overlap="replace")
    assert second.upload_id != first.upload_id
    assert found(verified(store, reread=True)) == []
    store.load(second.upload_id)
    assert found(verified(store, reread=True)) == []
    assert store.database.rows("SELECT hours FROM viewership.episode_details") == [(1234,)]


def test_the_figures_of_alerts_are_among_the_counts(two):
    names = [name.replace("-", "_") for name in pipeline._GAUGES]
    counts = verified(two, upload=(2,)).counts
    assert {name: counts[name] for name in names} == {
        "day_final": 5,
        "day_review": 1,
        "day_unmatched": 1,
        "day_held": 2,
        "day_rejected": 1,
        "day_filtered": 0,
        "day_topline": 0,
        "oldest_review_s": counts["oldest_review_s"],
        "needs_choice": 0,
    }
    damage(
        two,
        "UPDATE viewership.uploads SET created_at = now() - interval '3 days' WHERE upload_id = 1",
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
        " VALUES (repeat('0', 64), 'x', 'x.csv', 1, 'needs_choice', 'run-1')",
    )
    counts = verified(two).counts
    assert (counts["day_final"], counts["day_review"], counts["needs_choice"]) == (2, 0, 1)
    assert counts["oldest_review_s"] // 3600 == 72


def test_an_upload_that_was_taken_back_is_sound(two):
    retract(two.database.settings(), 1, by="ann", reason="wrong month", run_id="run-2")
    report = verified(two, reread=True)
    assert found(report) == []


def test_an_empty_database_is_sound(database, tmp_path):
    (tmp_path / "bucket").mkdir()
    report = verified(Store(database, tmp_path))
    assert (found(report), report.headline) == ([], "0 uploads: nothing to compare")


def test_only_the_first_findings_are_named_but_all_are_counted(store):
    rows = [
        f"2025-07-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,{number},"
        for number in range(1, 81)
    ]
    store.stored(rows)
    damage(store, "UPDATE viewership.episode_details SET hours = hours + 1")
    report = verified(store)
    assert len(report.failures) == 50
    assert (report.counts["wrong"], report.failures_truncated, report.rejects) == (80, 30, {"DETAIL": 80})


def test_the_command_names_what_to_do(two, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    damage(two, f"UPDATE viewership.platform_viewership SET tot_hov = 2.5 WHERE {row(5)}")
    given = ["--database-url", two.database.url, "--bucket", two.bucket, "--report-dir", str(tmp_path / "out")]
    assert telecine(["viewership", "verify", *given]) == 65
    document = json.loads((tmp_path / "out/report.json").read_text())
    first = document["failures"][0]
    assert "telecine viewership verify --upload 1 --reread" in first["message"]
    assert "2 wrong" in document["headline"]
    assert "27.8750000001" in (tmp_path / "out/report.html").read_text()


def test_findings_of_text_from_outside_are_one_line(two):
    with transaction(two.database.settings()) as session:
        session.run("ALTER TABLE viewership.platform_viewership DISABLE TRIGGER insert_only")
        session.run(
            "UPDATE viewership.episode_details SET platform_content_name = :text WHERE viewership_id = 2",
            text="\x1b[31m{place}\n{x}%s",
        )
        session.run("ALTER TABLE viewership.platform_viewership ENABLE TRIGGER insert_only")
    [failure] = verified(two).failures
    assert "\x1b" not in failure.message
    assert "{place}" in failure.message
