"""The ledger against a real server: every way a stage can end, and a database that goes away meanwhile."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from shared.database.connection import dispose
from shared.errors import DatabaseUnreachable, DataError, Stopped, UsageError
from shared.failure import Failure
from shared.ledger import failed_items, open_run, open_stage, stage
from shared.ledger import run as run_module
from shared.ledger.commands import ListSettings, ShowSettings, list_runs, show_run
from shared.ledger.history import list_runs as run_rows
from shared.progress import Progress
from shared.report import Report
from shared.step.contract import UnrecordedRun
from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import Database, postgres, until  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

BAD = Failure("a.tar", "video_missing", "no member is a video", input_hash="etag-1")
WORSE = Failure("b.tar", "decode_timeout", "30 s", retryable=True)


def extract(database: Database, **values: Any) -> Any:
    settings = database.settings(**{key: values.pop(key) for key in ("run_id",) if key in values})
    return open_stage(settings, pipeline="gamedata", stage="extract", order=2, **values)


def stage_row(database: Database, columns: str, name: str = "extract") -> tuple[Any, ...]:
    return database.rows(f"SELECT {columns} FROM pipeline.run_stages WHERE stage = %s", name)[0]


def run_row(database: Database, columns: str) -> tuple[Any, ...]:
    return database.rows(f"SELECT {columns} FROM pipeline.runs")[0]


def age(database: Database, seconds: int = 61) -> None:
    for table in ("runs", "run_stages"):
        database.rows(f"UPDATE pipeline.{table} SET heartbeat_at = now() - make_interval(secs => %s)", seconds)


def close(database: Database) -> None:
    """Let nobody connect any more, and end all connections."""
    with database.connect(dbname="postgres") as connection:
        connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name])


def open_again(database: Database) -> None:
    with database.connect(dbname="postgres") as connection:
        connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")


def test_a_clean_run(database: Database):
    with extract(database, parameters={"workers": 2}, input_hash="in") as stage_run:
        assert run_row(database, "status, finished_at") == ("running", None)
        stage_run.finish(
            Report(counts={"items": 3}, bytes={"read": 7}, outputs={"manifest": "s3://b/m", "output_hash": "out"})
        )
    assert stage_run.exit_code == 0
    assert stage_row(database, "status, attempt, exit_code, input_hash, output_hash, manifest_key, error_details") == (
        *("success", 1, 0, "in", "out", "s3://b/m"),
        None,
    )
    assert stage_row(database, "counts, parameters - '_origin'") == ({"items": 3, "bytes_read": 7}, {"workers": 2})
    # Code started it: no command can run it again.
    (started,) = stage_row(database, "parameters -> '_origin'")
    assert (started["command"], started["changed"]) == (None, [])
    assert run_row(database, "run_id, pipeline, status, error_message") == (
        stage_run.run_id,
        *("gamedata", "success", None),
    )


def test_partial_success_keeps_its_errors_and_only_a_clean_run_clears_them(database: Database):
    partial = Report(status="partial", counts={"items": 2, "failed": 1}, failures=[BAD])
    for attempt in (1, 2):
        with extract(database, run_id="r1") as stage_run:
            assert stage_run.attempt == attempt
            stage_run.record_errors([BAD])
            stage_run.finish(partial)
    status, message, details = stage_row(database, "status, error_message, error_details")
    assert (status, message) == ("partial", "1 failed; first a.tar: video_missing: no member is a video")
    assert details["version"] == 1
    assert details["summary"] == {"items": 2, "failed": 1}
    assert [error["code"] for error in details["errors"]] == ["video_missing"]
    assert details["truncated"] == 0
    with extract(database, run_id="r1") as stage_run:
        # While the third attempt runs, the errors of the second stay visible.
        assert stage_row(database, "status, error_details")[1] is not None
        stage_run.finish(Report())
    assert stage_row(database, "status, attempt, error_message, error_details") == ("success", 3, None, None)
    assert run_row(database, "status, error_stage, error_message") == ("success", None, None)
    assert failed_items(database.settings(), "r1") == []


def test_a_report_that_says_failed_is_stored_with_its_errors(database: Database):
    with extract(database) as stage_run:
        stage_run.finish(Report(status="failed", exit_code=65, failures=[BAD], failures_truncated=70))
    status, code, details = stage_row(database, "status, exit_code, error_details")
    assert (status, code, details["truncated"]) == ("failed", 65, 70)
    assert run_row(database, "status, error_stage") == ("failed", "extract")


@pytest.mark.parametrize(
    ("error", "status", "code", "name"),
    [
        (Stopped(signal.SIGINT), "cancelled", 130, "stopped"),
        (KeyboardInterrupt(), "cancelled", 130, "stopped"),
        (Stopped(signal.SIGTERM), "interrupted", 143, "stopped"),
        (DataError("no list", code="list_missing", path="x\0y"), "failed", 65, "list_missing"),
        (ZeroDivisionError("password=hush \0"), "failed", 70, "internal"),
        (SystemExit(3), "failed", 70, "internal"),
    ],
    ids=lambda value: str(value).partition("\0")[0] if isinstance(value, str) else type(value).__name__,
)
def test_exceptions(database: Database, error: BaseException, status: str, code: int, name: str):
    def step() -> None:
        with extract(database) as stage_run:
            stage_run.record_errors([BAD])
            raise error

    with pytest.raises(type(error)):
        step()
    assert stage_row(database, "status, exit_code") == (status, code)
    details = stage_row(database, "error_details")[0]
    assert [entry["code"] for entry in details["errors"]] == [name, "video_missing"]
    assert "hush" not in str(details)
    assert ("traceback" in details["errors"][0]) == (code == 70)
    assert run_row(database, "status, error_stage") == (status, "extract")


def test_a_stage_without_a_report_is_no_success(database: Database):
    with extract(database):
        pass
    assert stage_row(database, "status, error_message") == ("failed", "the stage ended without a report")


def test_item_errors_are_idempotent(database: Database):
    many = [Failure(f"{number:05}.tar", "tar_empty", "0 bytes", data={"size": 0}) for number in range(2500)]
    with extract(database, run_id="r1") as stage_run:
        for _ in range(2):
            stage_run.record_errors([*many, WORSE, WORSE])
        stage_run.record_errors([Failure("b.tar", "decode_timeout", "31 s", retryable=True, attempt=2)])
        stage_run.finish(Report(status="partial", failures=many[:50], failures_truncated=2451))
    found = failed_items(database.settings(), "r1", "extract")
    assert len(found) == 2501
    assert found[0] == many[0]
    assert (found[-1].message, found[-1].attempt, found[-1].retryable) == ("31 s", 2, True)


def test_text_that_postgresql_refuses(database: Database):
    nasty = Failure("a\0b\ud800.tar", "x\0", "\0\ud800", data={"k\0": "\0", "n": float("nan"), "b": b"\xff"})
    with extract(database, run_id="r1", parameters={"p\0": "\ud800", "f": float("inf")}) as stage_run:
        stage_run.record_errors([nasty])
        stage_run.finish(Report(status="partial", failures=[nasty], rates={}, counts={"n\0": 1}))
    assert stage_row(database, "status") == ("partial",)
    assert len(failed_items(database.settings(), "r1")) == 1


def took(database: Database, table: str, condition: str = "true") -> float:
    ((seconds,),) = database.rows(f"SELECT finished_at - started_at FROM pipeline.{table} WHERE {condition}")
    return float(seconds.total_seconds())


def test_a_run_of_one_stage_took_as_long_as_its_stage_and_its_report_says_so(database: Database):
    report = Report(seconds=1.0)
    with extract(database, began=time.monotonic() - 5) as stage_run:
        stage_run.finish(report)
        time.sleep(0.05)
    assert report.seconds == stage_run.seconds == took(database, "runs") == took(database, "run_stages")
    assert 5 < report.seconds < 60
    with pytest.raises(DataError), extract(database, began=time.monotonic() - 70) as failed:
        raise DataError("no such thing")
    assert failed.seconds == took(database, "runs", f"run_id = '{failed.run_id}'") > 70


def test_a_run_of_several_stages_begins_with_its_command_and_ends_with_the_last_stage(database: Database):
    command = UnrecordedRun("r1", "gamedata", "run", Progress("run"), began=time.monotonic() - 5)
    reports = [Report(), Report()]
    with open_run(database.settings(run_id="r1"), "gamedata", command=command) as run:
        for number, report in enumerate(reports):
            with run.stage(f"stage-{number}", 2 + number) as stage_run:
                stage_run.finish(report)
        time.sleep(0.05)
    assert command.seconds == run.seconds == took(database, "runs")
    ((last,),) = database.rows(
        "SELECT r.finished_at - s.finished_at FROM pipeline.runs r, pipeline.run_stages s WHERE stage = 'stage-1'"
    )
    assert last.total_seconds() == 0
    for number, report in enumerate(reports):
        assert report.seconds == took(database, "run_stages", f"stage = 'stage-{number}'") < 5 < run.seconds

    # A command that continues the run took only its own time; the run still began with the first one.
    with extract(database, run_id="r1") as later:
        later.finish(reports[0])
    assert later.seconds < 5 < took(database, "runs")


def test_two_stages_of_one_run(database: Database):
    with open_run(database.settings(), "gamedata") as run:
        with run.stage("extract", 2) as first:
            first.finish(Report(status="partial", failures=[BAD]))
        assert run_row(database, "status") == ("running",)
        with run.stage("manifest", 3) as second:
            second.finish(Report())
    assert run_row(database, "status, error_stage") == ("partial", "extract")
    assert database.rows("SELECT stage, status FROM pipeline.run_stages ORDER BY stage_order") == [
        ("extract", "partial"),
        ("manifest", "success"),
    ]


def test_stages_of_one_run_in_different_processes(database: Database):
    settings = database.settings(run_id="workflow-uid")
    with open_stage(settings, pipeline="gamedata", stage="extract", order=2) as one:
        with open_stage(settings, pipeline="viewership", stage="match", order=4) as other:
            other.finish(Report(status="failed", exit_code=65))
        assert run_row(database, "status") == ("running",)
        one.finish(Report())
    assert run_row(database, "run_id, pipeline, status, error_stage") == ("workflow-uid", "gamedata", "failed", "match")
    assert stage_row(database, "pipeline", "match") == ("viewership",)


def test_a_run_that_is_stopped_between_its_stages(database: Database):
    def step() -> None:
        with open_run(database.settings(), "gamedata") as run:
            with run.stage("extract", 2) as first:
                first.finish(Report())
            raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        step()
    assert run_row(database, "status, error_message") == ("interrupted", "stopped by SIGTERM")


def test_a_later_attempt_fences_off_an_older_one(database: Database, caplog: pytest.LogCaptureFixture):
    with extract(database, run_id="r1", heartbeat_s=0.05) as old:
        with extract(database, run_id="r1") as new:
            assert new.attempt == 2
            until(lambda: "another process has started a later attempt" in caplog.text)
            new.finish(Report(counts={"items": 2}))
        old.finish(Report(status="failed", exit_code=65))
    assert "another process was working on it" in caplog.text
    assert stage_row(database, "status, attempt, counts") == ("success", 2, {"items": 2})
    assert run_row(database, "status") == ("success",)


def test_the_heartbeat_is_renewed(database: Database):
    with extract(database, heartbeat_s=0.05) as stage_run:
        age(database, 30)
        until(lambda: stage_row(database, "heartbeat_at > now() - interval '5 s'") == (True,))
        until(lambda: run_row(database, "heartbeat_at > now() - interval '5 s'") == (True,))
        stage_run.finish(Report())


def test_a_run_without_heartbeat_is_interrupted_at_the_next_command(database: Database):
    code = (
        "import os, sys; from shared.ledger import open_stage; from shared.settings import StepSettings\n"
        "with open_stage(StepSettings(database_url=sys.argv[1], run_id='dead'), pipeline='p', stage='s', order=1):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, database.url], check=False).returncode == -signal.SIGKILL
    assert run_rows(database.settings())[0].status == "running"
    age(database)
    with extract(database, run_id="next") as stage_run:
        stage_run.finish(Report())
    assert stage_row(database, "status, error_message LIKE 'no heartbeat since 20%%'", "s") == ("interrupted", True)
    assert {run.run_id: run.status for run in run_rows(database.settings())} == {
        "dead": "interrupted",
        "next": "success",
    }


def test_a_process_that_slept_takes_its_run_back(database: Database):
    with extract(database, heartbeat_s=0.3) as stage_run:
        age(database)
        assert run_rows(database.settings())[0].status == "interrupted"
        until(lambda: run_row(database, "status") == ("running",))
        stage_run.finish(Report())
    assert run_row(database, "status, error_message") == ("success", None)


def test_a_reader_without_rights_sees_interrupted_runs(database: Database):
    with extract(database):
        age(database)
        database.rows("CREATE ROLE reader LOGIN")
        try:
            database.rows("GRANT USAGE ON SCHEMA pipeline TO reader")
            database.rows("GRANT SELECT ON ALL TABLES IN SCHEMA pipeline TO reader")
            settings = database.settings(database_url=database.as_role("reader"))
            assert run_rows(settings)[0].status == "interrupted"
            assert run_row(database, "status") == ("running",)
        finally:
            dispose()
            database.rows("DROP OWNED BY reader")
            database.rows("DROP ROLE reader")


def test_a_database_that_comes_back_before_the_end(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage, "FINISH_S", 20.0)
    with extract(database, run_id="r1", heartbeat_s=0.05) as stage_run:
        close(database)
        stage_run.record_errors([BAD])
        stage_run.record_errors([WORSE])
        open_again(database)
        stage_run.finish(Report(status="partial", failures=[BAD, WORSE]))
    assert stage_run.exit_code == 0
    assert stage_row(database, "status") == ("partial",)
    assert [failure.item for failure in failed_items(database.settings(), "r1")] == ["a.tar", "b.tar"]


def test_a_database_that_is_lost_costs_no_work(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(stage, "FINISH_S", 0.5)
    monkeypatch.setattr(run_module, "STOPPED_S", 0.2)
    caplog.set_level(logging.WARNING)
    with extract(database, run_id="r1", heartbeat_s=0.05) as stage_run:
        close(database)
        until(lambda: "no heartbeat for run r1" in caplog.text)
        stage_run.record_errors([BAD])
        stage_run.finish(Report())
    assert stage_run.exit_code == 75
    assert "the ledger could not be written" in caplog.text
    open_again(database)
    assert stage_row(database, "status") == ("running",)
    with extract(database, run_id="r1") as again:
        again.finish(Report())
    assert stage_row(database, "status, attempt") == ("success", 2)


def test_no_database_at_the_start(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_module, "OPEN_S", 0.3)
    settings = database.settings(database_url="postgresql://u@127.0.0.1:1/x")
    with (
        pytest.raises(DatabaseUnreachable),
        open_stage(settings, pipeline="p", stage="s", order=1),
    ):
        pytest.fail("the stage began without a ledger")


@pytest.mark.parametrize("bad", ["../x", "-x", "a" * 129, "a b"])
def test_run_ids(database: Database, bad: str):
    with pytest.raises(UsageError, match="is not valid"), extract(database, run_id=bad):
        pytest.fail("the stage began")


def test_runs_list_and_show(database: Database):
    listing = ListSettings(database_url=database.url)
    assert list_runs(listing) == "There are no runs yet."
    unknown = ListSettings(database_url=database.url, of="gamdata")
    assert list_runs(unknown) == "There are no runs yet."
    with extract(database, run_id="aaa-1", parameters={"workers": 2}) as stage_run:
        stage_run.record_errors([BAD])
        stage_run.finish(Report(status="partial", counts={"items": 2}, failures=[BAD]))
    with extract(database, run_id="aaa-2") as stage_run:
        stage_run.finish(Report(outputs={"manifest": "file:///m.parquet"}))
    assert list_runs(unknown) == "There are no runs of 'gamdata'; there are runs of: gamedata."
    lines = list_runs(listing).splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["aaa-2", "gamedata", "success"],
        ["aaa-1", "gamedata", "partial"],
    ]
    assert len(list_runs(ListSettings(database_url=database.url, of="viewership")).splitlines()) == 1
    text = show_run(ShowSettings(database_url=database.url, run="aaa-1"))
    assert "video_missing" in text
    assert "items 2" in text
    # Not with the stages' numbers, which begin at 2 in `gamedata run`.
    assert "\nstage " in text
    assert "workers = 2" in text
    assert "wrote file:///m.parquet" in show_run(ShowSettings(database_url=database.url, run="aaa-2"))
    with extract(database, run_id="ccc", parameters={"a": 1, "b": 2}) as stage_run:
        stage_run.finish(Report())
    with database.connect() as connection:
        connection.execute(
            "UPDATE pipeline.run_stages SET parameters = jsonb_set(parameters, '{_origin,changed}', '[\"b\"]')"
            " WHERE run_id = 'ccc'"
        )
    shown = show_run(ShowSettings(database_url=database.url, run="ccc")).partition("parameters")[2]
    assert shown == " that differ from their defaults\n  b = 2\n\nother parameters\n  a = 1"
    for word, code in (("bbb", "run_missing"), ("aaa", "run_ambiguous")):
        with pytest.raises(DataError) as caught:
            show_run(ShowSettings(database_url=database.url, run=word))
        assert caught.value.code == code


def test_a_fork_does_not_share_connections(database: Database):
    with extract(database, run_id="r1") as stage_run:
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        stage_run.record_errors([BAD])
        stage_run.finish(Report(status="partial", failures=[BAD]))
    assert len(failed_items(database.settings(), "r1")) == 1
