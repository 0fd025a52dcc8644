"""What needs no video: the manifest over parts, the ``.pt`` file's formats, a cold start, a plan over many keys."""

from __future__ import annotations

import functools
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.gamedata._part_schema import PART_SCHEMA
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts import rewrite_part
from tests.benchmarks._table import cpu_seconds, print_table
from tests.fakes import parts
from tests.fakes.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["cold_help", "manifest_over_parts", "plan_a_million", "pt_formats"]

_PART_ROWS = 4096  # what compaction leaves is of this order


def manifest_over_parts(sizes: tuple[int, ...]) -> None:
    """Parts of ``n`` sessions -> the manifest's Parquet bytes, in this process."""
    rows = []
    for count in sizes:
        store = MemoryStore()
        for start in range(0, count, _PART_ROWS):
            rewrite_part(store, _rows(start, min(_PART_ROWS, count - start)))
        found = [_manifest(store) for _ in range(3)]
        wall, cpu = (statistics.median(each[kind] for each in found) for kind in (0, 1))
        read = sum(len(body) for body, _ in store.objects.values()) / 1e6
        rows.append([f"{count:,}", f"{wall:.2f}", f"{cpu:.2f}", f"{read:.1f}", f"{found[0][2] / 1e6:.1f}"])
    columns = ["sessions", "wall s", "CPU s", "MB of parts", "MB of manifest"]
    print_table("manifest over parts, median of 3", columns, rows)


def _rows(start: int, count: int) -> pa.Table:
    random = np.random.default_rng(start)
    makers = (parts.gameplay, parts.gameplay, parts.gameplay, parts.dark, parts.bars, parts.menu)
    few = [
        makers[number % len(makers)](
            f"{number}.tar", signatures=random.integers(0, 256, (len(parts.TIMES), 9, 16, 3), dtype=np.uint8)
        )
        for number in range(64)
    ]
    table = pa.Table.from_pylist(few, schema=PART_SCHEMA).take(pa.array(np.arange(count) % len(few)))
    keys = pa.array([f"{number * 2654435761 % 2**64:016x}.tar" for number in range(start, start + count)])
    return table.set_column(table.schema.get_field_index("s3_key"), PART_SCHEMA.field("s3_key"), keys)


def _manifest(store: MemoryStore) -> tuple[float, float, int]:
    from jobs.gamedata import manifest
    from jobs.gamedata.settings import ManifestSettings
    from tests.fakes.ledger import MemoryStageRun

    wall, cpu = time.perf_counter(), cpu_seconds()
    body = manifest.build(store, ManifestSettings(manifest_bucket="s3://memory"), MemoryStageRun()).parquet()
    return time.perf_counter() - wall, cpu_seconds() - cpu, len(body)


def pt_formats(tar: Path, rounds: int) -> None:
    """Size of the ``.pt`` file, what it takes to write it, and to load one stride of it."""
    import torch

    from jobs.gamedata.pt import dump, loads
    from jobs.gamedata.session import extract_session
    from jobs.gamedata.source import FileSource

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
