"""The speed of extraction now and at another commit of this repository: the same videos, alternating."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks._table import print_table, progress
from tests.pictures.encodes import encode
from tests.tars import make_tar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFAULT_REF", "versions"]

# The last commit before stored frames were compared with a full decode.
DEFAULT_REF: Final = "e0ffcc6"
_ROOT: Final = Path(__file__).parents[2]
_ROUNDS: Final = 5
_SECONDS: Final = 60
# Extract a session once, then five times, and print the CPU seconds per extraction. Modules moved between commits.
_CHILD: Final = """
import importlib, resource, sys
def find(name, *modules):
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"no {name}")
extract = find("extract_session", "jobs.gamedata.session.decode", "jobs.gamedata.session")
FileSource = find("FileSource", "jobs.gamedata.ranges.source", "jobs.gamedata.source")
SamplingSpec = find("SamplingSpec", "jobs.gamedata.model")
def seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
for times in (1, 5):
    before = seconds()
    for _ in range(times):
        extract(FileSource(sys.argv[1]), SamplingSpec(mode=sys.argv[2]))
print((seconds() - before) / times)
"""


def versions(ref: str = DEFAULT_REF, *, quick: bool) -> None:
    """Print the median CPU seconds of one session at both commits, and their ratio."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="telecine-versions-") as name, _worktree(ref, Path(name)) as before:
        if before is None:
            print(f"no comparison with {ref}: git does not know this commit")
            return
        for codec, title in (("libx264", "H.264"), ("libx265", "HEVC")):
            video = Path(name) / f"{codec}.mp4"
            encode(video, codec, seconds=20 if quick else _SECONDS, fps=30, gop=250, size=(640, 360))
            tar = make_tar(video.with_suffix(".tar"), video)
            for mode in ("auto", "exact"):
                times: dict[Path, list[float]] = {before: [], _ROOT: []}
                for number in range(1 if quick else _ROUNDS):
                    progress(f"{title}, {mode}, round {number + 1}")
                    for tree, found in times.items():
                        found.append(_seconds(tree, tar, mode))
                was, now = (statistics.median(found) for found in times.values())
                rows.append([f"{title} in MP4, --sampling {mode}", f"{was:.3f}", f"{now:.3f}", f"{now / was:.3f}"])
    print_table(
        f"one session of {20 if quick else _SECONDS} s of 640x360 at 30 fps, GOP 250: CPU seconds, medians",
        ["video", ref, "now", "now / before"],
        rows,
    )


def _seconds(tree: Path, tar: Path, mode: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tar), mode],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@contextmanager
def _worktree(ref: str, folder: Path) -> Iterator[Path | None]:
    """Check out a commit to a folder, removed on exit; None if there is no such commit."""
    tree = folder / "before"

    def git(*words: str) -> int:
        return subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, check=False).returncode

    if git("worktree", "add", "--detach", str(tree), ref):
        yield None
        return
    try:
        yield tree
    finally:
        git("worktree", "remove", "--force", str(tree))
