"""Casts: one traceable row each, in verify and in the history; and the migration of runs without any."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobs.screenalytics.model import ScreenalyticsRun
from jobs.screenalytics.settings import VerifySettings
from jobs.screenalytics.steps import verify
from shared.database import check, upgrade
from shared.errors import ConfigurationError
from tests.fakes.ledger import MemoryStageRun
from tests.integration.test_screenalytics_tables import at_version
from tests.postgres_server import database, empty_database, postgres  # noqa: F401
from tests.screenalytics_database import Place, codes, counted, place  # noqa: F401
from tests.screenalytics_runs import cast_row, make_run, read_files, screentime, screentime_row

if TYPE_CHECKING:
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HASH = "0" * 64


def two_casts(*, first: float = 610.0, second: float = 300.0) -> dict[str, Any]:
    """Return arguments of ``make_run`` for a person under two casts that overlap by 50 s, and one under none."""
    rows = [
        screentime_row(1, cast_id="bbbb", name="Ana Poe", visual_s=first, face_visible_seconds=first, confidence=0.9),
        screentime_row(1, cast_id="aaaa", name="", visual_s=second, face_visible_seconds=second, confidence=0.5),
        screentime_row(2, cast_id=None),
    ]
    timeline = [
        {"name": "Ana Poe", "cast_id": "bbbb", "intervals": [[second - 50, second - 50 + first]]},
        {"name": "Ana Poe", "cast_id": "aaaa", "intervals": [[0, second]]},
    ]
    return {"rows": rows, "document": screentime(rows, run_id=None, timeline=timeline)}


def casts(place: Place, run_id: str, columns: str = "entry, person_id, cast_id, onscreen_ms") -> list[Any]:
    return place.database.rows(
        f"SELECT {columns} FROM screenalytics.cast_metrics WHERE run_id = %s ORDER BY artifact_key, entry", run_id
    )


def findings(place: Place, monkeypatch: pytest.MonkeyPatch, **values: Any) -> list[tuple[str, str]]:
    monkeypatch.setattr(verify, "open_source", lambda settings: place.store)
    settings = VerifySettings(database_url=place.database.url, bucket="s3://memory", grace_min=0, **values)
    return sorted(codes(verify.run(settings, MemoryStageRun(pipeline="screenalytics"))))


def test_a_cast_is_a_row_that_links_to_its_run_and_artifact(place, monkeypatch):
    place.put("r1", **two_casts())
    place.put("r2", kind="cast_screentime.v1", rows=[cast_row(1)])
    assert counted(place.ingest()) == {"ingested": 2, "persons": 3}
    assert casts(place, "r1") == [
        (0, "p_0001", "bbbb", 610_000),
        (1, "p_0001", "aaaa", 300_000),
        (2, "p_0002", None, 404_060),
    ]
    assert place.persons("r1", "person_id, onscreen_ms, cast_ids") == [
        ("p_0001", 860_000, ["aaaa", "bbbb"]),
        ("p_0002", 404_060, []),
    ]
    assert [(entry, cast_id) for entry, _, cast_id, _ in casts(place, "r2")] == [(0, None)]
    assert place.runs("run_id, persons, casts") == [("r1", 2, 3), ("r2", 1, 1)]
    assert place.database.rows(
        "SELECT part.cast_id, run.manifest_key, artifact.schema_version, run.pipeline_run_id"
        " FROM screenalytics.cast_metrics part JOIN screenalytics.artifacts artifact USING (run_id, artifact_key)"
        " JOIN screenalytics.runs run USING (run_id) WHERE run_id = 'r1' AND entry = 1"
    ) == [("aaaa", "derived/runs/r1/manifest.json", "screentime.v1", "ledger-1")]
    assert findings(place, monkeypatch) == findings(place, monkeypatch, quick=True) == []


def test_gold_has_the_casts_of_the_latest_run(place):
    place.put("r1", attempt=1, **two_casts(first=620.0))
    place.put("r2", attempt=2, **two_casts())
    place.ingest()
    shown = place.database.rows(
        "SELECT run_id, person_id, cast_id, onscreen_ms FROM gold.screenalytics_casts ORDER BY entry"
    )
    assert shown == [("r2", *cast[1:]) for cast in casts(place, "r2")]


def test_casts_with_different_names_leave_no_row(place):
    rows = [screentime_row(1, cast_id="a", name="Ana Poe"), screentime_row(1, cast_id="b", name="Bea Quist")]
    place.put("bad", rows=rows)
    place.put("good")
    report = place.ingest()
    assert (report.exit_code, codes(report), place.runs()) == (65, [("bad", "PERSON_CONFLICT")], ["good"])
    assert casts(place, "bad") == []


def test_a_replaced_run_keeps_its_casts_in_the_history(place):
    place.put("r1", **two_casts())
    place.ingest("ledger-1")
    # The sums stay the same: only the casts differ.
    place.put("r1", **two_casts(first=600.0, second=310.0), attempt=4)
    before = place.persons("r1")
    assert counted(place.replay("r1", accept_changed=True)) == {"replaced": 1, "persons": 2}
    assert place.persons("r1") == before
    assert [onscreen for *_, onscreen in casts(place, "r1")] == [600_000, 310_000, 404_060]
    assert place.database.rows(
        "SELECT jsonb_path_query_array(cast_metrics, '$[*].onscreen_ms')::text FROM screenalytics.replaced_runs"
    ) == [("[610000, 300000, 404060]",)]
    place.put("r1", rows=[], attempt=5)
    place.replay("r1", accept_changed=True)
    assert (casts(place, "r1"), place.runs("casts")) == ([], [0])


TOUCH = {
    "a-time": "onscreen_ms = onscreen_ms + 1",
    "a-name": "name = 'Zoe'",
    "a-person": "person_id = 'p_0002'",
    "a-cast": "cast_id = 'cccc'",
    "not-computed": "speaking_ms = NULL",
    "confidence": "confidence = 0.001",
}


def test_casts_that_were_changed_or_lost_are_found(place, monkeypatch):
    for run_id in (*TOUCH, "lost", "sound"):
        place.put(run_id, **two_casts())
    place.put("single")
    place.ingest()
    for run_id, change in TOUCH.items():
        place.database.rows(f"UPDATE screenalytics.cast_metrics SET {change} WHERE run_id = '{run_id}' AND entry = 1")
    place.database.rows("UPDATE screenalytics.cast_metrics SET body_ms = 7 WHERE run_id = 'single' AND entry = 0")
    place.database.rows("DELETE FROM screenalytics.cast_metrics WHERE run_id = 'lost' AND entry = 2")
    expected = sorted([*((run_id, "HASH_MISMATCH") for run_id in (*TOUCH, "single")), ("lost", "CASTS_MISMATCH")])
    for quick in (False, True):
        assert findings(place, monkeypatch, quick=quick) == expected


def test_deleting_a_run_deletes_its_casts(place):
    place.put("r1")
    place.ingest()
    place.database.rows("DELETE FROM screenalytics.runs")
    assert casts(place, "r1") == []


def old_run(database: Database, run_id: str, **values: Any) -> None:
    """Insert a run with one person, as version 0003 has them."""
    row = {"attempt": 1, "hash": HASH, "sha256": HASH, **values}
    database.rows(
        "INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,"
        " schema_version, persons, output_hash, pipeline_run_id, attempt)"
        " VALUES (%s, 'show-s01e01', 's3://memory', %s, %s, 'x', '1.0', 1, %s, 'p', %s)",
        *(run_id, f"derived/runs/{run_id}/manifest.json", row["sha256"], row["hash"], row["attempt"]),
    )
    database.rows(
        "INSERT INTO screenalytics.artifacts (run_id, artifact_key, artifact_kind, s3_key, schema_version, fetched)"
        " VALUES (%s, 'a', 'person_metrics', 'k', 'v', false)",
        run_id,
    )
    database.rows(
        "INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, onscreen_ms, artifact_key,"
        " artifact_schema_version, manifest_key, schema_version, pipeline_run_id)"
        " VALUES (%s, 'p_0001', '{a,b}', 910000, 'a', 'v', 'k', '1.0', 'p')",
        run_id,
    )


def test_a_database_in_use_keeps_its_rows_rights_and_views(empty_database: Database):
    at_version(empty_database, "0003")
    old_run(empty_database, "old")
    empty_database.rows("CREATE ROLE bi")
    empty_database.rows("GRANT SELECT ON gold.screenalytics_persons TO bi")
    empty_database.rows("CREATE VIEW public.minutes AS SELECT ep_id, onscreen_ms FROM gold.screenalytics_persons")
    tables = ("runs", "artifacts", "person_metrics")
    query = "SELECT to_jsonb(t) - 'casts' FROM screenalytics.{} t"
    before = [empty_database.rows(query.format(table)) for table in tables]
    try:
        assert upgrade(empty_database.settings()).found == "0003"
        assert check(empty_database.settings()) == []
        assert [empty_database.rows(query.format(table)) for table in tables] == before
        assert empty_database.rows("SELECT casts FROM screenalytics.latest_runs") == [(None,)]
        assert empty_database.rows("SELECT * FROM public.minutes") == [("show-s01e01", 910_000)]
        assert empty_database.rows("SELECT has_table_privilege('bi', 'gold.screenalytics_persons', 'SELECT')") == [
            (True,)
        ]
    finally:
        empty_database.rows("DROP OWNED BY bi")
        empty_database.rows("DROP ROLE bi")


def test_a_run_from_an_earlier_release_is_intact_but_its_casts_are_unknown(place, monkeypatch):
    place.put("r1", **two_casts())
    place.ingest()
    assert findings(place, monkeypatch) == []
    # As the previous release wrote it: no casts, and a hash over persons only.
    run = read_files(make_run("r1", **two_casts()), run_id="r1")
    assert isinstance(run, ScreenalyticsRun)
    place.database.rows("DELETE FROM screenalytics.cast_metrics")
    assert findings(place, monkeypatch) == [("r1", "CASTS_MISMATCH"), ("r1", "HASH_MISMATCH")]
    place.database.rows(
        "UPDATE screenalytics.runs SET casts = NULL, output_hash = %s", replace(run, casts=()).output_hash
    )
    assert findings(place, monkeypatch) == []
    assert counted(place.ingest()) == {"known": 1}
    assert casts(place, "r1") == []
    # One replay adds its casts, and values under the current rules.
    place.database.rows("UPDATE screenalytics.person_metrics SET speaking_ms = 0")
    assert counted(place.replay("r1")) == {"replaced": 1, "persons": 2}
    assert (len(casts(place, "r1")), findings(place, monkeypatch)) == (3, [])
    assert counted(place.replay("r1")) == {"unchanged": 1}
    place.database.rows("UPDATE screenalytics.runs SET casts = NULL")
    place.put("r1", rows=[screentime_row(2)])
    place.replay("r1", accept_changed=True)
    assert place.database.rows("SELECT cast_metrics FROM screenalytics.replaced_runs") == [(None,)] * 2
    assert len(casts(place, "r1")) == 1


def test_the_producers_own_table_stops_the_upgrade_and_the_advice_works(empty_database: Database):
    at_version(empty_database, "0003")
    old_run(empty_database, "old")
    empty_database.rows("CREATE TABLE screenalytics.cast_metrics (cast_id text)")
    with pytest.raises(ConfigurationError, match=r"contains screenalytics\.cast_metrics") as caught:
        upgrade(empty_database.settings())
    assert caught.value.code == "schema_foreign"
    statement = caught.value.message.rpartition("for example: ")[2]
    assert statement.startswith("ALTER TABLE screenalytics.cast_metrics RENAME")
    assert empty_database.rows("SELECT version_num FROM pipeline.schema_version") == [("0003",)]
    empty_database.rows(statement)
    assert upgrade(empty_database.settings()).found == "0003"
    assert empty_database.rows("SELECT run_id FROM screenalytics.runs") == [("old",)]
