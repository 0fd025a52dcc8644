"""Benchmarks without video: a manifest over parts, the ``.pt`` formats, a cold start, a plan over many keys."""

from __future__ import annotations

import functools
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts.compaction import compact
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.parts.store import list_parts, rewrite_part
from shared.storage import FileStore, ObjectInfo
from tests.benchmarks._table import cpu_seconds, print_table, progress
from tests.fakes import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["cold_help", "compaction", "manifest_over_parts", "plan_a_million", "pt_formats"]

_PART_ROWS = 16_384  # what compaction leaves is of this order: 128 MB
_PT_SIZE = 20_740_000
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_METADATA = {
    "game_exe": "game.exe",
    "hardware_id": "00000000-0000-4000-8000-000000000000",
    "hardware_specs": {"cpu": {"name": "a processor", "cores": 8}, "gpus": [{"name": "a card"}], "ram": 34_204_659_712},
    "start_timestamp": 1_758_121_200,
    "end_timestamp": 1_758_121_800,
    "duration": 600.25,
}


class _Bucket(FileStore):
    """A folder with parts, and the ``.pt`` files that they record, which are only listed."""

    def __init__(self, root: str, count: int) -> None:
        super().__init__(root)
        names = sorted(map(_name, range(count)))
        self._pts = [ObjectInfo(f"{name}.pt", _PT_SIZE, f"{name}{name}", _WHEN) for name in names]

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from super().list(prefix)
        if not prefix:
            yield from self._pts


def manifest_over_parts(sizes: tuple[int, ...]) -> None:
    """Parts of ``n`` sessions -> the manifest's Parquet bytes, in this process."""
    rows = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            store = _Bucket(folder, count)
            for start in range(0, count, _PART_ROWS):
                progress(f"parts of {count:,} sessions, from {start:,}")
                rewrite_part(store, _rows(start, min(_PART_ROWS, count - start)))
            parts_mb = sum(info.size for info in list_parts(store)) / 1e6
            store.metrics.snapshot(reset=True)
            found = [_manifest(store) for _ in range(3)]
            read = store.metrics.snapshot()["bytes_read"] / 3e6
        wall, cpu = (statistics.median(each[kind] for each in found) for kind in (0, 1))
        sizes_mb = (parts_mb, read, found[0][2] / 1e6)
        rows.append([f"{count:,}", f"{wall:.2f}", f"{cpu:.2f}", *(f"{size:.1f}" for size in sizes_mb)])
    columns = ["sessions", "wall s", "CPU s", "MB of parts", "MB read", "MB of manifest"]
    print_table("manifest over parts, median of 3", columns, rows)


def compaction(count: int) -> None:
    """``count`` parts of 64 sessions, as a run leaves them, merged."""
    with tempfile.TemporaryDirectory() as folder:
        store = _Bucket(folder, count * 64)
        for number in range(count):
            rewrite_part(store, _rows(number * 64, 64))
        size = sum(info.size for info in list_parts(store))
        cpu = cpu_seconds()
        compact(store)
        cpu = cpu_seconds() - cpu
        left = len(list_parts(store))
    row = [count, left, f"{size / 1e6:.0f}", f"{size / count / 64 / 1000:.1f}", f"{cpu / count / 64 * 1e6:.0f}"]
    print_table("compaction", ["parts of 64 sessions", "parts after", "MB", "kB a row", "CPU µs a row"], [row])


def _rows(start: int, count: int) -> pa.Table:
    """Rows of which no two are alike where real ones are not: names, marks, hardware, figures, thumbnails."""
    random = np.random.default_rng(start)
    makers = (parts.gameplay, parts.gameplay, parts.gameplay, parts.dark, parts.bars, parts.menu)
    few = pa.Table.from_pylist([makers[number % len(makers)]("x.tar") for number in range(64)], schema=PART_SCHEMA)
    table = few.take(pa.array(np.arange(count) % len(few)))
    names = [_name(number) for number in range(start, start + count)]
    frames = len(parts.TIMES)
    columns = {
        "s3_key": [f"{name}.tar" for name in names],
        "source_etag": [f"{name}{name[::-1]}" for name in names],
        "stored": np.ones(count, np.bool_),
        "pt_key": [f"{name}.pt" for name in names],
        "pt_size": np.full(count, _PT_SIZE),
        "pt_etag": [f"{name}{name}" for name in names],
        "pt_sha256": [f"{name}{name}{name}{name}" for name in names],
        "session_metadata": [json.dumps({**_METADATA, "session_id": f"{name}{name}"}) for name in names],
        # The upper half of each byte: thumbnails shrink by some such factor.
        "frame_signature": [
            (random.integers(0, 16, frames * 432, dtype=np.uint8) * 16).tobytes() for _ in range(count)
        ],
    }
    for name in ("frame_luma_mean", "frame_static_share"):
        known = np.array(table[name].to_pylist(), np.float32)
        columns[name] = list(known * (1 + 0.001 * random.random(known.shape, np.float32)))
    for name, values in columns.items():
        field = PART_SCHEMA.field(name)
        table = table.set_column(PART_SCHEMA.get_field_index(name), field, pa.array(values, field.type))
    return table


def _name(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def _manifest(store: FileStore) -> tuple[float, float, int]:
    from jobs.gamedata.settings import ManifestSettings
    from jobs.gamedata.steps import manifest
    from tests.fakes.ledger import MemoryStageRun

    wall, cpu = time.perf_counter(), cpu_seconds()
    body = manifest.build(store, ManifestSettings(manifest_bucket=store.uri), MemoryStageRun()).parquet()
    return time.perf_counter() - wall, cpu_seconds() - cpu, len(body)


def pt_formats(tar: Path, rounds: int) -> None:
    """Size of the ``.pt`` file, what it takes to write it, and to load one stride of it."""
    import torch

    from jobs.gamedata.pt.file import dump, loads
    from jobs.gamedata.ranges.source import FileSource
    from jobs.gamedata.session.decode import extract_session

    rows = []
    for frames in ("rgb", "packets"):
        spec = SamplingSpec(frames=frames)
        session = extract_session(FileSource(tar), spec)
        write = functools.partial(
            dump, session, s3_key="x.tar", source_etag="e", spec=spec, extracted_at="2026-01-01T00:00:00+00:00"
        )
        body = bytes(write())
        uses: tuple[Callable[[], object], ...] = (
            write,
            functools.partial(_torch_load, torch, body),
            lambda body=body: loads(body),
            lambda body=body: loads(body).sampled_frames["stride-30_chw"].mean(),
        )
        rows.append([frames, f"{len(body) / 1e6:.2f}", *(f"{_milliseconds(use, rounds):.1f}" for use in uses)])
    columns = ["frames", "MB", "dump", "torch.load", "jobs.gamedata.load", "load + mean of stride 30"]
    print_table(f".pt of one 360p session, default sampling; CPU ms, median of {rounds}", columns, rows)


def _torch_load(torch: object, body: bytes) -> object:
    return torch.load(io.BytesIO(body), weights_only=True)  # type: ignore[attr-defined]


def _milliseconds(use: Callable[[], object], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        start = time.process_time()
        use()
        found.append((time.process_time() - start) * 1000)
    return statistics.median(found)


def cold_help(rounds: int) -> None:
    """``telecine --help`` as a new process, the interpreter's start included."""
    rows = []
    for name, command in (
        ("python -c pass", "pass"),
        ("telecine --help", "from jobs.cli import run; run(['--help'])"),
        ("telecine gamedata extract --help", "from jobs.cli import run; run(['gamedata', 'extract', '--help'])"),
    ):
        found = []
        for _ in range(rounds):
            start = cpu_seconds()
            subprocess.run([sys.executable, "-c", command], check=True, stdout=subprocess.DEVNULL)
            found.append(cpu_seconds() - start)
        rows.append([name, f"{statistics.median(found):.3f}"])
    print_table(f"cold start, CPU s, median of {rounds}", ["command", "CPU s"], rows)


def plan_a_million(count: int) -> None:
    """List, compare and share out ``count`` keys: none done, then all."""
    rows = []
    for name, done in (("a first run", 0), ("all committed", count)):
        with tempfile.TemporaryDirectory() as folder:
            program = [sys.executable, "-m", "tests.scale"]
            subprocess.run([*program, "commit", folder, str(done)], check=True)
            text = subprocess.check_output([*program, "plan", folder, str(count), str(done)], text=True)
        found = json.loads(text)
        rows.append(
            [name, f"{found['peak_mb']:.0f}", f"{found['cpu_s']:.1f}", f"{found['items']:,}", f"{found['batches']:,}"]
        )
    columns = ["keys", "peak MB", "CPU s", "to read", "batches"]
    print_table(f"list and plan {count:,} keys in one process", columns, rows)
