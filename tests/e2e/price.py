"""Print the fixed cost of a cluster run, pod by pod: ``python -m tests.e2e.price [COMPUTE ...]``.

Needs the node up (`make cluster-up`). For each value of `compute` (default: auto, local, cpu) it runs three tiny TARs
twice, and prints the second run, whose images are there: the times of each pod, and the seconds until the first result
was committed and until the end. For docs/performance.md, "On a cluster".
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.installation import Installation, build_images
from tests.e2e.node import Node
from tests.e2e.places import put_tars
from tests.e2e.timeline import first_work_s, pod_times, ray_times, table

if TYPE_CHECKING:
    from tests.e2e.argo import Run

COMPUTES = ("auto", "local", "cpu")
TARS = 3


def main(computes: list[str]) -> None:
    node = Node()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(node, build_images(node), Path(folder), {})
        installation.clean()
        installation.install()
        for compute in computes or COMPUTES:
            for attempt in ("warm-up", "measured"):
                place = f"price-{compute}-{attempt}"
                put_tars(node, dict.fromkeys((f"{place}/{number}.tar" for number in range(TARS)), "no-audio"))
                run = installation.argo.submit(
                    "gamedata",
                    {
                        "prefix": f"{place}/",
                        "manifest-bucket": f"s3://game-data-manifest/{place}",
                        "compute": compute,
                    },
                )
                run.succeeded(900)
                if attempt == "measured":
                    sys.stdout.write(told(installation, run, compute, place))
                    sys.stdout.flush()


def told(installation: Installation, run: Run, compute: str, place: str) -> str:
    """Return the tables of a run that has just ended."""
    workflow = run.get()
    rows = pod_times(workflow, _pods(installation, f"workflows.argoproj.io/workflow={run.name}"))
    clusters = [each["status"]["rayClusterName"] for each in run.rayjobs()]
    for cluster in clusters:
        rows += ray_times(workflow, _pods(installation, f"ray.io/cluster={cluster}"))
    parts = _first_part(installation, place)
    whole = first_work_s(workflow, workflow["status"]["finishedAt"])
    first = first_work_s(workflow, parts)
    (chosen,) = [each["value"] for each in run.nodes("plan")[-1]["outputs"]["parameters"] if each["name"] == "compute"]
    durations = json.dumps(_durations(installation, run))
    return (
        f"\ncompute: {compute} -> {chosen}; {first:.0f} s to the first committed TARs, {whole:.0f} s in all; "
        f"extract: {durations}\n\n{table(rows)}\n"
    )


def _pods(installation: Installation, selector: str) -> list[dict[str, Any]]:
    core = installation.node.core
    found = core.list_namespaced_pod(installation.namespace, label_selector=selector).items
    return [core.api_client.sanitize_for_serialization(each) for each in found]


def _first_part(installation: Installation, place: str) -> str | None:
    pages = installation.node.s3.get_paginator("list_objects_v2").paginate(
        Bucket="game-data-manifest", Prefix=f"{place}/"
    )
    times = [each["LastModified"] for page in pages for each in page.get("Contents", ()) if each["Key"].endswith(".pt")]
    return min(times).isoformat() if times else None


def _durations(installation: Installation, run: Run) -> dict[str, float]:
    key = f"{installation.namespace}/{run.name}/extract/report.json"
    body = installation.node.s3.get_object(Bucket="telecine-artifacts", Key=key)["Body"].read()
    return {name: round(seconds, 1) for name, seconds in json.loads(body)["durations"].items()}


if __name__ == "__main__":
    main(sys.argv[1:])
