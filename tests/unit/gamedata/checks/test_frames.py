from __future__ import annotations

import io
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.gamedata.checks.frames import CHECKS, FrameTask, Work, digest_of, run_frames
from jobs.gamedata.checks.load import CheckFile, load_checks
from jobs.gamedata.compute.pool import Outcome
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from jobs.gamedata.pt.measure import distinct_frames, measure_frames
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared.errors import TransientError
from shared.storage import open_store
from tests.fakes import parts
from tests.fakes.ledger import MemoryProgress, MemoryStageRun
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

CHECK = """
import os

from jobs.gamedata.checks import frames_check

@frames_check("brightness", float, also={"first": int})
def brightness(data, settings):
    frames = data.sampled_frames["stride-30_chw"]
    if data.s3_key == "bad.tar":
        raise ValueError("bad frames")
    if data.s3_key == "crash.tar":
        os._exit(9)
    return {"brightness": float(frames.mean()), "first": int(frames[0, 0, 0, 0])}
"""


# Passing checks before and after the one that kills the process.
BESIDES = """
from jobs.gamedata.checks import frames_check

@frames_check("count", int)
def count(data, settings):
    return len(data.sampled_frames["stride-30_chw"])
{crash}
@frames_check("last", int)
def last(data, settings):
    return int(data.sampled_frames["stride-30_chw"][-1, 0, 0, 0])
""".replace("{crash}", CHECK.replace("from jobs.gamedata.checks import frames_check\n", ""))


class InProcess:
    """A pool that works at once; work on a session that would end the process "dies"."""

    made = 0
    kind = "worker_processes"

    def __init__(self, make, *, workers):
        self.runner = make()
        self.queue = []
        InProcess.made += 1

    def submit(self, work):
        self.queue.append(work)

    def __enter__(self):
        return self

    def __exit__(self, *caught):
        return None

    def __iter__(self):
        while self.queue:
            work = self.queue.pop(0)
            died = any(task.s3_key == "crash.tar" and task.only in (None, "brightness") for task in work)
            yield Outcome(work, None if died else self.runner.run(work), "killed" if died else None)


@pytest.fixture
def bucket(tmp_path):
    return open_store(f"file://{tmp_path}/bucket", create=True)


def put(store, *keys):
    rows = []
    for seed, key in enumerate(keys):
        session = make_session(seed=seed, duration_s=90.0)
        body = bytes(pt.dump(session, s3_key=key, source_etag="e", spec=SamplingSpec(), extracted_at="2026-01-01"))
        info = store.put(pt.pt_key(key), body)
        rows.append(parts.part_row(key, stored=True, pt_key=info.key, pt_size=info.size, pt_etag=info.etag))
    parts.commit(store, *rows)
    return [FrameTask(row["s3_key"], row["pt_key"], row["pt_etag"], row["pt_size"]) for row in rows]


def check_file(tmp_path, text=CHECK):
    (tmp_path / "mine.py").write_text(text)
    return CheckFile.read(str(tmp_path / "mine.py"))


def work(store, file, **settings):
    chosen = ManifestSettings(manifest_bucket=store.uri, workers=1, **settings)
    checks = [check for check in load_checks([file]) if check.kind == "frames"]
    digests = {check.name: digest_of(check.name, check.digest) for check in checks}
    return Work(store.uri, chosen, (file,), digests, {check.name: check.columns for check in checks})


def run(store, file, tasks, **settings):
    return run_frames(store, work(store, file, **settings), tasks, MemoryProgress(), pool=InProcess)


def test_distinct_frames_come_once_in_order_of_time():
    session = make_session(duration_s=90.0)
    data = pt.loads(bytes(pt.dump(session, s3_key="k", source_etag="e", spec=SamplingSpec(), extracted_at="t")))
    times, frames = distinct_frames(data)
    np.testing.assert_array_equal(times, session.frames.time_s)
    assert [int(frame[0, 0, 0]) for frame in frames] == [round(time) for time in times]


def test_frames_of_a_pt_are_measured_as_extraction_does():
    random = np.random.default_rng(1)
    frame = random.integers(40, 200, (3, 360, 640), dtype=np.uint8)
    frame[:, :45] = 0
    frame[:, -45:] = 0
    found = measure_frames(np.array([3.0, 6.0]), [frame, np.zeros_like(frame)])
    np.testing.assert_allclose(found.border_top, [45 / 360, 1.0], atol=0.012)
    np.testing.assert_allclose(found.border_bottom, [45 / 360, 1.0], atol=0.012)
    assert found.border_left.tolist() == [0.0, 1.0]
    grey = 0.299 * frame[0].astype(float) + 0.587 * frame[1] + 0.114 * frame[2]
    assert found.luma_mean[0] == pytest.approx(grey.mean(), abs=0.5)


def test_results_are_committed_and_read_back_without_a_worker(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar", "b.tar"), check_file(tmp_path)
    first = run(bucket, file, tasks)
    assert first.values["brightness"][tasks[0].pt_key, tasks[0].etag]["first"] == 30
    before = InProcess.made
    again = run(bucket, file, tasks)
    assert InProcess.made == before
    assert again.values == first.values
    assert [info.key.startswith(CHECKS) for info in bucket.list(CHECKS)]


def test_another_version_of_the_file_runs_again(bucket, tmp_path):
    tasks = put(bucket, "a.tar")
    run(bucket, check_file(tmp_path), tasks)
    found = run(bucket, check_file(tmp_path, CHECK.replace("frames.mean()", "frames.max()")), tasks)
    assert found.values["brightness"]["a.pt", tasks[0].etag]["brightness"] == 60.0


def test_another_threshold_runs_again(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar"), check_file(tmp_path, PIXELS.replace("cache_mb if", "dark_luma if"))
    run(bucket, file, tasks)
    before = InProcess.made
    run(bucket, file, tasks, dark_luma=40.0)
    assert InProcess.made == before + 1


PIXELS = """
from jobs.gamedata.checks import frames_check

@frames_check("cached_mb", float)
def cached_mb(data, settings):
    return settings.cache_mb if data.s3_key == "a.tar" else 0
"""

DUMP = PIXELS.replace("settings.cache_mb", "settings.model_dump()['cache_mb']")
ITEMS = PIXELS.replace("settings.cache_mb", "dict(settings)['cache_mb']")
COPY = PIXELS.replace("settings.cache_mb", "pickle.loads(pickle.dumps(settings)).cache_mb").replace(
    "\n", "\nimport pickle\n", 1
)


@pytest.mark.parametrize("text", [PIXELS, DUMP, ITEMS, COPY], ids=["attribute", "dump", "items", "copy"])
def test_any_setting_that_a_check_reads_counts(bucket, tmp_path, text):
    tasks, file = put(bucket, "a.tar", "b.tar"), check_file(tmp_path, text)
    identity = (tasks[0].pt_key, tasks[0].etag)
    assert run(bucket, file, tasks, cache_mb=7).values["cached_mb"][identity] == {"cached_mb": 7}
    assert run(bucket, file, tasks, cache_mb=8).values["cached_mb"][identity] == {"cached_mb": 8}


ONCE = """
from jobs.gamedata.checks import frames_check

kept = []

@frames_check("cached_mb", float)
def cached_mb(data, settings):
    if not kept:
        kept.append(settings.cache_mb)
    return kept[0]

@frames_check("cached_gb", float)
def cached_gb(data, settings):
    return kept[0] / 1000
"""


def test_a_setting_that_a_check_reads_once_counts_for_every_session(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar", "b.tar"), check_file(tmp_path, ONCE)
    for size in (7, 8):
        found = run(bucket, file, tasks, cache_mb=size)
        assert list(found.values["cached_mb"].values()) == [{"cached_mb": size}] * 2
        assert list(found.values["cached_gb"].values()) == [{"cached_gb": size / 1000}] * 2


def test_a_setting_that_no_check_reads_does_not_count(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar"), check_file(tmp_path, PIXELS)
    run(bucket, file, tasks, cache_mb=7)
    before = InProcess.made
    assert run(bucket, file, tasks, cache_mb=7, dark_luma=40.0, prefix="a").values["cached_mb"]
    assert InProcess.made == before


def test_results_under_earlier_settings_are_found_again(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar"), check_file(tmp_path, PIXELS)
    run(bucket, file, tasks, cache_mb=7)
    run(bucket, file, tasks, cache_mb=8)
    before = InProcess.made
    assert run(bucket, file, tasks, cache_mb=7).values["cached_mb"]["a.pt", tasks[0].etag] == {"cached_mb": 7}
    assert InProcess.made == before


def test_a_replaced_pt_runs_again(bucket, tmp_path):
    file = check_file(tmp_path)
    run(bucket, file, put(bucket, "a.tar"))
    before = InProcess.made
    run(bucket, file, put(bucket, "a.tar"))
    assert InProcess.made == before + 1


def test_failures_stay_in_their_row_and_are_tried_again(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar", "bad.tar", "c.tar"), check_file(tmp_path)
    found = run(bucket, file, tasks)
    ((identity, (message, trace, _)),) = found.errors["brightness"].items()
    assert identity[0] == "bad.pt"
    assert message == "brightness: ValueError: bad frames"
    assert "in brightness" in trace
    assert len(found.values["brightness"]) == 2
    before = InProcess.made
    assert run(bucket, file, tasks).errors["brightness"]
    assert InProcess.made == before + 1


def test_a_check_that_kills_its_worker_costs_one_row(bucket, tmp_path):
    tasks = put(bucket, *(f"{number}.tar" for number in range(9)), "crash.tar")
    found = run(bucket, check_file(tmp_path), tasks)
    assert [key for key, _ in found.errors["brightness"]] == ["crash.pt"]
    assert len(found.values["brightness"]) == 9


def test_a_check_that_kills_its_worker_does_not_affect_the_other_checks_values(bucket, tmp_path):
    tasks = put(bucket, *(f"{number}.tar" for number in range(5)), "crash.tar")
    progress = MemoryProgress()
    asked = work(bucket, check_file(tmp_path, BESIDES))
    found = run_frames(bucket, asked, tasks, progress, pool=InProcess)
    assert {name: [key for key, _ in errors] for name, errors in found.errors.items()} == {"brightness": ["crash.pt"]}
    assert "brightness: the worker process died" in next(iter(found.errors["brightness"].values()))[0]
    crashed = (tasks[-1].pt_key, tasks[-1].etag)
    assert (found.values["count"][crashed], found.values["last"][crashed]) == ({"count": 2}, {"last": 60})
    assert {name: len(values) for name, values in found.values.items()} == {"count": 6, "brightness": 5, "last": 6}
    assert (progress.done, progress.total) == (6, 6)
    # The other checks' results are kept; only the check that died is retried.
    before = InProcess.made
    again = run_frames(bucket, asked, tasks, MemoryProgress(), pool=InProcess)
    assert InProcess.made == before + 1
    assert again.values == found.values


CHANGES = """
from jobs.gamedata.checks import frames_check

@frames_check("blackened", int)
def blackened(data, settings):
    for frames in data.sampled_frames.values():
        frames[:] = 0
    data.sampled_times_s.clear()
    return 0

@frames_check("mean", float)
def mean(data, settings):
    return float(data.sampled_frames["stride-30_chw"].mean()) + len(data.sampled_times_s)
"""


def test_a_check_that_modifies_its_frames_affects_no_other_check(bucket, tmp_path):
    tasks = put(bucket, "a.tar")
    found = run(bucket, check_file(tmp_path, CHANGES), tasks)
    assert found.values["mean"][tasks[0].pt_key, tasks[0].etag] == {"mean": 45.0 + 3}


def test_a_pt_that_changed_in_between_is_an_error_of_its_row(bucket, tmp_path):
    tasks = put(bucket, "a.tar")
    bucket.put("a.pt", b"other")
    found = run(bucket, check_file(tmp_path), tasks)
    assert "a.pt" in found.errors["brightness"]["a.pt", tasks[0].etag][0]


def test_broken_results_are_done_again(bucket, tmp_path):
    tasks, file = put(bucket, "a.tar"), check_file(tmp_path)
    run(bucket, file, tasks)
    (info,) = bucket.list(CHECKS)
    bucket.put(info.key, b"PAR1 no")
    assert run(bucket, file, tasks).values["brightness"]


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": "[" * 100_000},
        {"settings": "[]"},
        {"settings": None},
        {"value": "[" * 100_000},
        {"value": "[1]"},
        {"value": None},
        {"value": '{"brightness": "bright"}'},
        {"value": '{"brightness": {"a": 1}}'},
        {"value": f'{{"first": {10**30}}}'},
        {"pt_key": ["a.pt"]},
    ],
)
def test_results_of_another_program_are_done_again(bucket, tmp_path, changes):
    tasks, file = put(bucket, "a.tar"), check_file(tmp_path)
    expected = run(bucket, file, tasks).values
    (info,) = bucket.list(CHECKS)
    rows = pq.read_table(io.BytesIO(bucket.read(info.key))).to_pylist()
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row | changes for row in rows]), stream)
    bucket.put(info.key, stream.getvalue())
    made = InProcess.made
    assert run(bucket, file, tasks).values == expected
    assert InProcess.made == made + 1


class Throttled(MemoryStore):
    """A store that answers 503 to a read of some objects."""

    def read(self, key, **options):
        if key in ("a.pt", "b.pt"):
            raise TransientError(f"{key}: slow down")
        return super().read(key, **options)


@pytest.mark.parametrize(
    ("keys", "allowed", "code"),
    [
        (("a.tar", "b.tar"), None, 75),
        (("a.tar", "c.tar"), None, 0),
        (("a.tar", "c.tar"), 0, 75),
        (("a.tar", "bad.tar", "c.tar"), 0, 65),
        (("a.tar", "bad.tar", "c.tar"), 1, 75),
        (("a.tar", "bad.tar"), 2, 0),
    ],
)
def test_failures_of_the_store_may_be_cured_by_a_retry(tmp_path, monkeypatch, keys, allowed, code):
    store = Throttled()
    put(store, *keys)
    monkeypatch.setattr("shared.storage.access.open_store", lambda *_, **__: store)
    monkeypatch.setattr("jobs.gamedata.compute.processes.Processes", InProcess)
    settings = ManifestSettings(
        output_path=f"{tmp_path}/m.parquet", checks=(check_file(tmp_path).path,), workers=1, max_failed=allowed
    )
    stage = MemoryStageRun()
    report = manifest.run(settings, stage)
    assert report.exit_code == code
    assert report.status == ("failed" if code else "partial")
    assert {failure.item: failure.retryable for failure in report.failures} == {
        key: key != "bad.tar" for key in keys if key != "c.tar"
    }


class OverRay(InProcess):
    """A pool in place of LocalRay, whose work and deaths tests/integration/test_extract_ray.py tests on a real Ray."""

    kind = "ray_workers"

    def __init__(self, make, *, workers):
        super().__init__(pickle.loads(pickle.dumps(make)), workers=workers)


@pytest.mark.slow
@pytest.mark.parametrize(("local_pool", "kind"), [("processes", "worker_processes"), ("ray", "ray_workers")])
def test_a_frames_check_of_another_process_is_a_column(bucket, tmp_path, monkeypatch, local_pool, kind):
    monkeypatch.setattr("jobs.gamedata.compute.local.LocalRay", OverRay)
    put(bucket, "a.tar", "bad.tar", "crash.tar")
    parts.commit(bucket, parts.gameplay("without.tar"))
    # Among other checks, the one that dies does so twice, and a process starts again each time: 2 s of processor time.
    among_others = local_pool == "ray"
    file = check_file(tmp_path, BESIDES if among_others else CHECK)
    settings = ManifestSettings(
        manifest_bucket=bucket.uri, output_path=f"{tmp_path}/m.parquet", checks=(file.path,), workers=1,
        cache_dir=f"{tmp_path}/cache", local_pool=local_pool,
    )  # fmt: skip
    stage = MemoryStageRun()
    made = manifest.build(bucket, settings, stage)
    assert made.workers == {kind: 1}
    found = {row["s3_key"]: row for row in made.table.to_pylist()}
    assert found["a.tar"]["first"] == 30
    assert found["bad.tar"]["check_errors"] == ["brightness: ValueError: bad frames"]
    (died,) = found["crash.tar"]["check_errors"]
    assert died.startswith("brightness: the worker process died")
    assert found["crash.tar"]["brightness"] is None
    if among_others:
        assert [found["crash.tar"][name] for name in ("count", "last")] == [2, 60]
    assert found["without.tar"]["brightness"] is None
    assert found["without.tar"]["error"] is None
    assert (stage.progress.done, stage.progress.total, stage.progress.finished) == (3, 3, True)
