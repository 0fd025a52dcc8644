"""Seconds from submission to result for 3, 40 and 200 tiny TARs, by step: ``python -m tests.e2e.figures``.

Needs the node up (`make cluster-up`); prints the tables of docs/performance.md, "On a cluster". The same TARs go
through ``telecine gamedata run`` on this machine, from files, for comparison.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.installation import Installation, build_images
from tests.e2e.node import ROOT, Node
from tests.e2e.places import put_tars

if TYPE_CHECKING:
    from tests.e2e.argo import Run

COUNTS = (3, 40, 200)
STEPS = ("sweep", "plan", "extract-on-cluster", "manifest-over-statistics", "publish", "close-run")


def seconds(first: str, last: str) -> float:
    return (dt.datetime.fromisoformat(last) - dt.datetime.fromisoformat(first)).total_seconds()


def kinds(count: int) -> dict[str, str]:
    return dict.fromkeys((f"n{count}/{number:03}.tar" for number in range(count)), "no-audio")


def on_cluster(installation: Installation, count: int) -> dict[str, float]:
    """Run once; the node already has the images."""
    put_tars(installation.node, kinds(count))
    run = installation.argo.submit(
        "gamedata",
        {"prefix": f"n{count}/", "manifest-bucket": f"s3://game-data-manifest/n{count}", "compute": "cpu"},
    )
    status = run.succeeded(900)
    created = run.get()["metadata"]["creationTimestamp"]
    took = {"whole": seconds(created, status["finishedAt"])}
    for step in STEPS:
        node = run.nodes(step)[-1]
        took[step] = seconds(node["startedAt"], node["finishedAt"])
    took |= _inside(installation, run)
    # The sweep runs in parallel with the plan.
    took["between the steps"] = took["whole"] - sum(took[step] for step in STEPS if step != "sweep")
    return took


def _inside(installation: Installation, run: Run) -> dict[str, float]:
    key = f"{installation.namespace}/{run.name}/extract/report.json"
    body = installation.node.s3.get_object(Bucket="telecine-artifacts", Key=key)["Body"].read()
    report: dict[str, Any] = json.loads(body)
    node = run.nodes("extract-on-cluster")[-1]
    work = report["durations"]["extract"]
    whole = seconds(node["startedAt"], node["finishedAt"])
    return {"TARs": work, "Ray's start and end": whole - work}


def here(count: int) -> float:
    """Process the same TARs with one command on this machine."""
    from jobs.gamedata.steps.sample import make

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "game-data"
        body = make("no-audio", seconds=10)
        for key in kinds(count):
            (source / key).parent.mkdir(parents=True, exist_ok=True)
            (source / key).write_bytes(body)
        began = time.monotonic()
        subprocess.run(
            [
                str(ROOT / ".venv/bin/telecine"), "gamedata", "run", "--source-bucket", "./game-data",
                "--manifest-bucket", "./out", "--output-path", "./manifest.parquet", "--report-dir", "./report",
            ],
            cwd=folder, check=True, capture_output=True, env=os.environ,
        )  # fmt: skip
        return time.monotonic() - began


def main() -> None:
    node = Node()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(node, build_images(node), Path(folder), {})
        installation.clean()
        installation.install()
        found = {count: on_cluster(installation, count) for count in COUNTS}
    local = {count: here(count) for count in COUNTS}
    rows = [*found[COUNTS[0]]]
    write = sys.stdout.write
    write(f"| seconds | {' | '.join(f'{count} TARs' for count in COUNTS)} |\n| --- |{' ---: |' * len(COUNTS)}\n")
    for row in rows:
        write(f"| {row} | {' | '.join(f'{found[count][row]:.0f}' for count in COUNTS)} |\n")
    write(f"| the same on this machine | {' | '.join(f'{local[count]:.0f}' for count in COUNTS)} |\n")


if __name__ == "__main__":
    main()
