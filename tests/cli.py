"""The `telecine` command as a subprocess, as a user starts it: an environment of its own, a folder of its own.

    from tests.cli import Cli, sample_tars

    with Cli.fresh() as cli:
        done = cli("gamedata", "extract", "--source-bucket", "./tars", "--manifest-bucket", "./out")
        assert done.code == 0

The folder is the working directory; the state (`.telecine` with the embedded PostgreSQL and the reports) lies in it.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import psutil

from shared.database import embedded
from shared.database._location import find_location
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.settings import StepSettings
from tests.postgres_server import reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Cli", "Done", "copy_project", "descendants", "sample_tar", "sample_tars", "telecine"]

ROOT = Path(__file__).parents[1]
LIMIT_S = 150.0
_FOREIGN = ("TELECINE_", "AWS_", "ARGO_", "KUBERNETES_", "PG", "RAY_", "PYTHON", "COV_")


@dataclass(frozen=True)
class Done:
    """Exit code and output of a finished command."""

    code: int
    out: str
    err: str

    def expect(self, code: int) -> Done:
        """Fail with what the command said unless it ended so."""
        assert self.code == code, f"exit {self.code} instead of {code}\n{self.out}\n{self.err}"
        return self

    @functools.cached_property
    def logs(self) -> list[dict[str, Any]]:
        """The log's JSON lines."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


def telecine(argv: Iterable[str]) -> list[str]:
    """The command line that runs it with this interpreter; `-c` because the package need not be installed."""
    return [sys.executable, "-c", "from jobs.cli import main; main()", *argv]


class Cli:
    """Runs commands in one folder."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        self.env = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **(env or {}),
        }

    @classmethod
    @contextmanager
    def fresh(cls, env: Mapping[str, str] | None = None) -> Iterator[Cli]:
        """A command line in a new folder, which goes in the end, after the database that ran in it.

        The folder has a project's migrated database, as the second command of a user finds it: initdb and the
        migrations take 3 s of processor time. :mod:`tests.integration.test_embedded` is about first commands.
        """
        with reachable_folder() as folder:
            cli = cls(folder, env)
            copy_project(folder / ".telecine")
            try:
                yield cli
            finally:
                until(lambda: not cli.processes(), 30)

    def __call__(self, *argv: str, env: Mapping[str, str] | None = None, limit_s: float = LIMIT_S) -> Done:
        """Run a command to its end."""
        process = self.start(*argv, env=env)
        return self.finish(process, limit_s)

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command at the head of a process group of its own."""
        return subprocess.Popen(
            telecine(argv),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str], limit_s: float = LIMIT_S) -> Done:
        """Wait for a command's end; one that does not end within its limit is killed, and the test fails."""
        try:
            out, err = process.communicate(timeout=limit_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return Done(process.returncode, out, err)

    def processes(self) -> list[str]:
        """Commands of processes that run in the folder or name it: workers, decoders, the database."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            with suppress(psutil.Error):
                words = " ".join(process.info["cmdline"] or [])
                if process.pid != os.getpid() and (str(self.folder) in words or self._at_home(process)):
                    found.append(f"{process.pid} {words}")
        return found

    def _at_home(self, process: psutil.Process) -> bool:
        place = Path(process.cwd())
        return place == self.folder or self.folder in place.parents

    def report(self, done: Done) -> dict[str, Any]:
        """The `report.json` of a command: its run is named in the log."""
        run = next(line["run"] for line in reversed(done.logs) if "run" in line)
        document: dict[str, Any] = json.loads((self.folder / ".telecine/reports" / run / "report.json").read_text())
        return document

    def etags(self, bucket: str) -> dict[str, tuple[int, int, int]]:
        """Identify the `.pt` files of a folder by size, mtime and inode."""
        root = self.folder / bucket
        stats = {path: path.stat() for path in sorted(root.rglob("*.pt"))}
        return {str(path.relative_to(root)): (s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats.items()}

    def manifest(self, name: str = "manifest.parquet") -> dict[str, dict[str, Any]]:
        """Rows of a manifest, by session."""
        import pyarrow.parquet as pq

        rows = pq.read_table(self.folder / name).to_pylist()
        assert len({row["s3_key"] for row in rows}) == len(rows)
        return {row["s3_key"]: row for row in rows}


@functools.cache
def _migrated() -> Path:
    """Make a project's database, and return the folder of its files once its server has ended."""
    with ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        url = embedded.ensure(folder, {"fsync": "off"})
        upgrade(StepSettings(database_url=url))
        dispose()
        embedded.release(folder)
        place = find_location(folder)
        until(lambda: not (place.data / "postmaster.pid").exists())
        atexit.register(stack.pop_all().close)
    return place.base


def copy_project(state_dir: Path) -> None:
    """Give a project's folder a migrated database, as the second command of a user finds it: 0.1 s instead of 3 s."""
    place = find_location(state_dir)
    # The files belong to the server's user.
    subprocess.run(["cp", "-a", str(_migrated() / place.data.name), str(place.data)], check=True)


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below one."""
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


@functools.cache
def sample_tar(kind: str, seconds: float = 10, seed: int = 1, *, is_whole: bool = False) -> bytes:
    """One TAR of the sample set, made once per test process.

    It has 2 frames/s, as long and with as many keyframes: to draw and encode them all takes three times as long. A kind
    that `is_whole` has its own frames, 60 per second of "gameplay-60fps".
    """
    from jobs.gamedata.sample import kinds
    from jobs.gamedata.steps.sample import make

    whole = kinds.KINDS[kind]
    encoding = replace(whole.encoding, fps=2, gop=whole.encoding.gop * 2 // whole.encoding.fps)
    with mock.patch.dict(kinds.KINDS, {} if is_whole else {kind: replace(whole, encoding=encoding)}):
        return make(kind, seconds=seconds, seed=seed)


def sample_tars(folder: Path, kinds: Mapping[str, str], seconds: float = 10) -> None:
    """Write TARs: key -> kind."""
    for key, kind in kinds.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample_tar(kind, seconds))
