"""The pool of worker processes, and extraction on it, with a reader that needs no video."""

from __future__ import annotations

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobs.gamedata.compute.processes import Processes
from jobs.gamedata.parts.store import read_parts, read_rows
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from shared.errors import ConfigurationError, StorageFull, TelecineError, TransientError
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.runners import Dying, Runner, broken, deadly, missing, once, read_fake, unpacked, write_fake

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
# Keys of TARs, as a hostile producer of recordings may choose them.
NAMES = ("plain", "a b", "new\nline", "quo'te\"", "$(touch x)", "-rf", "ä\u202eexe", "x" * 200, "%s{0}")


def workers():
    """Return the children of this process that run worker processes."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "jobs.gamedata.compute.process_main" in process.cmdline():
                found.add(process.pid)
    return found


def is_alive(pid):
    with suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        signal.sigtimedwait([], 0.02)


def outcomes(pool, *works):
    for work in works:
        pool.submit(work)
    return {outcome.work: outcome for outcome in pool}


def test_a_pool_works_survives_deaths_raises_and_cleans_up():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Processes(Runner, workers=2) as pool:
        wait_until(lambda: len(pool._idle) == 2 or pool._step())
        found = [outcome.result for outcome in outcomes(pool, *range(8)).values()]
        assert sorted(each[1] for each in found) == list(range(8))
        assert {each[0] for each in found} == workers()
        assert max(each[2] for each in found) > 1

        killed, left, forked = ("kill", signal.SIGKILL), ("leave", 3), ("fork", 0)
        found = outcomes(pool, killed, 1, left, 2, forked, 3)
        assert found[killed].died == "it was killed by SIGKILL"
        # What it wrote last, without what a terminal would obey.
        assert found[left].died == r"it exited with 3: an odd end\x1b[31m"
        assert found[forked].died == "it exited with 3"
        assert [found[number].result[1] for number in (1, 2, 3)] == [1, 2, 3]
        assert found[killed].result is found[left].result is found[forked].result is None
        assert outcomes(pool, ("big", 3_000_000))["big", 3_000_000].result == b"x" * 3_000_000

        # Killed while it is idle: it worked on nothing, so no work is to blame.
        for worker in pool._idle:
            os.kill(worker.pid, signal.SIGKILL)
        wait_until(lambda: all(worker.has_ended() for worker in pool._idle))
        assert all(outcome.died is None for outcome in outcomes(pool, 1, 2, 3).values())
        helper = outcomes(pool, ("child", 0))["child", 0].result
        assert is_alive(helper)
    assert not workers()
    wait_until(lambda: not is_alive(helper))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_exceptions_arrive_as_raised_or_if_no_pickle_restores_them_as_one_like_them():
    with Processes(Runner, workers=1) as pool:
        with pytest.raises(StorageFull, match="no space") as caught:
            outcomes(pool, ("fail", "full"))
        assert type(caught.value) is StorageFull
        assert caught.value.data == {"uri": "file:///x"}
        with pytest.raises(RuntimeError, match="Awkward: item at here") as awkward:
            outcomes(pool, ("fail", "awkward"))
        assert "in fail\n    raise Awkward" in awkward.value.__notes__[0]
        with pytest.raises(TelecineError, match="it holds a lock") as held:
            outcomes(pool, ("fail", "held"))
        assert (held.value.code, held.value.retryable, held.value.exit_code) == ("held", True, 65)
        with pytest.raises(ValueError, match="a bug"):
            outcomes(pool, ("fail", "bug"))
        with pytest.raises(TypeError, match="pickle"):
            outcomes(pool, ("lock", 0))
        # The worker is still the same one.
        assert outcomes(pool, 1)[1].result[2] == 6


def test_workers_that_cannot_start_are_an_error(tmp_path):
    with pytest.raises(TelecineError, match="does not start: ImportError: no module of that name"):
        Processes(broken, workers=1).__enter__()
    with pytest.raises(ConfigurationError, match="no CUDA device"):
        Processes(missing, workers=2).__enter__()
    with pytest.raises(ModuleNotFoundError, match="torch") as absent:
        Processes(unpacked, workers=1).__enter__()
    assert absent.value.name == "torch", "the command names the extra by it"
    with pytest.raises(
        TransientError, match="3 worker processes in a row did not start, the last because it was killed by SIGKILL"
    ):
        Processes(Dying, workers=1).__enter__()
    with Processes(functools.partial(once, str(tmp_path / "mark")), workers=1) as pool:
        assert outcomes(pool, 5)[5].result[1] == 5
    assert not workers()


def test_a_worker_that_finds_no_room_is_not_a_bug(monkeypatch):
    """As in a pod with a limit of processes; a full disk is left to the command."""
    real, refused = subprocess.Popen, [errno.EAGAIN, errno.EMFILE]

    def popen(*arguments, **options):
        if refused:
            raise OSError(refused.pop(), "no room")
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", popen)
    with Processes(Runner, workers=1) as pool:
        assert outcomes(pool, 5)[5].result[1] == 5
        refused += [errno.ENOMEM] * 3
        with pytest.raises(TransientError, match="did not start, the last because the system refused it"):
            outcomes(pool, ("leave", 3), 6)
    refused += [errno.ENOSPC]
    with pytest.raises(OSError, match="no room"):
        Processes(Runner, workers=1).__enter__()
    assert not workers()


def test_a_worker_has_our_environment_and_imports_nothing_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('numpy of the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "ours")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Processes(Runner, workers=1) as pool:
        environment, path, session = outcomes(pool, ("environment", 0))["environment", 0].result
    assert environment["AWS_PROFILE"] == "ours"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert not {str(tmp_path), "", "."} & set(path)
    assert session != os.getsid(0)


def make_tars(tmp_path, names):
    source = open_store(f"file://{tmp_path}/in", create=True)
    for number, name in enumerate(names):
        source.put(f"{name}.tar", b"bad" if number == 3 else f"body {number}".encode())
    places = {"source_bucket": source.uri, "manifest_bucket": f"{tmp_path}/out", "state_dir": f"{tmp_path}/state"}
    # To look for another device, each worker would import torch.
    return ExtractSettings(**places, workers=2, device="cpu")


def fake_reader(_device, **fake):
    return read_fake(**fake)


def make_extract(_):
    return functools.partial(fake_reader, fail={b"bad": "video_missing"})


def test_tars_of_hostile_names_give_the_same_rows_as_in_one_process(tmp_path, monkeypatch):
    """Their names pass through messages, logs and errors."""
    monkeypatch.setattr("jobs.gamedata.extraction.worker.dump", write_fake)
    rows = {}
    made = make_tars(tmp_path, NAMES)
    for name, make_pool in (("one", InlinePool), ("many", extract.processes)):
        settings = made.model_copy(update={"manifest_bucket": f"file://{tmp_path}/{name}"})
        stage = MemoryStageRun()
        report = extract.run_with(settings, stage, make_extract=make_extract, make_pool=make_pool)
        assert (report.exit_code, report.counts["extracted"], report.rejects) == (0, 8, {"video_missing": 1})
        assert stage.progress.done == len(NAMES)
        own = {"worker", "seconds", "cpu_s", "extracted_at", "run_id", "pt_etag", "pt_sha256", "generation"}
        table = read_parts(open_store(settings.manifest_bucket)).to_pylist()
        rows[name] = {row["s3_key"]: {n: str(v) for n, v in row.items() if n not in own} for row in table}
    assert rows["many"] == rows["one"]
    assert len(rows["many"]) == len(NAMES)
    assert report.counts["worker_processes"] == 2


def make_deadly_extract(_):
    return deadly


def test_a_tar_that_kills_its_worker_fails_alone(tmp_path):
    settings = make_tars(tmp_path, map(str, range(3))).model_copy(update={"workers": 1})
    report = extract.run_with(settings, MemoryStageRun(), make_extract=make_deadly_extract, make_pool=extract.processes)
    assert (report.counts["extracted"], report.rejects) == (2, {"decode_crashed": 1})
    (failure,) = report.failures
    assert (failure.item, failure.code) == ("1.tar", "decode_crashed")
    assert failure.message == "the worker process died while it read this TAR: it was killed by SIGKILL"
    assert sorted(key.key for key in open_store(settings.manifest_bucket).list() if key.key.endswith(".pt")) == [
        "0.pt",
        "2.pt",
    ]


SCRIPT = """
import signal, sys
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from shared.errors import Stopped
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.runners import make_slow_extract

def stop(signum, frame):
    raise Stopped(signum)

signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
places = {"source_bucket": sys.argv[1] + "/in", "manifest_bucket": sys.argv[1] + "/out"}
settings = ExtractSettings(**places, workers=2, device="cpu")
try:
    extract.run_with(settings, MemoryStageRun(), make_extract=make_slow_extract, make_pool=extract.processes)
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""


def processes_of(mark):
    """Return the processes whose environment has this MARK."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MARK") == mark:
                found.append(process)
    return found


# Workers lead sessions of their own, so a signal for the group of their parent reaches the parent only.
# tests.integration.test_gamedata_signals sends SIGINT, too.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_process_and_loses_no_commit(tmp_path, number):
    settings = make_tars(tmp_path, map(str, range(10)))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        start_new_session=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        target = open_store(settings.manifest_bucket)
        # One worker never ends by itself.
        wait_until((tmp_path / "held").exists)
        wait_until(lambda: (tmp_path / "out" / "_stats").exists() and any(target.list("_stats/")))
        started = processes_of(str(tmp_path))
        assert len(started) == 3
        assert [each.pid for each in started if os.getpgid(each.pid) == process.pid] == [process.pid]
        os.killpg(process.pid, number)
        code = process.wait(timeout=DEADLINE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert code == (-9 if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not processes_of(str(tmp_path)))
    committed = {row["s3_key"]: row["pt_etag"] for row in read_rows(target, ["s3_key", "pt_etag"]).to_pylist()}
    assert 0 < len(committed) < 10
    assert all(target.stat(key.replace(".tar", ".pt")).etag == etag for key, etag in committed.items() if etag)
