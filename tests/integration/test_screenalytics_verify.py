"""Verify finds every difference between tables and store, starting from the sample set."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from jobs.screenalytics.keys import manifest_key
from jobs.screenalytics.settings import IngestSettings, SampleSettings, VerifySettings
from jobs.screenalytics.steps import _view, ingest, sample, verify
from jobs.screenalytics.verification import tables as verification_tables
from shared.errors import EndpointUnreachable
from shared.storage import open_store
from tests.emptied_database import database
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres
from tests.screenalytics_runs import make_run, manifest_of, put_run

__all__ = ["database", "postgres"]

pytestmark = pytest.mark.xdist_group("postgres")


class Place:
    """A folder of runs, and a database."""

    def __init__(self, folder, database):
        self.folder = folder / "runs-of-tests"
        self.folder.mkdir()
        self.database = database
        self.values = {"database_url": database.url, "bucket": str(self.folder), "grace_min": 0}
        self.store = open_store(str(self.folder))

    def put(self, *runs, **changes):
        for run_id in runs:
            put_run(self.store, make_run(run_id, **changes))

    def path(self, run_id, name="manifest.json"):
        return self.folder / manifest_key("derived", run_id).replace("manifest.json", name)

    def ingest(self, **changes):
        return ingest.run(IngestSettings(**{**self.values, **changes}), MemoryStageRun(pipeline="screenalytics"))

    def verify(self, **changes):
        return verify.run(VerifySettings(**{**self.values, **changes}), MemoryStageRun(pipeline="screenalytics"))

    def rows(self):
        """Return all rows of the product tables as text, with PostgreSQL's row versions."""
        tables = ("runs", "artifacts", "person_metrics")
        return {
            table: self.database.rows(f"SELECT ctid::text, xmin::text, t::text FROM screenalytics.{table} t ORDER BY 1")
            for table in tables
        }

    def status(self):
        return dict(self.database.rows("SELECT run_id, status FROM screenalytics.runs"))


@pytest.fixture
def place(tmp_path, database):
    return Place(tmp_path, database)


def _codes(report):
    return sorted((failure.item, failure.code) for failure in report.failures)


def test_the_sample_set_has_the_outcome_that_it_says(place):
    settings = SampleSettings(output=str(place.folder), persons=5)
    sample.run(settings, MemoryStageRun())
    truth = {made.run_id: made for made in sample.make(settings)}
    young = place.ingest(grace_min=60)
    old = place.ingest()
    by_outcome = {name: {run_id for run_id, made in truth.items() if made.truth.outcome == name} for name in (
        "ingested", "skipped", "deferred", "failed")}  # fmt: skip
    waits = {run_id for run_id, made in truth.items() if made.truth.code_in_grace}
    assert young.counts["ingested"] == len(by_outcome["ingested"])
    assert young.counts["skipped"] == len(by_outcome["skipped"]) == 2
    assert young.counts["deferred"] == len(by_outcome["deferred"] | waits)
    assert (young.exit_code, old.exit_code) == (65, 65)
    assert _codes(old) == sorted((run_id, truth[run_id].truth.code) for run_id in by_outcome["failed"])
    assert old.counts["deferred"] == 1
    found = place.database.rows(
        "SELECT run_id, person_id, name, onscreen_ms, speaking_ms, body_ms FROM screenalytics.person_metrics"
    )
    expected = {
        (run_id, person_id, person.name, person.onscreen_ms, person.speaking_ms, person.body_ms)
        for run_id, made in truth.items()
        for person_id, person in made.truth.persons.items()
    }
    assert set(found) == expected
    assert len(found) == len(expected)
    report = place.verify()
    assert _codes(report) == sorted((run_id, "NOT_INGESTED") for run_id in by_outcome["failed"])
    assert report.counts["sound"] == len(by_outcome["ingested"])
    assert report.counts["skipped"] == 2
    assert report.exit_code == 65
    # The same content again: the failed runs write nothing, and the others are not even read.
    before = place.rows()
    assert place.ingest().counts["known"] == len(by_outcome["ingested"] | by_outcome["skipped"])
    assert place.rows() == before


def test_tables_and_store_that_agree_are_read_in_pages(place, monkeypatch):
    monkeypatch.setattr(verification_tables, "_PAGE", 2)
    names = [f"run-{number}" for number in range(5)]
    place.put(*names)
    place.put("cast-1", kind="cast_screentime.v1")
    place.put("empty-1", rows=[])
    assert place.ingest().exit_code == 0
    before = place.rows()
    for quick in (False, True):
        report = place.verify(quick=quick)
        assert (report.status, report.exit_code, report.failures) == ("success", 0, [])
        assert report.counts["checked"] == report.counts["sound"] == 7
        assert (report.bytes["read"] == 0) is quick
    assert place.rows() == before


def test_persons_are_read_a_few_runs_at_a_time(place, monkeypatch):
    monkeypatch.setattr(verification_tables, "_PERSONS", 7)
    asked = []
    plain = verification_tables._by_run

    def counted(session, statement, ids):
        if "person_metrics" in statement:
            asked.append(len(ids))
        return plain(session, statement, ids)

    monkeypatch.setattr(verification_tables, "_by_run", counted)
    place.put("a", "b", "c", "d", "f")
    place.put("e", persons=9)
    place.ingest()
    report = place.verify()
    assert (report.exit_code, report.counts["sound"]) == (0, 6)
    assert asked == [2, 2, 1, 1]


def test_case_59_a_deleted_run_keeps_its_rows_and_is_marked_until_it_is_back(place):
    place.put("run-1", "run-2")
    place.ingest()
    before = place.rows()
    body = place.path("run-1").read_bytes()
    place.path("run-1").unlink()
    told = place.verify(mark_deleted=False)
    assert (_codes(told), told.exit_code) == ([("run-1", "SOURCE_DELETED")], 65)
    assert place.rows() == before
    told = place.verify(quick=True)
    assert (_codes(told), told.exit_code) == ([("run-1", "SOURCE_DELETED")], 65)
    assert place.status() == {"run-1": "source_deleted", "run-2": "ingested"}
    assert place.rows()["person_metrics"] == before["person_metrics"]
    # A run that is already marked is not a finding.
    told = place.verify()
    assert (told.exit_code, told.counts["source_deleted"], told.counts["sound"]) == (0, 1, 2)
    place.path("run-1").write_bytes(body)
    told = place.verify()
    assert (told.exit_code, told.counts["back"]) == (0, 1)
    assert place.status() == {"run-1": "ingested", "run-2": "ingested"}
    outcomes = place.database.rows("SELECT run_id, outcome FROM screenalytics.ingest_attempts WHERE arrival = 'verify'")
    assert outcomes == [("run-1", "source_deleted"), ("run-1", "unchanged")]


def test_an_ingest_takes_the_mark_back_as_well(place):
    place.put("run-1")
    place.ingest()
    body = place.path("run-1").read_bytes()
    place.path("run-1").unlink()
    place.verify()
    place.path("run-1").write_bytes(body)
    report = place.ingest()
    assert (report.counts["unchanged"], report.exit_code) == (1, 0)
    assert place.status() == {"run-1": "ingested"}


def test_what_was_replaced_or_lost_in_the_store_is_named(place):
    place.put("gone", "longer", "other", "changed", "again", "sound")
    place.ingest()
    place.path("gone", "analytics/screentime.json").unlink()
    for name in ("longer", "other"):
        path = place.path(name, "analytics/screentime.json")
        body = path.read_bytes()
        path.write_bytes(body + b" " if name == "longer" else body.replace(b"Person 1", b"Person 9"))
    changed = json.loads(place.path("changed").read_bytes()) | {"attempt": 9}
    place.path("changed").write_bytes(json.dumps(changed).encode())
    place.path("again").write_bytes(place.path("again").read_bytes())
    before = place.rows()
    report = place.verify()
    assert _codes(report) == [
        ("changed", "MANIFEST_CHANGED"),
        ("gone", "ARTIFACT_MISSING"),
        ("longer", "SIZE_MISMATCH"),
        ("other", "CHECKSUM_MISMATCH"),
    ]
    assert report.exit_code == 65
    data = {failure.item: failure.data for failure in report.failures}
    assert data["gone"]["artifact_key"] == "screentime"
    assert data["gone"]["manifest_key"] == "derived/runs/gone/manifest.json"
    assert data["longer"]["actual"] == data["longer"]["expected"] + 1
    assert "replay changed --accept-changed" in report.failures[0].message
    quick = place.verify(quick=True)
    assert _codes(quick) == [("again", "ETAG_CHANGED"), ("changed", "ETAG_CHANGED")]
    assert place.rows() == before
    # The next ingest records the new ETag of the same content.
    place.ingest()
    assert _codes(place.verify(quick=True)) == [("changed", "ETAG_CHANGED")]


TOUCH = {
    "a-time": "person_metrics SET onscreen_ms = onscreen_ms + 1",
    "a-name": "person_metrics SET name = 'Zoe'",
    "not-computed": "person_metrics SET speaking_ms = NULL",
    "a-cast": "person_metrics SET cast_ids = '{}'",
    "confidence": "person_metrics SET confidence = 0.001",
    "an-episode": "runs SET ep_id = 'other-s01e01'",
    "an-attempt": "runs SET attempt = NULL",
    "a-duration": "runs SET duration_ms = 1",
    "the-end": "runs SET completed_at = completed_at + interval '1 ms'",
}


def test_rows_that_were_changed_by_hand_are_found(place):
    place.put(*TOUCH, "sound")
    place.ingest()
    for run_id, change in TOUCH.items():
        limit = "AND person_id = 'p_0002'" if change.startswith("person") else ""
        place.database.rows(f"UPDATE screenalytics.{change} WHERE run_id = '{run_id}' {limit}")
    for quick in (False, True):
        assert _codes(place.verify(quick=quick)) == sorted((run_id, "HASH_MISMATCH") for run_id in TOUCH)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_times_at_the_ends_of_the_calendar_are_read_in_a_database_of_another_zone(place, zone):
    ((name,),) = place.database.rows("SELECT current_database()")
    place.database.rows(f"ALTER DATABASE \"{name}\" SET timezone = '{zone}'")
    place.put("last", completed_at="9999-12-31T23:59:59.999999Z")
    place.put("first", completed_at="0001-01-01T00:00:00Z")
    assert place.ingest().exit_code == 0
    assert _codes(place.verify()) == []


def test_a_person_that_was_lost_is_found(place):
    place.put("run-1")
    place.ingest()
    place.database.rows("DELETE FROM screenalytics.person_metrics WHERE person_id = 'p_0002'")
    assert _codes(place.verify()) == [("run-1", "HASH_MISMATCH"), ("run-1", "PERSONS_MISMATCH")]


def test_runs_that_no_ingest_has_seen_are_missing_once_the_grace_is_over(place):
    place.put("run-1", "run-2")
    place.ingest()
    place.put("run-3")
    place.database.rows("DELETE FROM screenalytics.runs WHERE run_id = 'run-2'")
    report = place.verify(grace_min=60)
    assert _codes(report) == [("run-2", "NOT_INGESTED")]
    assert report.counts["waiting"] == 1
    assert "replay run-2" in report.failures[0].message
    assert _codes(place.verify()) == [("run-2", "NOT_INGESTED"), ("run-3", "NOT_INGESTED")]


def test_runs_of_another_prefix_or_bucket_are_left_alone(place, tmp_path):
    place.put("run-1", prefix="derived")
    place.ingest()
    place.put("run-2", prefix="derivedx")
    place.ingest(prefix="derivedx")
    place.path("run-1").unlink()
    assert place.verify(prefix="derivedx").counts["checked"] == 1
    other = tmp_path / "other"
    other.mkdir()
    report = place.verify(bucket=str(other))
    assert (report.counts["checked"], report.exit_code) == (0, 0)
    assert place.status() == {"run-1": "ingested", "run-2": "ingested"}


def test_a_store_that_does_not_answer_for_one_run_ends_with_75(place, monkeypatch):
    place.put("run-1", "run-2")
    place.ingest()
    stream = type(place.store).stream

    def fails(self, key, **values):
        if key.startswith("derived/runs/run-1/analytics"):
            message = "no answer"
            raise EndpointUnreachable(message, endpoint="test")
        return stream(self, key, **values)

    monkeypatch.setattr(type(place.store), "stream", fails)
    report = place.verify()
    assert (_codes(report), report.exit_code) == ([("run-1", "endpoint_unreachable")], 75)
    assert report.counts["sound"] == 1


def test_what_people_see(place):
    run_id = "run-1"
    files = make_run(run_id)
    key, document = manifest_of(files)
    put_run(place.store, files)
    put_run(place.store, make_run("bad", schema_version="9.9"))
    console = Console(file=io.StringIO(), width=100)
    _view.show(place.ingest(), console)
    shown = console.file.getvalue()
    assert "rhoslc-s06e11  Person 3" in shown
    assert "0:06:46" in shown
    assert "UNSUPPORTED_VERSION" in shown
    assert "2 runs: 1 ingested, 1 failed; 3 persons" in shown
    assert "confessional" not in shown
    (place.folder / key).write_bytes(json.dumps(document | {"attempt": 9}).encode())
    console = Console(file=io.StringIO(), width=100)
    _view.show_verify(place.verify(), console)
    assert "MANIFEST_CHANGED" in console.file.getvalue()
    console = Console(file=io.StringIO(), width=100)
    _view.show_sample(sample.run(SampleSettings(output=str(place.folder / "x")), MemoryStageRun()), console)
    assert "6 good, two-casts" in console.file.getvalue()
