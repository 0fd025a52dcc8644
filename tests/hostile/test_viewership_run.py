"""Hostile uploads through the whole `run`: refused by name, kept as uploads, in little time and memory."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hostile.test_uploads import TEXTS, WORKBOOKS
from tests.postgres_server import database, postgres  # noqa: F401
from tests.viewership_place import ViewershipPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# The step with Polars and the database (about 150 MB), and the child that reads a workbook.
MOST_MB = 400
MOST_S = 10
"""CPU seconds, its own and those of its children: a busy machine does not lengthen them."""
GOOD = "Series,Season,Episode,Title,Date,Hours\nCalm River,1,1,The Storm,2025-07-01,1.5\n"

# A peak is that of the process since its start, or since the file before.
PROBE = """
import json, os, resource, sys, time
from pathlib import Path
from jobs.viewership.settings.uploads import RunSettings
from jobs.viewership.steps import run
from tests.fakes.ledger import MemoryStageRun
url, folder, names = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

for name, file in names.items():
    Path("/proc/self/clear_refs").write_text("5")
    before = os.times()
    settings = RunSettings(
        database_url=url,
        state_dir=str(folder / "state"),
        bucket=f"file://{folder}/viewership",
        files=(str(folder / file),),
    )
    report = run.run(settings, MemoryStageRun(run_id=file, pipeline="viewership", stage="upload"))
    after = os.times()
    print(json.dumps({
        "name": name,
        "code": report.exit_code,
        "rejects": report.rejects,
        "message": report.failures[0].message if report.failures else "",
        "mb": peak(),
        "child_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "cpu_s": sum(after[:4]) - sum(before[:4]),
    }))
"""


def probe(database, folder, names) -> dict:
    """Run the step for each file, one after the other, in one process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, database.url, str(folder), json.dumps(names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert found.keys() == names.keys()
    return found


def test_hostile_uploads_are_refused_by_the_whole_run_and_the_next_file_loads(database, tmp_path):
    viewership = ViewershipPlace(database, tmp_path)
    viewership.catalogue()
    every = WORKBOOKS | TEXTS
    files = {name: f"upload-{number}" for number, name in enumerate(every)}
    for name, file in files.items():
        (tmp_path / file).write_bytes(every[name][0]())
    (tmp_path / "good.csv").write_text(GOOD)
    # Texts are read in the process itself, whose memory is not all given back: each has one of its own.
    found = probe(database, tmp_path, {name: files[name] for name in WORKBOOKS} | {"good": "good.csv"})
    for name in TEXTS:
        found |= probe(database, tmp_path, {name: files[name]})
    for name, (_, code, message) in every.items():
        one = found[name]
        assert (one["code"], one["rejects"], message in one["message"]) == (65, {code: 1}, True), one
        # The largest child so far: at least that of this file.
        assert one["mb"] + one["child_mb"] < MOST_MB, one
        assert one["cpu_s"] < MOST_S, one
    largest = max(found.values(), key=lambda one: one["mb"] + one["child_mb"])
    slowest = max(found.values(), key=lambda one: one["cpu_s"])
    print(f"{largest['name']}: {largest['mb'] + largest['child_mb']:.0f} MB")
    print(f"{slowest['name']}: {slowest['cpu_s']:.1f} s")
    assert found["good"]["code"] == 0
    assert viewership.rows("SELECT status, count(*)::int FROM viewership.uploads GROUP BY 1 ORDER BY 1") == [
        ("loaded", 1),
        ("refused", len(every)),
    ]
    assert viewership.final()[0] == 1
