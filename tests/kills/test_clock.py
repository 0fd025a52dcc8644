"""Clocks set back between two runs or during one, on the machine or on the ledger's server."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from jobs.gamedata.parts.store import read_parts, read_rows
from shared.database.connection import dispose
from shared.ledger.history import list_runs, show_run
from tests.kills.place import BODIES, Place
from tests.postgres_server import made_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kills.conftest import Undisturbed
    from tests.kills.killer import Programs

pytestmark = pytest.mark.slow

HOUR, DAY, YEAR = 3600, 86_400, 31_536_000
# Nothing looks at how far, except for the limits: a silent run is interrupted after a minute, and a temporary file is
# deleted after a day.
BACK = pytest.mark.parametrize("seconds", [HOUR, YEAR], ids=["an hour", "a year"])


@pytest.fixture(autouse=True)
def connections() -> Iterator[None]:
    yield
    dispose()


def extracted_at(place: Place) -> dict[str, datetime]:
    return {row["s3_key"]: row["extracted_at"] for row in read_parts(place.out).to_pylist()}


def check_report(place: Place) -> None:
    """Check that no duration is negative and the end is not before the start."""
    report = place.report()
    assert report["seconds"] >= 0
    assert all(seconds >= 0 for seconds in report["durations"].values())
    assert all(rate >= 0 for rate in report["rates"].values())
    assert datetime.fromisoformat(report["started_at"]) <= datetime.fromisoformat(report["finished_at"])
    assert all(stage["seconds"] >= 0 for stage in report["stages"].values())
    rows = read_rows(place.out)
    assert min(rows["seconds"].to_pylist()) >= 0
    assert min(rows["cpu_s"].to_pylist()) >= 0


@BACK
def test_the_clock_was_set_back_between_two_runs(new_place: Callable[[], Place], seconds: int):
    place = new_place()
    place.run(at=None, many=64)
    (place.folder / "tars/a.tar").unlink()
    (place.folder / "tars/a.tar").write_bytes(b"another body of z")
    # The replacement file is also older than the file that was read.
    before = (place.folder / "tars/b.tar").stat().st_mtime - seconds
    os.utime(place.folder / "tars/a.tar", (before, before))
    now = datetime.now(UTC) - timedelta(seconds=seconds / 2)
    for flags in ((), ("--no-skip-existing",), ("--sampling", "exact")):
        place.run("run", *flags, at=None, shift_s=-seconds, many=64)
        check_report(place)
    # The results of the last run are current, although they look older than those of the first.
    assert {row["s3_key"] for row in place.manifest()} == set(BODIES)
    assert max(extracted_at(place).values()) < now
    assert place.hashes().keys() == {key.replace(".tar", ".pt") for key in BODIES} - {"c.pt"}
    digests = {row["s3_key"]: row["spec_digest"] for row in place.manifest()}
    assert len(set(digests.values())) == 1
    rows = {row["s3_key"]: row["source_etag"] for row in place.manifest()}
    status = (place.folder / "tars/a.tar").stat()
    assert rows["a.tar"] == f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"
    place.run("compact", shift_s=-seconds)
    assert max(extracted_at(place).values()) < now
    place.run("verify", shift_s=-seconds)
    check_report(place)


@pytest.mark.parametrize(("step", "seconds"), [("run", HOUR), ("extract", DAY), ("run", YEAR)])
def test_the_clock_is_set_back_within_a_run(new_place: Callable[[], Place], step: str, seconds: int):
    whole, place = new_place(), new_place()
    for each, jump in ((whole, {}), (place, {"jump_s": -seconds, "jump_after": 3})):
        each.run(step, at=None, **jump)
        each.run("manifest")
    check_report(place)
    expected, found = whole.outcome(), place.outcome()
    times = ("extracted_at", "pt_sha256", "pt_size")
    for outcome in (expected, found):
        outcome["parts"] = {k: {n: v for n, v in row.items() if n not in times} for k, row in outcome["parts"].items()}
        outcome["pt"] = set(outcome["pt"])
    assert found == expected
    moments = sorted(extracted_at(place).values())
    assert moments[-1] - moments[0] > timedelta(seconds=seconds / 2), "the clock was set back"
    processed = pq.read_table(place.folder / "published/manifest.parquet")["processed_time"].to_pylist()
    assert len(set(processed)) == 1


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, tars: Path, programs: Programs, postgres: str) -> dict:
    """Return the ledger's rows of an undisturbed extract."""
    with made_database(postgres) as database:
        place = Place(tmp_path_factory.mktemp("clock") / "place", tars, programs, database)
        place.run("extract")
        return place.outcome()["ledger"]


@BACK
def test_the_ledgers_clock_is_set_back_within_a_run(new_place: Callable[[], Place], seconds: int, expected: dict):
    place = new_place()
    settings = place.database.settings()
    place.skew(0)
    child = place.start("extract")
    while (operation := child.next()) and operation.name != "replace":
        child.go()
    place.skew(-seconds)
    # Another command sees the run alive, with a duration that is not negative.
    (run,) = [run for run in list_runs(settings) if run.run_id == place.run_id]
    assert (run.status, run.seconds >= 0) == ("running", True)
    other = new_place()
    other.run("extract")
    assert place.outcome()["ledger"]["run"] == [("running", None, None)]
    child.expect(0)
    assert place.outcome()["ledger"] == expected
    run, stages = show_run(settings, place.run_id)
    assert run.seconds >= 0
    assert [stage.seconds >= 0 for stage in stages] == [True]
    assert place.database.rows("SELECT min(duration_ms) >= 0 FROM pipeline.run_stages") == [(True,)]


def test_the_ledgers_clock_is_set_forward_within_a_run(new_place: Callable[[], Place], expected: dict):
    place = new_place()
    place.skew(0)
    child = place.start("extract")
    while (operation := child.next()) and operation.name != "replace":
        child.go()
    place.skew(HOUR)
    # To another command the run has been silent for an hour; the run itself ends successfully.
    new_place().run("extract")
    assert place.outcome()["ledger"]["run"][0][0] == "interrupted"
    child.expect(0)
    assert place.outcome()["ledger"] == expected


def test_newer_errors_win_though_their_clock_is_behind(new_place: Callable[[], Place]):
    place = new_place()
    for shift in (0, -HOUR):  # the second attempt, on a node whose clock is an hour behind
        place.run("extract", fail={"body of c": "decode_crashed"}, at=None, shift_s=shift)
    found = place.database.rows("SELECT code, attempt, at FROM pipeline.item_errors WHERE run_id = %s", place.run_id)
    assert [(code, attempt) for code, attempt, _ in found] == [("decode_crashed", 2)]
    assert place.report()["failures"][0]["attempt"] == 2


def test_a_clock_that_is_days_ahead_sweeps_a_put_in_progress(new_place: Callable[[], Place], undisturbed: Undisturbed):
    expected = undisturbed.outcome
    place = new_place()
    child = place.start("extract", many=64)
    while (operation := child.next()) and operation.name != "fsync":
        child.go()
    (at_work,) = place.temporaries()
    place.run("extract", "--prefix", "d/", many=64, run_id="ahead", shift_s=2 * DAY)
    place.run("extract", "--prefix", "d/", many=64, run_id="ahead", shift_s=2 * DAY)
    assert not at_work.exists()
    child.expect(0)
    assert place.report()["failures"][0]["code"] == "store_unavailable"
    assert place.report()["failures"][0]["retryable"]
    place.run()
    found = place.outcome()
    assert found["pt"] == expected["pt"]
    assert found["manifest"] == expected["manifest"]
