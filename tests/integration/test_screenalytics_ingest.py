"""Ingest writes each run once and whole, against a real database."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from jobs.screenalytics.settings import IngestSettings
from jobs.screenalytics.steps import ingest
from shared.errors import ConfigurationError, UsageError
from shared.step.form import GIVEN_VARIABLE
from tests.emptied_database import database  # noqa: F401
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import EVERYTHING, codes, counted, place  # noqa: F401
from tests.screenalytics_runs import make_run, manifest_of, screentime_row

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def test_a_run_is_in_the_tables_with_all_that_traces_it(place):
    key = place.put("r1", persons=2)
    report = place.ingest("ledger-7")
    assert (report.status, report.exit_code) == ("success", 0)
    assert counted(report) == {"ingested": 1, "persons": 2}
    body = place.store.objects[key][0]
    ((*run, warnings),) = place.runs(
        "ep_id, source, manifest_key, manifest_etag, schema_version, status, attempt, duration_ms, persons, revision,"
        " pipeline_run_id, completed_at::text, warnings"
    )
    etag = place.store.stat(key).etag
    assert run[:4] == ["rhoslc-s06e11", "s3://memory", key, etag]
    assert run[4:] == ["1.0", "ingested", 3, 2_580_000, 2, 1, "ledger-7", run[-1]]
    assert {warned["code"] for warned in warnings} == {"EPISODE_UNLINKED", "PERSONS_UNLINKED"}
    assert place.persons("r1") == [("p_0001", 402_030), ("p_0002", 404_060)]
    trace = "artifact_key, artifact_schema_version, manifest_key, schema_version, pipeline_run_id"
    assert place.persons("r1", trace) == [("screentime", "screentime.v1", key, "1.0", "ledger-7")] * 2
    assert place.database.rows("SELECT artifact_key, fetched, row_count FROM screenalytics.artifacts") == [
        ("screentime", True, 2)
    ]
    assert report.bytes == {"read": sum(len(body) for body in make_run("r1", persons=2).values())}
    assert body


@pytest.mark.parametrize("case", ["case 48"])
def test_the_same_again_touches_no_row(place, case):
    for number in range(3):
        place.put(f"r{number}", persons=4)
    first = place.ingest()
    assert counted(first) == {"ingested": 3, "persons": 12}
    before = place.everything(*EVERYTHING)
    place.calls()
    again = place.ingest("ledger-2")
    assert counted(again) == {"known": 3}
    assert place.calls() == [("list", "derived/runs/")]
    # Even without items: the runs themselves are in the tables.
    assert place.everything(*EVERYTHING) == before
    place.database.rows("DELETE FROM screenalytics.ingest_items")
    third = place.ingest("ledger-3")
    assert counted(third) == {"unchanged": 3}
    assert third.outputs["output_hash"] == first.outputs["output_hash"]
    assert not any("screentime.json" in key for _, key in place.calls())
    rows = ("runs", "artifacts", "person_metrics", "replaced_runs")
    assert place.everything(*rows) == {table: before[table] for table in rows}


def test_the_same_runs_have_the_same_hash_whatever_else_differs(place):
    place.put("r1")
    place.put("r2", kind="cast_screentime.v1")
    first = place.ingest().outputs["output_hash"]
    place.database.rows("TRUNCATE screenalytics.runs, screenalytics.ingest_items CASCADE")
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('rhoslc-s06e11', gen_random_uuid())")
    place.put("r2", kind="cast_screentime.v1", unknown_field=1)
    assert place.ingest("other").outputs["output_hash"] == first
    place.database.rows("TRUNCATE screenalytics.runs, screenalytics.ingest_items CASCADE")
    place.put("r2", kind="cast_screentime.v1", persons=2)
    assert place.ingest("other").outputs["output_hash"] != first


@pytest.mark.parametrize("case", ["case 49"])
def test_changed_content_is_quarantined_and_the_rows_stay(place, case):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", persons=2)
    place.calls()
    report = place.ingest()
    assert codes(report) == [("r1", "MANIFEST_CHANGED")]
    assert "telecine screenalytics replay r1 --accept-changed" in report.failures[0].message
    assert (report.status, report.exit_code, place.item("r1")) == ("failed", 65, ("quarantined", 1, "MANIFEST_CHANGED"))
    assert not any("screentime.json" in key for _, key in place.calls())
    # The old content is back: nothing is left of the quarantine.
    place.put("r1")
    assert counted(place.ingest()) == {"unchanged": 1}
    assert place.item("r1") == ("ingested", 0, None)
    assert place.everything() == before


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"schema_version": "9.9"}'])
def test_a_known_run_whose_manifest_broke_has_changed(place, broken):
    key = place.put("r1")
    place.ingest()
    place.store.set(key, broken)
    assert codes(place.ingest()) == [("r1", "MANIFEST_CHANGED")]


def test_a_known_run_that_failed_later_has_changed_and_one_that_runs_again_waits(place):
    place.put("r1")
    place.ingest()
    place.put("r1", status="failed")
    assert codes(place.ingest()) == [("r1", "MANIFEST_CHANGED")]
    place.put("r1", status="running")
    assert counted(place.ingest()) == {"deferred": 1}
    assert place.runs("status") == ["ingested"]


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("case", ["case 42"])
def test_a_run_id_of_another_episode_is_refused(place, case, accept):
    place.put("r1")
    place.ingest()
    before = place.everything()
    place.put("r1", ep_id="other-s01e01")
    report = place.replay("r1", accept_changed=True) if accept else place.ingest()
    assert codes(report) == [("r1", "RUN_ID_COLLISION")]
    assert {"rhoslc-s06e11", "other-s01e01"} == {report.failures[0].data["expected"], report.failures[0].data["actual"]}
    assert report.exit_code == 65
    assert place.everything() == before
    assert place.item("r1")[0] == "quarantined"


def test_the_same_run_in_another_place_is_the_same_only_with_the_same_content(place):
    place.put("r1")
    place.ingest()
    before = place.everything()
    for key, body in make_run("r1").items():
        place.store.set(f"other/{key}", body)
    moved = {"prefix": "other/derived", "artifact_roots": ("derived/runs/{run_id}/",)}
    assert counted(place.ingest(**moved)) == {"unchanged": 1}
    key, document = manifest_of(make_run("r1", attempt=9))
    place.store.set(f"other/{key}", json.dumps(document).encode())
    assert codes(place.ingest(**moved)) == [("r1", "RUN_ID_COLLISION")]
    assert place.everything() == before


@pytest.mark.parametrize("case", ["case 59 before"])
def test_a_run_that_is_deleted_before_it_is_read(place, case):
    key = place.put("r1")
    place.put("r2")
    place.store.on("stream", lambda asked: place.store.objects.pop(key, None) if asked == key else None)
    report = place.ingest()
    assert codes(report) == [("r1", "SOURCE_DELETED")]
    assert (place.runs(), place.item("r1")[0]) == (["r2"], "source_deleted")
    place.put("r1")
    place.store._hooks.clear()
    assert counted(place.ingest()) == {"ingested": 1, "known": 1, "persons": 3}


@pytest.mark.parametrize("case", ["case 59 during"])
def test_a_run_that_is_deleted_while_it_is_read(place, case):
    place.put("r1")
    place.store.on("stream", lambda asked: place.store.objects.clear() if "screentime" in asked else None)
    report = place.ingest()
    assert codes(report) == [("r1", "SOURCE_DELETED")]
    assert place.runs() == []


@pytest.mark.parametrize("case", ["case 59 after"])
def test_a_run_that_is_deleted_after_it_was_ingested_stays(place, case):
    key = place.put("r1")
    place.ingest()
    persons = place.persons("r1")
    place.store.objects.clear()
    place.tell("r1")
    report = place.ingest(arrival="both")
    assert (report.exit_code, counted(report)) == (0, {"skipped": 1, "events": 1})
    assert (place.runs("status"), place.persons("r1")) == (["source_deleted"], persons)
    assert place.events() == [("r1", True, 0)]
    place.put("r1")
    assert counted(place.ingest()) == {"unchanged": 1}
    assert (place.runs("status"), place.item("r1")[0]) == (["ingested"], "ingested")
    assert key


@pytest.mark.parametrize("case", ["case 60"])
def test_clocks_that_are_wrong_are_kept_and_warned_of_and_the_attempt_decides(place, case):
    place.put("r1", attempt=1, started_at="2099-01-01T00:00:00Z", completed_at="2098-01-01T00:00:00Z")
    place.put("r2", attempt=2)
    report = place.ingest()
    assert report.status == "success"
    ((completed, warnings),) = place.database.rows(
        "SELECT completed_at::text, warnings FROM screenalytics.runs WHERE run_id = 'r1'"
    )
    assert completed.startswith("2098-01-01")
    assert [warned["code"] for warned in warnings].count("CLOCK_SKEW") == 2
    assert place.database.rows("SELECT run_id FROM screenalytics.latest_runs") == [("r2",)]


@pytest.mark.parametrize("case", ["case 62"])
def test_what_the_catalogue_does_not_know_is_ingested_and_counted(place, case):
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('linked-s01e01', gen_random_uuid())")
    place.database.rows("INSERT INTO screenalytics.person_links VALUES ('linked', 'p_0001', gen_random_uuid())")
    place.put("r1", ep_id="linked-s01e01", persons=3)
    place.put("r2", ep_id="linked-s01e01", kind="cast_screentime.v1")
    place.put("r3", ep_id="strange")
    report = place.ingest()
    assert report.counts["warnings"] == 3
    found = dict(place.runs("run_id, warnings"))
    assert {run: [warned["code"] for warned in warned_of] for run, warned_of in found.items()} == {
        "r1": ["PERSONS_UNLINKED"],
        "r2": [],
        "r3": ["EPISODE_UNLINKED", "PERSONS_UNLINKED"],
    }
    assert found["r1"][0]["message"].startswith("2 of 3 persons")
    before = place.everything()
    place.database.rows("INSERT INTO screenalytics.episode_links VALUES ('strange', gen_random_uuid())")
    assert counted(place.ingest()) == {"known": 3}
    assert place.everything() == before
    assert place.database.rows(
        "SELECT episode_id IS NOT NULL FROM screenalytics.latest_runs WHERE ep_id = 'strange'"
    ) == [(True,)]


@pytest.mark.parametrize("case", ["case 64 dry run"])
def test_a_dry_run_says_what_would_be_and_writes_nothing(place, case):
    place.put("known")
    place.put("changed")
    place.ingest()
    place.put("changed", persons=1)
    place.put("new")
    place.put("bad", schema_version="9.9")
    place.put("wrong", artifact={"row_count": 99})
    place.put("failed", status="failed")
    place.put("running", status="running")
    place.tell("new")
    place.tell("x", event_type="poison")
    before = place.everything(*EVERYTHING)
    report = place.ingest(arrival="both", dry_run=True)
    assert (report.status, report.exit_code) == ("failed", 65)
    assert counted(report) == {
        "ingested": 1,
        "failed": 4,
        "skipped": 1,
        "deferred": 1,
        "known": 1,
        "events": 2,
        "persons": 3,
    }
    assert sorted(report.rejects) == ["MANIFEST_CHANGED", "ROW_COUNT_MISMATCH", "UNKNOWN_EVENT", "UNSUPPORTED_VERSION"]
    assert report.headline.startswith("dry run")
    assert place.everything(*EVERYTHING) == before
    real = place.ingest(arrival="both")
    assert (real.counts, real.rejects, real.outputs) == (
        report.counts | {"warnings": real.counts["warnings"]},
        report.rejects,
        report.outputs,
    )


@pytest.mark.parametrize("case", ["case 64 disabled"])
def test_a_stage_that_is_switched_off_is_skipped(place, case):
    place.put("r1")
    place.tell("r1")
    place.calls()
    settings = {"enabled": False, "arrival": "both", "outbox_url": "postgresql://nobody@127.0.0.1:1/none"}
    report = place.ingest(**settings)
    assert (report.status, report.exit_code) == ("skipped", 0)
    assert "--no-enabled" in report.headline
    assert (place.calls(), place.runs()) == ([], [])


def test_a_database_that_is_not_migrated_ends_the_stage(place):
    place.put("r1")
    place.database.rows("DROP TABLE screenalytics.ingest_items")
    with pytest.raises(ConfigurationError):
        place.ingest()


def test_a_parameter_that_nothing_reads_is_refused_in_a_workflow(place, monkeypatch):
    monkeypatch.setenv("TELECINE_FORM_PARAMETERS", "bucket,prefix")
    given = base64.b64encode(json.dumps(["bucket", "prefix", "prefixx"]).encode()).decode()
    monkeypatch.setenv(GIVEN_VARIABLE, given)
    with pytest.raises(UsageError, match="prefixx"):
        place.ingest()


def test_a_thousand_persons(place):
    rows = [screentime_row(number, name=f"Ünï {number} \\N", cast_id=f"c{number}") for number in range(1, 1001)]
    place.put("r1", rows=rows, duration_ms=9_999_999)
    assert counted(place.ingest()) == {"ingested": 1, "persons": 1000}
    assert place.persons("r1", "name, cast_ids")[1] == ("Ünï 2 \\N", ["c2"])


def test_what_the_reader_takes_the_tables_take(place):
    longest = {
        "artifact_key": "ä" * 127,
        "artifact_kind": "k" * 200,
        "s3_key": "s3://elsewhere/x",
        "schema_version": "v",
    }
    numbers = {"size_bytes": 2**63 - 1, "row_count": 2**63 - 1, "content_type": "t" * 200, "checksum_sha256": None}
    rows = [
        screentime_row(1, person_id="\U0001f600" * 63, name="\\.", cast_id='{",\\N'),
        screentime_row(2, person_id="\\N", name="null", cast_id="c" * 200),
        screentime_row(3, person_id='a"b{},', name="\u202e \ufffd", speaking_s=0.0005),
    ]
    edges = {"started_at": "0001-01-01T00:00:00Z", "completed_at": "9999-12-31T23:59:59.999999Z"}
    numbers_of_run = {"attempt": 2**31 - 1, "duration_ms": 2**63 - 1}
    place.put("A" + "." * 127, ep_id="e" * 255, rows=rows, more=[{**longest, **numbers}], **edges, **numbers_of_run)
    assert counted(place.ingest()) == {"ingested": 1, "persons": 3}
    found = place.persons("A" + "." * 127, "person_id, name, cast_ids, speaking_ms")
    assert {(person, name) for person, name, *_ in found} == {(row["person_id"], row["name"]) for row in rows}
    assert {tuple(casts) for _, _, casts, _ in found} == {(row["cast_id"],) for row in rows}
    assert 1 in {speaking for *_, speaking in found}
    assert place.runs("attempt, duration_ms") == [(2**31 - 1, 2**63 - 1)]


def test_a_run_in_a_folder(database, tmp_path: Path):
    for key, body in make_run("r1").items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    settings = IngestSettings(database_url=database.url, bucket=str(tmp_path), grace_min=0)
    report = ingest.run(settings, MemoryStageRun(stage="sync_screenalytics"))
    assert counted(report) == {"ingested": 1, "persons": 3}
    assert database.rows("SELECT source FROM screenalytics.runs") == [(f"file://{tmp_path}",)]


@pytest.mark.parametrize(
    ("ep_id", "similar"),
    [
        ("Case-S01E01", True),
        ("case-s1e1", True),
        ("CASE-s001e01", True),
        ("case-s01e02", False),
        ("case-s01e10", False),
        ("case-s10e01", False),
        ("cases01e01", False),
    ],
)
def test_episodes_that_differ_only_in_case_or_zeros_are_two_and_warned_of(place, ep_id, similar):
    place.put("r1", ep_id="case-s01e01")
    place.put("r2", ep_id="case-s01e01")
    place.ingest()
    place.put("r3", ep_id=ep_id)
    place.ingest()
    found = dict(place.runs("run_id, warnings"))
    messages = {run: [one["message"] for one in of if one["code"] == "EPISODE_SIMILAR"] for run, of in found.items()}
    said = f"episode {ep_id} is not case-s01e01, although their ids differ only in case or in leading zeros"
    assert messages == {"r1": [], "r2": [], "r3": [said] if similar else []}
    assert len(place.database.rows("SELECT ep_id FROM screenalytics.latest_runs")) == 2


def test_similar_episodes_are_found_by_an_index(place):
    place.database.rows(
        "INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,"
        " schema_version, persons, output_hash, pipeline_run_id)"
        " SELECT 'x' || n, 'show-s01e' || n, 's', 'k', repeat('0', 64), 'e', '1.0', 0, repeat('0', 64), 'p'"
        " FROM generate_series(1, 5000) AS n"
    )
    place.database.rows("ANALYZE screenalytics.runs")
    plan = place.database.rows(
        "EXPLAIN SELECT ep_id FROM screenalytics.runs WHERE lower(ep_id) = ANY (ARRAY['a-s1e1', 'a-s01e01'])"
    )
    assert "runs_episode_lower" in str(plan)
