"""Runs stopped or killed in the middle, and the run after them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pyarrow.parquet as pq
import pytest

from tests.cli import descendants, sample_tar
from tests.forked_cli import ForkedCli
from tests.postgres_server import postgres, until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres"]

pytestmark = pytest.mark.slow

COUNT = 12
# Each takes 0.25 s, decoding exact times from GOPs of 250 frames. A worker takes 1.7 s to import torch;
# tests.integration.test_processes has two.
EXTRACT = ("--source-bucket", "./tars", "--sampling", "exact", "--workers", "1", "--batch-mb", "1")
STOP_S = 20.0


@pytest.fixture(scope="module")
def cli(postgres: str) -> Iterator[ForkedCli]:
    with ForkedCli.on(postgres) as made:
        (made.folder / "tars").mkdir()
        body = sample_tar("gameplay-60fps", is_whole=True)
        for number in range(COUNT):
            (made.folder / f"tars/{number:02d}.tar").write_bytes(body)
        yield made


def parts(cli, bucket="out"):
    return sorted((cli.folder / bucket / "_stats").glob("*.parquet"))


def stop(cli, number):
    """Start a run, send a signal once another part is committed; return its exit and its processes."""
    before = len(parts(cli))
    process = cli.start("gamedata", "run", *EXTRACT, "--manifest-bucket", "./out")
    try:
        until(lambda: len(parts(cli)) > before or process.poll() is not None, 60)
        assert process.poll() is None, process.communicate()
        below = descendants(process.pid)
        assert len(below) == 2, "a worker, and its decoder"
        os.killpg(process.pid, number)
        done = cli.finish(process, STOP_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    until(lambda: not any(is_alive(each) for each in below), STOP_S)
    until(lambda: not cli.processes(), STOP_S)
    return done


def is_alive(process):
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def committed(cli):
    tables = [pq.read_table(part) for part in parts(cli)]
    return {row["s3_key"]: row["pt_etag"] for table in tables for row in table.to_pylist()}


def judged(cli, name):
    return {key: {**row, "processed_time": None, "source_etag": None} for key, row in cli.manifest(name).items()}


def test_stopped_and_killed_runs_leave_no_process_and_the_next_one_completes(cli):
    seen: dict[str, str] = {}
    for number, code, status in (
        (signal.SIGINT, 130, "cancelled"),
        (signal.SIGTERM, 143, "interrupted"),
        (signal.SIGKILL, -9, "interrupted"),
    ):
        done = stop(cli, number)
        assert done.code == code, done.err
        assert "Traceback" not in done.err
        # Committed results are complete and stay.
        now = committed(cli)
        assert len(seen) < len(now) < COUNT
        assert seen.items() <= now.items()
        seen = now
        if number != signal.SIGKILL:
            newest = cli("runs", "list", "--limit", "1").expect(0).out.splitlines()[-1]
            assert status in newest

    cli.forks_worker = True
    cli("gamedata", "run", *EXTRACT, "--manifest-bucket", "./out").expect(0)
    assert seen.items() <= committed(cli).items()
    assert not list(cli.folder.rglob("*.tmp"))
    cli("gamedata", "verify", "--manifest-bucket", "./out").expect(0)
    rows = judged(cli, "manifest.parquet")
    assert len(rows) == COUNT
    # All TARs hold the same video, so rows of disturbed runs equal those of the last, undisturbed one.
    last = next(row for key, row in rows.items() if key not in seen)
    assert all({**row, "s3_key": ""} == {**last, "s3_key": ""} for row in rows.values())
    statuses = [line.split()[2] for line in cli("runs", "list").expect(0).out.splitlines()[1:]]
    assert statuses.count("cancelled") == 1
    assert statuses.count("success") == 1
