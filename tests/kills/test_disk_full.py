"""A full disk: the message, the leftovers, and the next run after space is freed."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from shared.database import embedded
from tests.cli import sample_tar
from tests.forked_cli import ForkedCli
from tests.in_process import InProcess
from tests.kills.place import Place
from tests.postgres_server import Database, reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kills.conftest import Undisturbed
    from tests.kills.killer import Child, Programs


pytestmark = pytest.mark.slow


# The report and the manifest are the driver's, with any workers.
@pytest.mark.parametrize(
    ("workers", "full", "what"),
    [
        (0, ("/out/", 0), r"cannot put file:///.*/out/\w\.pt: No space left on device; free space there"),
        (2, ("/out/", 0), r"cannot put file:///.*/out/\w\.pt: No space left on device; free space there"),
        (0, ("/out/", 40_000), r"cannot put file:///.*/out/.*: No space left on device; free space there"),
        (2, ("/out/_stats/", 0), r"cannot put file:///.*/out/_stats/.*: No space left on device; free space there"),
        (
            0,
            ("/out/_stats/", 50_000),
            r"cannot put file:///.*/out/_stats/.*: No space left on device; free space there",
        ),
        (0, ("/published/", 0), r"cannot put file:///.*/published/manifest\.parquet: No space left on device; free"),
        (0, ("/report/", 0), r"the report could not be written: cannot put file:///.*report\.json: No space left on"),
    ],
    ids=["first .pt", "first .pt of two", "second .pt", "first part", "later part", "manifest", "report"],
)
def test_a_full_disk(
    new_place: Callable[[], Place], undisturbed: Undisturbed, workers: int, full: tuple[str, int], what: str
):
    expected = undisturbed.outcome
    place = new_place()
    child = place.start(free=True, full=full[0], room=full[1], workers=workers)
    assert child.finish() == 75, child.said()
    lines = [json.loads(line)["message"] for line in child.said().splitlines() if line.startswith("{")]
    assert any(re.search(what, line) for line in lines), lines
    assert "Traceback" not in child.said()
    assert place.temporaries() == []
    assert place.hashes().items() <= expected["pt"].items()
    committed, decoded = place.committed(), place.decoded()
    assert {row["error_code"] for row in place.manifest()} <= {None, "video_missing"}
    place.run()
    assert place.outcome() == expected
    assert not committed & set(place.decoded() - decoded)
    assert max(place.decoded().values()) <= 2


class Disk:
    """A separate file system of a few megabytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def mounted(cls, path: Path, megabytes: int) -> Iterator[Disk]:
        path.mkdir()
        options = f"size={megabytes}m,mode=0755"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=False).returncode:
            pytest.skip("not root, or a root that may not mount: no disk of its own can be had here")
        try:
            yield cls(path)
        finally:
            subprocess.run(["umount", "--lazy", path], check=True)

    def grow(self, megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", self.path], check=True)

    def fill(self) -> None:
        subprocess.run(["dd", "if=/dev/zero", f"of={self.path}/fill", "bs=64k"], check=False, capture_output=True)

    def clear(self) -> None:
        (self.path / "fill").unlink()


def test_the_disk_of_the_ledgers_server_is_full(programs: Programs, tars: Path):
    with reachable_folder() as folder, Disk.mounted(folder / "disk", 20) as disk:
        state = disk.path / "state"
        count = iter(range(9))

        def start(open_s: float) -> Child:
            place = Place(folder / f"run-{next(count)}", tars, programs, Database("telecine", ""))
            return place.start("extract", "--state-dir", str(state), free=True, open_s=open_s)

        def extract(code: int) -> Child:
            return start(2.0).expect(code)

        # There is no space to create the server.
        said = extract(75).said()
        assert "initdb" in said
        assert "No space left on device" in said
        assert "Free 100 MB there, or set another --state-dir" in said
        disk.grow(300)
        extract(0)
        # The server cannot start again.
        until(lambda: not list(state.glob("postgres/run/.s.*")))
        disk.fill()
        said = extract(75).said()
        assert "No space left on device" in said
        assert "Free 100 MB there, or set another --state-dir" in said
        assert "Delete the folder" not in said, "it holds the ledger"
        disk.clear()
        # The disk fills up while the server runs: writes fit into its existing files (that depends on the length of the
        # parameters), or the ledger waits.
        database = Database("telecine", embedded.ensure(state))
        disk.fill()
        try:
            child = start(30.0)
            until(lambda: "the ledger waits" in child.said() or "report: file:" in child.said())
            disk.clear()
            child.expect(0)
            runs = [status for (status,) in database.rows("SELECT status FROM pipeline.runs ORDER BY created_at")]
        finally:
            embedded.release(state)
        assert runs == ["partial"] * 2
        until(lambda: not list(state.glob("postgres/run/.s.*")))


def test_a_log_file_on_a_full_disk_costs_one_line(tmp_path: Path, database: Database):
    (tmp_path / "out").mkdir()
    cli = InProcess(tmp_path, {"TELECINE_DATABASE_URL": database.url})
    done = cli("gamedata", "verify", "--manifest-bucket", "./out", "--log-file", "/dev/full").expect(0)
    warned = [line["message"] for line in done.logs if "/dev/full" in line["message"]]
    refusal = "cannot write to the log file /dev/full (No space left on device)"
    assert warned == [f"{refusal}; logging only to standard error from now on"]
    assert "Traceback" not in done.err


def test_the_real_command_on_a_small_disk(postgres: str):
    # Another database than the embedded one, whose disk is the subject above.
    with ForkedCli.on(postgres) as cli, Disk.mounted(cli.folder / "disk", 4) as disk:
        (cli.folder / "tars").mkdir()
        for number in range(12):
            (cli.folder / f"tars/{number:02d}.tar").write_bytes(sample_tar("gameplay-60fps"))
        flags = ("--source-bucket", "./tars", "--manifest-bucket", "./disk/out", "--batch-mb", "1", "--workers", "2")
        done = cli("gamedata", "run", *flags).expect(75)
        assert "No space left on device; free space there or use a folder on another disk" in done.err
        assert "Traceback" not in done.err
        assert 0 < len(cli.etags("disk/out")) < 12
        assert not list(disk.path.rglob(".telecine-put-*"))
        disk.grow(100)
        cli.forks_worker = True
        done = cli("gamedata", "run", *flags).expect(0)
        assert len(cli.manifest()) == len(cli.etags("disk/out")) == 12
        cli("gamedata", "verify", "--manifest-bucket", "./disk/out").expect(0)
