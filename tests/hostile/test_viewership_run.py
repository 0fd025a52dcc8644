"""Hostile uploads through the whole `run`: refused by name, kept as uploads, in little time and memory."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import pytest

from tests.hostile.probes import Probes
from tests.hostile.test_uploads import TEXTS, WORKBOOKS
from tests.postgres_server import database, postgres  # noqa: F401
from tests.viewership_place import ViewershipPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# The step with Polars and the database (about 150 MB), and the child that reads a workbook.
MOST_MB = 400
MOST_S = 10
"""CPU seconds, its own and those of its children: a busy machine does not lengthen them."""
GOOD = "Series,Season,Episode,Title,Date,Hours\nCalm River,1,1,The Storm,2025-07-01,1.5\n"

# Each kind of file with each code, and of those without a child process the two that take the most memory and time.
# test_uploads reads all others too, with the same function.
KINDS = (
    *("a value in the last cell", "a billion laughs", "a long format of many styles"),
    *("an .xls with a value in its last cell", "an .ods with a row of a billion cells"),
    *("an .xlsb with a value in the last cell", "OLE noise", "ZIP noise"),
    *("one wide record among short ones", "a quote that is never closed", "NULs", "a JSON of many levels"),
)

PROBE = """
import os, resource
from importlib import import_module
from pathlib import Path
from jobs.viewership.settings.uploads import RunSettings
from jobs.viewership.steps import run
from shared.report import Report, page
from tests.fakes.ledger import MemoryStageRun
for name in ("upload", "normalize", "match", "load"):
    import_module(f"jobs.viewership.phases.{name}")
page.render(Report())

def probe(given):
    folder = Path(given["folder"])
    before = os.times()
    settings = RunSettings(
        database_url=given["url"],
        state_dir=str(folder / "state"),
        bucket=f"file://{folder}/viewership",
        files=(str(folder / given["file"]),),
    )
    report = run.run(settings, MemoryStageRun(run_id=given["file"], pipeline="viewership", stage="upload"))
    after = os.times()
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
    return {
        "code": report.exit_code,
        "rejects": report.rejects,
        "message": report.failures[0].message if report.failures else "",
        "mb": own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "cpu_s": sum(after[:4]) - sum(before[:4]),
    }
"""


def test_hostile_uploads_are_refused_by_the_whole_run_and_the_next_file_loads(database, tmp_path):
    viewership = ViewershipPlace(database, tmp_path)
    viewership.catalogue()
    every = {name: (WORKBOOKS | TEXTS)[name] for name in KINDS}
    assert {code for _, code, _ in every.values()} == {code for _, code, _ in (WORKBOOKS | TEXTS).values()}
    (tmp_path / "good.csv").write_text(GOOD)
    with Probes.of(PROBE) as probes:
        given = {"url": database.url, "folder": str(tmp_path)}
        for number, (name, (make, code, message)) in enumerate(every.items()):
            (tmp_path / f"upload-{number}").write_bytes(make())
            found = probes.probe({**given, "file": f"upload-{number}"})
            print(f"{name}: {found['mb']:.0f} MB, {found['cpu_s']:.1f} s")
            assert (found["code"], found["rejects"], message in found["message"]) == (65, {code: 1}, True), (
                name,
                found,
            )
            assert found["mb"] < MOST_MB, (name, found)
            assert found["cpu_s"] < MOST_S, (name, found)
        assert probes.probe({**given, "file": "good.csv"})["code"] == 0
    assert viewership.rows("SELECT status, count(*)::int FROM viewership.uploads GROUP BY 1 ORDER BY 1") == [
        ("loaded", 1),
        ("refused", len(every)),
    ]
    assert viewership.final()[0] == 1
