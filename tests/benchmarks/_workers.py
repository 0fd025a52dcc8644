"""Workers through Ray against bare processes, and the memory that a worker takes."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import pickle
import shutil
import statistics
import tempfile
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.gamedata.compute.local import LocalRay
from jobs.gamedata.extraction.batches import Batch, BatchResult, Item, ItemResult
from jobs.gamedata.extraction.tally import ExtractTally
from jobs.gamedata.extraction.worklist import Worklist
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps.extract import local_ray, run_with
from shared.storage import StoreMetrics
from tests.benchmarks._table import print_table, progress
from tests.fakes.ledger import MemoryStageRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jobs.gamedata.model import Session
    from jobs.gamedata.ranges.source import RangeSource
    from tests.benchmarks._clips import Clip

__all__ = ["dispatch", "memory", "scaling"]


def scaling(tar: Path, count: int, rounds: int) -> None:
    """``count`` sessions by 1 and by 2 workers, in turns with as many bare processes that only read and dump."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(rounds):
        for workers in (1, 2):
            for name, way in (("bare", _bare), ("ray", _ray)):
                progress(f"{name}, {workers} workers, round {number + 1} of {rounds}")
                found.setdefault((name, workers), []).append(way(tar, count, workers))
    rows = []
    for workers in (1, 2):
        bare, ray = found["bare", workers], found["ray", workers]
        rows.append(
            [
                workers,
                *(f"{100 * statistics.median(b[kind] / r[kind] for b, r in zip(bare, ray, strict=True)):.0f} %"
                  for kind in (0, 1)),
                *(f"{count / statistics.median(each[0] for each in of):.2f}" for of in (ray, bare)),
                *(f"{statistics.median(each[1] for each in of) / count:.3f}" for of in (ray, bare)),
            ]
        )  # fmt: skip
    one, two = (statistics.median(each[0] for each in found["ray", workers]) for workers in (1, 2))
    columns = ["workers", "share of bare, wall", "share of bare, CPU", "sessions/s", "bare", "CPU s a session", "bare"]
    print_table(
        f"{count} sessions of 360p through `extract` on Ray, less Ray's start, against bare processes that call "
        f"extract_session and write the .pt; median of {rounds} rounds. 2 workers are {one / two:.2f} x one",
        columns,
        rows,
    )


def memory(sessions: Sequence[tuple[Clip, Path]]) -> None:
    """Peak memory of a Ray worker and its decoder process, by size of picture."""
    rows = []
    for clip, tar in sessions:
        with _bucket(tar, 4) as (source, target), tempfile.TemporaryDirectory() as folder:
            run_with(
                _settings(source, target, 1),
                MemoryStageRun(),
                make_extract=lambda _, folder=folder: functools.partial(_Watched, folder),
                make_pool=local_ray,
            )
            peaks = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
        found = [max(peak[name] for peak in peaks) for name in ("worker", "child", "shared")]
        rows.append([clip.name, *(f"{megabytes:.0f}" for megabytes in found)])
    columns = ["picture", "Ray worker, VmHWM", "decoder process, VmHWM", "both, Pss after a session"]
    print_table("Memory, MB; a page that several processes share counts in each VmHWM, and in Pss once", columns, rows)


def dispatch(count: int) -> None:
    """Measure the driver's cost per batch: ``count`` batches of 64 results through Ray, from idle workers."""
    rows = []
    for workers in (1, 2):
        result = _result(0)
        tally = ExtractTally(Worklist())
        with LocalRay(functools.partial(_Idle, (result,) * 64), workers=workers) as pool:
            for number in range(count):
                pool.submit(Batch(number, (result.item,) * 64))
            wall, cpu = time.perf_counter(), time.process_time()
            for outcome in pool:
                assert outcome.result is not None, outcome
                tally.add(outcome.result)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        speeds = [f"{cpu / count * 1000:.2f}", f"{count / wall:.0f}", f"{64 * count / wall:,.0f}"]
        rows.append([workers, *speeds])
    columns = ["workers", "driver CPU ms a batch", "batches/s", "sessions/s"]
    print_table(f"Driver: {count} batches of 64 sessions that take no time", columns, rows)
    print(f"\nThe driver keeps {_kept(1000) / 1000:.2f} kB of a session's result until the report.")


def _kept(count: int) -> float:
    """Bytes of a result that came from a worker, strings and numbers included."""
    bodies = [pickle.dumps(_result(number)) for number in range(count)]
    tracemalloc.start()
    held = [pickle.loads(body) for body in bodies]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / len(held)


def _result(number: int) -> ItemResult:
    item = Item(f"{number:016x}.tar", 200_000_000 + number, f"{number:032x}")
    figures = {"bytes_read": 7_000_000 + number, "bytes_written": 20_000_000 + number, "cpu_s": 0.4 + number}
    more = {"duration_s": 600.0 + number, "sampled": 35, "decoded": 289 + number, "reader": "ranges"}
    return ItemResult(item, None, None, retryable=False, seconds=0.5 + number, store_s=0.1 + number, **figures, **more)


class _Idle:
    def __init__(self, items: tuple[ItemResult, ...]) -> None:
        self._items = items

    def run(self, batch: Batch, /) -> BatchResult:
        metrics = StoreMetrics().snapshot()
        return BatchResult(batch.number, "part", self._items, "host:1", 24.0, (metrics, metrics))


class _Watched:
    """A decoder process that writes down its peak, and its worker's, after each session."""

    def __init__(self, folder: str, device: str) -> None:
        from jobs.gamedata.session.child import DecodeChild

        self._child = DecodeChild()
        self._path = Path(folder, str(os.getpid()))

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def __call__(self, source: RangeSource, spec: SamplingSpec) -> Session:
        session = self._child(source, spec)
        pids = os.getpid(), self._child.pid
        worker, child = (_memory(pid, "status", "VmHWM") for pid in pids)
        shared = sum(_memory(pid, "smaps_rollup", "Pss") for pid in pids)
        self._path.write_text(json.dumps({"worker": worker, "child": child, "shared": shared}))
        return session


def _memory(pid: int | None, file: str, field: str) -> float:
    text = Path("/proc", str(pid), file).read_text()
    return int(text.split(f"{field}:")[1].split()[0]) * 1024 / 1e6


def _ray(tar: Path, count: int, workers: int) -> tuple[float, float]:
    from jobs.gamedata.steps.extract import run

    with _bucket(tar, count) as (source, target):
        report = run(_settings(source, target, workers), MemoryStageRun())
    assert report.counts["extracted"] == count, report
    return report.durations["extract"], report.rates["cpu_s_per_item"] * count


def _settings(source: str, target: str, workers: int) -> ExtractSettings:
    return ExtractSettings(source_bucket=source, manifest_bucket=target, workers=workers, local_pool="ray")


@contextmanager
def _bucket(tar: Path, count: int) -> Iterator[tuple[str, str]]:
    """``count`` names for one TAR."""
    with tempfile.TemporaryDirectory(dir=tar.parent) as folder:
        source = Path(folder, "source")
        source.mkdir()
        for number in range(count):
            os.link(tar, source / f"{number:04d}.tar")
        yield str(source), str(Path(folder, "target"))


def _bare(tar: Path, count: int, workers: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(workers + 1), context.SimpleQueue()
    folder = tempfile.mkdtemp(dir=tar.parent)
    share = count // workers
    processes = [
        context.Process(target=_bare_process, args=(str(tar), f"{folder}/{number}", share, ready, results))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    cpu_s = sum(results.get() for _ in processes)
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    shutil.rmtree(folder)
    return seconds, cpu_s


def _bare_process(tar: str, prefix: str, count: int, ready: Any, results: Any) -> None:
    import torch  # noqa: F401  its start is not what is measured

    from jobs.gamedata.pt.file import dump
    from jobs.gamedata.ranges.source import FileSource
    from jobs.gamedata.session.decode import extract_session

    spec = SamplingSpec()
    dump_: Callable[..., memoryview] = functools.partial(
        dump, s3_key="x.tar", source_etag="e", spec=spec, extracted_at="2026-01-01T00:00:00+00:00"
    )
    ready.wait()
    start = time.process_time()
    for number in range(count):
        Path(f"{prefix}-{number}.pt").write_bytes(dump_(extract_session(FileSource(tar), spec)))
    results.put(time.process_time() - start)
