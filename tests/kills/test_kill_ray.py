"""A SIGKILL to the real command with Ray and decoder processes, at seeded times in each phase."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import torch

from jobs.gamedata.parts.store import read_parts
from shared.database import embedded
from shared.storage.file import FileStore
from tests.cli import Cli, descendants, sample_tar
from tests.kills.place import ledger_of
from tests.postgres_server import Database, until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

COUNT = 6
KINDS = {f"{number:02d}.tar": "no-audio" for number in range(COUNT)} | {"bad.tar": "no-metadata"}
RAY = ("--local-pool", "ray")
# One batch per TAR (40 s of video take 1.1 MB), so that not all are committed within 0.1 s before a kill.
FLAGS = ("--source-bucket", "./tars", "--sampling", "exact", "--workers", "2", "--batch-mb", "1")
# Columns that depend on the machine or the time.
VOLATILE = (
    *("generation", "worker", "seconds", "cpu_s", "pt_etag", "pt_sha256", "extracted_at", "run_id"),
    *("bytes_read", "error_traceback"),
)


def is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def rays(pid: int) -> list[Path]:
    """Return the folders of the Ray instance that a process started."""
    return list(Path("/tmp").glob(f"telecine-ray-{pid}-*"))


class Bucket:
    """A manifest bucket and its manifest, written by runs with one id."""

    def __init__(self, cli: Cli, name: str, *pool: str) -> None:
        self.cli = cli
        self.name = name
        self.killed: list[int] = []
        self.flags = (
            *FLAGS,
            *pool,
            "--manifest-bucket",
            f"./{name}",
            "--output-path",
            f"./{name}.parquet",
            "--run-id",
            name,
        )

    def kill(self, moment: Callable[[], bool], later_s: float) -> None:
        """Start a run, and kill its process group ``later_s`` after ``moment`` becomes true."""
        process = self.cli.start("gamedata", "run", *self.flags)
        until(lambda: moment() or process.poll() is not None, 90)
        # The kill happens at any time, not at a condition.
        time.sleep(later_s)
        assert process.poll() is None, process.communicate()
        below = descendants(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        assert self.cli.finish(process, 30).code == -signal.SIGKILL
        until(lambda: not any(map(is_alive, below)), 60)
        until(lambda: not [each for each in self.cli.processes() if "postgres" not in each], 60)
        self.killed.append(process.pid)

    def committed(self) -> dict[str, str | None]:
        """Map each committed TAR to its file's ETag, which changes if the TAR is read again."""
        store = FileStore(self.cli.folder / self.name)
        store.make_root()
        return {row["s3_key"]: row["pt_etag"] for row in read_parts(store, ["pt_etag"]).to_pylist()}

    def outcome(self) -> dict[str, Any]:
        """Return rows and content hashes, without times and versions."""
        root = self.cli.folder / self.name
        rows = {row["s3_key"]: row for row in read_parts(FileStore(root)).to_pylist()}
        files = {str(path.relative_to(root)): path for path in root.rglob("*.pt")}
        manifest = self.cli.manifest(f"{self.name}.parquet")
        url = embedded.ensure(self.cli.folder / ".telecine")
        try:
            ledger = ledger_of(Database("telecine", url), self.name)
        finally:
            embedded.release(self.cli.folder / ".telecine")
        ledger["stages"] = [[*stage[:4], *stage[5:]] for stage in ledger["stages"]]  # without the path of the manifest
        return {
            # As text, because NaN != NaN.
            "rows": {key: {n: str(v) for n, v in row.items() if n not in VOLATILE} for key, row in rows.items()},
            "pt": {key: torch.load(path, weights_only=True)["checksum"] for key, path in files.items()},
            "manifest": {key: row | {"processed_time": None, "error_traceback": None} for key, row in manifest.items()},
            "ledger": ledger,
        }


def test_killed_runs_on_ray_and_one_to_the_end():
    times = random.Random(5)
    with Cli.fresh() as cli:
        (cli.folder / "tars").mkdir()
        for key, kind in KINDS.items():
            (cli.folder / "tars" / key).write_bytes(sample_tar(kind, seconds=40, is_whole=True))
        # Worker processes write the same, and start sooner.
        whole, disturbed = Bucket(cli, "whole"), Bucket(cli, "disturbed", *RAY)
        cli("gamedata", "run", *whole.flags).expect(0)
        expected = whole.outcome()
        assert set(expected["rows"]) == set(expected["manifest"]) == set(KINDS)
        assert len(expected["pt"]) == COUNT

        disturbed.kill(lambda: bool(cli.processes()), times.uniform(1, 4))
        disturbed.kill(lambda: len(disturbed.committed()) > 0, times.uniform(0, 0.1))
        first = disturbed.committed()
        # Another telecine on this machine may already have swept the leftovers.
        assert len(rays(disturbed.killed[1])) <= 1
        assert 0 < len(first) < len(KINDS)
        done = cli("gamedata", "run", *disturbed.flags).expect(0)
        assert rays(disturbed.killed[1]) == [], "the next Ray sweeps the leftovers of the killed one"
        counts = cli.report(done)["counts"]
        assert first.items() <= disturbed.committed().items()
        assert counts["extract.ray_workers"] == 2
        assert counts["extract.done_before"] + counts.get("extract.failed_before", 0) == len(first)
        assert disturbed.outcome() == expected
        cli("gamedata", "verify", "--manifest-bucket", "./disturbed").expect(0)
