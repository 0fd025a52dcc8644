"""Extraction on a real local Ray, with a reader that needs no video."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobs.gamedata.compute.local import LocalRay
from jobs.gamedata.parts.store import read_parts, read_rows
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from shared.errors import StorageFull
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.sessions import extract_fake

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 180


class Runner:
    """A runner that echoes its work, raises or dies."""

    def __init__(self):
        self.done = 0

    def run(self, work):
        self.done += 1
        if work == "die":
            os._exit(3)
        if work == "full":
            raise StorageFull("no space", uri="file:///x")
        return os.getpid(), work, self.done


def children():
    """Return the pids of all descendants of this process."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def processes_of(mark):
    """Return the processes whose environment has this MARK; Ray changes the command lines of its processes."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MARK") == mark:
                found.append(process)
    return found


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        signal.sigtimedwait([], 0.05)


def test_a_pool_works_survives_deaths_raises_and_cleans_up():
    before = children()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with LocalRay(Runner, workers=2) as pool:
        started = {word.rpartition("/")[2] for pid in children() - before for word in psutil.Process(pid).cmdline()}
        assert "gcs_server" in started
        # Ray's autoscaler, its API server and its log monitor.
        assert not {"monitor.py", "dashboard.py", "log_monitor.py"} & started
        for number in range(8):
            pool.submit(number)
        outcomes = list(pool)
        assert sorted(outcome.result[1] for outcome in outcomes) == list(range(8))
        assert len({outcome.result[0] for outcome in outcomes}) == 2
        assert max(outcome.result[2] for outcome in outcomes) > 1

        for work in ("die", 1, 2, 3):
            pool.submit(work)
        outcomes = {outcome.work: outcome for outcome in pool}
        assert outcomes["die"].result is None
        assert outcomes["die"].died
        assert [outcomes[number].result[1] for number in (1, 2, 3)] == [1, 2, 3]

        pool.submit("full")
        with pytest.raises(StorageFull) as caught:
            list(pool)
        assert type(caught.value) is StorageFull
        assert caught.value.data == {"uri": "file:///x"}
    wait_until(lambda: children() <= before)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not list(Path("/tmp").glob(f"telecine-ray-{os.getpid()}-*"))


ALONE = """
import json, os, psutil, stat
from pathlib import Path
from jobs.gamedata.compute.local import LocalRay
from shared.errors import TelecineError
from tests.integration.test_extract_ray import Broken, ImportPath
facts = {"tokens": [], "listens": []}
with LocalRay(ImportPath, workers=1) as pool:
    pool.submit(1)
    (facts["path"],) = [outcome.result for outcome in pool]
    from ray._raylet import AuthenticationMode, get_authentication_mode
    assert get_authentication_mode() == AuthenticationMode.TOKEN
    facts["tokens"].append(os.environ["RAY_AUTH_TOKEN"])
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        for each in process.net_connections():
            if each.status == psutil.CONN_LISTEN:
                facts["listens"].append(each.laddr.ip)
    (folder,) = Path("/tmp").glob(f"telecine-ray-{os.getpid()}-*")
    facts["mode"] = stat.filemode(folder.stat().st_mode)
    facts["digits"] = len(str(os.getpid()))
    facts["sockets"] = [len(str(path)) for path in folder.rglob("*") if path.is_socket()]
try:
    with LocalRay(Broken, workers=1):
        facts["error"] = None
except TelecineError as error:
    facts["error"] = error.message
facts["tokens"].append(os.environ["RAY_AUTH_TOKEN"])
facts["left"] = [str(path) for path in Path("/tmp").glob(f"telecine-ray-{os.getpid()}-*")]
print("facts", json.dumps(facts))
"""


class Broken:
    """A runner that cannot be made."""

    def __init__(self):
        raise ImportError("no module of that name")


class ImportPath:
    """A runner that returns its process's import path."""

    def run(self, _):
        return sys.path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Facts that two local clusters in turn show to their one driver: a start takes 8 s.

    The worker of the second cannot start.
    """
    folder = tmp_path_factory.mktemp("alone")
    (folder / "numpy.py").write_text("raise SystemExit('numpy of the current folder')")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "HOME": str(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("facts ")]
    return json.loads(line.removeprefix("facts ")) | {"folder": folder, "stderr": done.stderr}


def test_a_worker_that_cannot_start_is_an_error(alone):
    assert "no module of that name" in alone["error"]
    assert alone["left"] == []


def test_a_local_cluster_listens_on_loopback(alone):
    """Ray 2.60 replaces 127.0.0.1 with the machine's address."""
    assert alone["listens"]
    assert set(alone["listens"]) <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_a_local_cluster_imports_nothing_from_the_current_folder(alone):
    """Ray 2.60 puts the current folder first on the path."""
    assert alone["path"]
    assert not {str(alone["folder"]), "", "."} & set(alone["path"])


def test_a_local_cluster_has_a_token_of_its_own_and_leaves_none_in_the_home_folder(alone):
    """By default Ray 2.60 writes one to ~/.ray/auth_token, where every user can read it with the usual umask."""
    assert len(alone["tokens"]) == 2
    (token,) = set(alone["tokens"])
    assert re.fullmatch(r"[0-9a-f]{64}", token)
    assert token not in alone["stderr"]
    assert not list(alone["folder"].rglob("*token*"))


def test_no_other_user_can_enter_the_folder_of_a_local_cluster(alone):
    """Ray 2.60 gives the folder that it is told to use mode 0777, and the plasma store's socket the longest path."""
    assert alone["mode"] == "drwx------"
    # Two names of the path contain a process id, of at most seven digits; sun_path has 108 bytes, the last for a NUL.
    assert 0 < max(alone["sockets"]) + 2 * (7 - alone["digits"]) < 108


def fake_reader(_device):
    return extract_fake()


def whole(_):
    return fake_reader


def make_tars(tmp_path, count):
    source = open_store(f"file://{tmp_path}/in", create=True)
    for number in range(count):
        source.put(f"s/{number:02d}.tar", f"body {number}".encode())
    return ExtractSettings(
        source_bucket=source.uri, manifest_bucket=f"{tmp_path}/out", workers=2, state_dir=str(tmp_path / "state")
    )


SCRIPT = """
import functools, signal, sys, threading
from jobs.gamedata.steps import extract
from jobs.gamedata.settings import ExtractSettings
from shared.errors import Stopped
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.sessions import extract_fake

def slow(body):
    if body == b"body 7":
        threading.Event().wait()

def reader(device):
    return extract_fake(hook=slow)

def make_extract(_):
    return reader

def stop(signum, frame):
    raise Stopped(signum)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    settings = ExtractSettings(source_bucket=sys.argv[1] + "/in", manifest_bucket=sys.argv[1] + "/out", workers=2)
    try:
        extract.run_with(settings, MemoryStageRun(), make_extract=make_extract, make_pool=extract.local_ray)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
"""


def test_a_signal_to_the_process_group_leaves_no_process_and_loses_no_commit(tmp_path):
    """SIGKILL is in tests/kills/test_kill_ray.py. Both at once: most of the time, a Ray that starts or ends waits."""
    (tmp_path / "slow.py").write_text(SCRIPT)
    runs = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / number.name
        folder.mkdir()
        settings = make_tars(folder, 10)
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "slow.py"), str(folder)],
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": str(folder)},
        )
        runs[number] = (folder, settings, process)
    try:
        for number, (folder, settings, process) in runs.items():
            target = open_store(settings.manifest_bucket)
            wait_until(lambda: (folder / "out" / "_stats").exists() and any(target.list("_stats/")))  # noqa: B023 - at once
            os.killpg(process.pid, number)
        codes = {number: process.wait(timeout=DEADLINE_S) for number, (_, _, process) in runs.items()}
    finally:
        for _, _, process in runs.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert codes == {number: 128 + number for number in runs}
    for folder, settings, _ in runs.values():
        wait_until(lambda: not processes_of(str(folder)))  # noqa: B023 - at once
        _check_commits(settings)


def _check_commits(settings):
    target = open_store(settings.manifest_bucket)
    committed = {row["s3_key"]: row["pt_etag"] for row in read_rows(target, ["s3_key", "pt_etag"]).to_pylist()}
    assert 0 < len(committed) < 10

    report = extract.run_with(settings, MemoryStageRun(), make_extract=whole, make_pool=InlinePool)
    assert report.counts["done_before"] == len(committed)
    rows = read_parts(target).to_pylist()
    assert len(rows) == 10
    assert all(target.stat(row["pt_key"]).etag == row["pt_etag"] for row in rows if row["stored"])
    assert all(row["pt_etag"] == committed[row["s3_key"]] for row in rows if row["s3_key"] in committed)
