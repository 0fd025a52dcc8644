"""The location of runs: a prefix without runs says where they are; a folder has one name; long run ids."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from jobs.screenalytics.settings import IngestSettings, ReplaySettings, VerifySettings
from jobs.screenalytics.steps import _view, ingest, replay, verify
from jobs.screenalytics.tables.persons import PERSONS
from shared.errors import AccessDenied
from shared.report.terminal import find_table
from shared.storage import open_store
from tests.emptied_database import database  # noqa: F401
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import place  # noqa: F401
from tests.screenalytics_runs import make_run, put_run

if TYPE_CHECKING:
    from pathlib import Path

    from shared.report import Report
    from tests.postgres_server import Database
    from tests.screenalytics_database import Place

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


def verified(place: Place, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Report:
    monkeypatch.setattr(verify, "open_source", lambda settings: place.store)
    fixed = {"database_url": place.database.url, "bucket": "s3://memory", "grace_min": 0}
    return verify.run(VerifySettings(**{**fixed, **values}), MemoryStageRun())


ELSEWHERE = [
    ("derived", ["archive/runs/r1"], "there are runs below archive/runs/: set --prefix archive"),
    ("derived", ["runs/r1"], "there are runs below runs/: set --prefix /"),
    ("/", ["derived/runs/r1"], "there are runs below derived/runs/: set --prefix derived"),
    ("derived", ["a b/runs/r1", "c/runs/r1"], "below a b/runs/, c/runs/: set --prefix 'a b' or --prefix c"),
    ("derived", ["pictures/a", "logs/a"], "the bucket has logs/, pictures/: check --bucket and --prefix"),
    ("derived", ["derived/runs/r1/x"], "the bucket has derived/: check --bucket and --prefix"),
    ("derived", ["runs/show/s01/e01/r1"], "the bucket has runs/: check --bucket and --prefix"),
    ("derived", [], "the bucket has no folders"),
]


@pytest.mark.parametrize("case", ELSEWHERE, ids=lambda case: case[2])
def test_a_prefix_without_runs_says_what_the_bucket_has(place, monkeypatch, caplog, case):
    prefix, folders, said = case
    for folder in folders:
        place.store.set(f"{folder}/manifest.json", b"{}")
    expected = "nothing is stored at derived/runs/RUN/manifest.json in s3://memory; "
    expected = expected if prefix == "derived" else expected.replace("derived/", "")
    report = place.ingest(prefix=prefix)
    assert (report.exit_code, report.status) == (0, "success")
    assert report.headline.startswith(f"0 runs; {expected}")
    assert said in report.headline
    assert report.headline.partition("; ")[2] in caplog.text
    checked = verified(place, monkeypatch, prefix=prefix)
    assert checked.exit_code == 0
    assert checked.headline.endswith(report.headline.partition("; ")[2])


def test_a_prefix_with_runs_says_nothing_about_others(place, monkeypatch, caplog):
    place.put("r1", status="failed")
    place.store.set("other/runs/r2/manifest.json", b"{}")
    for report in (place.ingest(), place.ingest(), verified(place, monkeypatch)):
        assert "--prefix" not in report.headline
    assert "--prefix" not in caplog.text


def test_credentials_that_may_only_list_the_prefix_are_not_an_error(place):
    listed = place.store.folders
    place.store.folders = lambda prefix="": listed(prefix) if prefix else _raise()

    report = place.ingest()
    assert report.exit_code == 0
    assert report.headline.endswith("in s3://memory; check --bucket and --prefix")


def _raise() -> Any:
    raise AccessDenied("no right to list")


def test_replay_all_names_runs_waiting_below_another_prefix(place):
    put_run(place.store, make_run("r1", prefix="old", schema_version="9.9"))
    place.ingest(prefix="old")
    report = place.replay(all=True)
    assert report.headline == "0 runs; 1 waiting below other prefixes, such as old/runs/r1/manifest.json: set --prefix"


def test_persons_of_another_prefix_or_bucket_are_not_shown(place):
    put_run(place.store, make_run("r1", prefix="old"))
    assert find_table(place.ingest(prefix="old"), PERSONS) is not None
    assert find_table(place.ingest(), PERSONS) is None
    assert find_table(place.ingest(prefix="old", bucket="s3://memory-2"), PERSONS) is None


@pytest.fixture
def folder(tmp_path: Path, database: Database) -> dict[str, Any]:
    (tmp_path / "runs-of-tests").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs-of-tests")
    return {"database_url": database.url, "grace_min": 0, "arrival": "poll", "path": tmp_path}


def _ingest(folder: dict[str, Any], name: str) -> Report:
    values = {key: value for key, value in folder.items() if key != "path"}
    return ingest.run(IngestSettings(**values, bucket=str(folder["path"] / name)), MemoryStageRun())


def test_a_folder_and_a_link_to_it_are_one_source(folder, database):
    store = open_store(str(folder["path"] / "runs-of-tests"))
    put_run(store, make_run("r1"))
    assert _ingest(folder, "link").counts["ingested"] == 1
    assert _ingest(folder, "runs-of-tests").counts["known"] == 1
    assert database.rows("SELECT source FROM screenalytics.runs") == [(f"file://{folder['path']}/runs-of-tests",)]
    put_run(store, make_run("r1", persons=2))
    assert [failure.code for failure in _ingest(folder, "link").failures] == ["MANIFEST_CHANGED"]


def test_a_run_that_was_stored_under_a_link_stays_the_same_run(folder, database):
    store = open_store(str(folder["path"] / "runs-of-tests"))
    put_run(store, make_run("r1"))
    _ingest(folder, "link")
    for table in ("runs", "ingest_items"):
        database.rows(f"UPDATE screenalytics.{table} SET source = %s", f"file://{folder['path']}/link")
    values = {"database_url": database.url, "grace_min": 0, "bucket": str(folder["path"] / "link")}
    report = verify.run(VerifySettings(**values), MemoryStageRun())
    assert (report.counts["checked"], report.exit_code) == (1, 0)
    put_run(store, make_run("r1", persons=2))
    assert [failure.code for failure in _ingest(folder, "link").failures] == ["MANIFEST_CHANGED"]
    accepted = replay.run(ReplaySettings(**values, run="r1", accept_changed=True), MemoryStageRun())
    assert accepted.counts["replaced"] == 1


@pytest.mark.parametrize("length", [12, 128])
def test_a_long_run_id_leaves_room_for_the_reason(place, length):
    place.put("r" * length, schema_version="9.9")
    report = place.ingest()
    output = io.StringIO()
    _view.show(report, Console(file=output, width=100, highlight=False))
    lines = output.getvalue().splitlines()
    # The first line of the reason has several words, not one letter.
    assert any("the manifest has the" in line for line in lines), output.getvalue()
    assert len(lines) < 20
    assert "r" * length in output.getvalue()


def test_an_unreadable_file_gets_advice_for_files(folder, monkeypatch):
    store = open_store(str(folder["path"] / "runs-of-tests"))
    put_run(store, make_run("r1"))
    put_run(store, make_run("r2"))
    stream = type(store).stream

    def closed(self: Any, key: str, **more: Any) -> Any:
        if "r2/analytics" in key:
            message = f"cannot read {self.uri}/{key}: Permission denied; grant access to this user (uid 7)"
            raise AccessDenied(message, bucket=self.uri)
        return stream(self, key, **more)

    monkeypatch.setattr(type(store), "stream", closed)
    ((failure),) = _ingest(folder, "runs-of-tests").failures
    assert failure.code == "ACCESS_DENIED"
    assert failure.message.endswith("grant access to this user (uid 7). The next ingest retries it")
    assert "s3:" not in failure.message
