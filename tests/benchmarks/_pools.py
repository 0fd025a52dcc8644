"""Worker processes against a local Ray: the same command with each pool, by number of items."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from jobs.gamedata.settings import ExtractSettings, ManifestSettings
from jobs.gamedata.steps import extract, manifest
from tests.benchmarks._table import print_table, progress
from tests.cli import sample_tar
from tests.fakes.ledger import MemoryStageRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["pools"]

_POOLS: Final[tuple[Literal["processes", "ray"], ...]] = ("processes", "ray")
_SECONDS: Final = 60
_CHECK: Final = """
from jobs.gamedata.checks import frames_check

@frames_check("brightness", float)
def brightness(data, settings):
    return float(data.sampled_frames["stride-30_chw"].mean())
"""


def pools(counts: Sequence[int], rounds: int) -> None:
    """Print seconds of ``extract`` and of a frames check, by processes and by Ray, which take turns.

    Args:
        counts: numbers of items, each a short video, so that starting and dispatching take a large share.
        rounds: rounds of each.
    """
    body = sample_tar("gameplay-60fps", seconds=_SECONDS, is_whole=True)
    rows = []
    for count in counts:
        found: dict[tuple[str, str], list[float]] = {}
        for number, name in itertools.product(range(rounds), _POOLS):
            progress(f"{count} TARs, {name}, round {number + 1} of {rounds}")
            with _bucket(body, count) as folder:
                found.setdefault(("extract", name), []).append(_extract(folder, count, name))
                found.setdefault(("check", name), []).append(_check(folder, count, name))
        for step in ("extract", "check"):
            ours, rays = found[step, "processes"], found[step, "ray"]
            ratio = statistics.median(r / o for o, r in zip(ours, rays, strict=True))
            rows.append([step, count, *(f"{statistics.median(of):.2f}" for of in (ours, rays)), f"{ratio:.2f}"])
    columns = ["step", "items", "processes, s", "Ray, s", "Ray / processes"]
    print_table(
        f"extract, and one frames check over its .pt files, with their start and end; TARs of {_SECONDS} s and"
        f" {len(body) / 1e6:.1f} MB, one worker per core; pools take turns, medians of {rounds} rounds",
        columns,
        rows,
    )


def _extract(folder: Path, count: int, pool: Literal["processes", "ray"]) -> float:
    settings = ExtractSettings(
        source_bucket=str(folder / "source"), manifest_bucket=str(folder / "target"), device="cpu", local_pool=pool
    )
    began = time.perf_counter()
    report = extract.run(settings, MemoryStageRun())
    assert report.counts["extracted"] == count, report
    return time.perf_counter() - began


def _check(folder: Path, count: int, pool: Literal["processes", "ray"]) -> float:
    file = folder / "check.py"
    file.write_text(_CHECK)
    settings = ManifestSettings(
        manifest_bucket=str(folder / "target"), output_path=str(folder / "manifest.parquet"), checks=(str(file),),
        device="cpu", local_pool=pool,
    )  # fmt: skip
    began = time.perf_counter()
    report = manifest.run(settings, MemoryStageRun())
    assert (report.exit_code, report.counts["judged"]) == (0, count), report
    return time.perf_counter() - began


@contextmanager
def _bucket(body: bytes, count: int) -> Iterator[Path]:
    """A folder whose ``source`` has this many names for one TAR."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        (source / "0000.tar").write_bytes(body)
        for number in range(1, count):
            os.link(source / "0000.tar", source / f"{number:04d}.tar")
        yield Path(folder)
