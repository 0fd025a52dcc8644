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
# Value of `compute` -> template of extract: one pod, and a RayJob.
EXTRACTS = {"auto": "extract-in-pod", "cpu": "extract-on-cluster"}
STEPS = ("plan", "manifest-over-statistics", "close-run")


def seconds(first: str, last: str) -> float:
    return (dt.datetime.fromisoformat(last) - dt.datetime.fromisoformat(first)).total_seconds()


def kinds(count: int) -> dict[str, str]:
    return dict.fromkeys((f"n{count}/{number:03}.tar" for number in range(count)), "no-audio")


def on_cluster(installation: Installation, count: int, compute: str) -> dict[str, float]:
    """Run once; the node already has the images. `auto` takes one pod, because the limit is raised for 200 TARs."""
    put_tars(installation.node, kinds(count))
    run = installation.argo.submit(
        "gamedata",
        {
            "prefix": f"n{count}/",
            "manifest-bucket": f"s3://game-data-manifest/n{count}-{compute}",
            "compute": compute,
            "one-pod-s": 1000,
        },
    )
    status = run.succeeded(900)
    created = run.get()["metadata"]["creationTimestamp"]
    took = {"whole": seconds(created, status["finishedAt"])}
    for step in (*STEPS, EXTRACTS[compute]):
        node = run.nodes(step)[-1]
        took["extract" if step in EXTRACTS.values() else step] = seconds(node["startedAt"], node["finishedAt"])
    took |= _inside(installation, run, EXTRACTS[compute])
    took["between the steps"] = took["whole"] - sum(took[step] for step in (*STEPS, "extract"))
    return took


def _inside(installation: Installation, run: Run, extract: str) -> dict[str, float]:
    key = f"{installation.namespace}/{run.name}/extract/report.json"
    body = installation.node.s3.get_object(Bucket="telecine-artifacts", Key=key)["Body"].read()
    report: dict[str, Any] = json.loads(body)
    node = run.nodes(extract)[-1]
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
        found = {compute: {count: on_cluster(installation, count, compute) for count in COUNTS} for compute in EXTRACTS}
    local = {count: here(count) for count in COUNTS}
    write = sys.stdout.write
    for compute, runs in found.items():
        write(f"\ncompute: {compute}\n\n")
        write(f"| seconds | {' | '.join(f'{count} TARs' for count in COUNTS)} |\n| --- |{' ---: |' * len(COUNTS)}\n")
        for row in runs[COUNTS[0]]:
            write(f"| {row} | {' | '.join(f'{runs[count][row]:.0f}' for count in COUNTS)} |\n")
    write(f"| the same on this machine | {' | '.join(f'{local[count]:.0f}' for count in COUNTS)} |\n")


if __name__ == "__main__":
    main()
