"""A daemon, a pod or the whole node is killed mid-run: the final rows equal those of an undisturbed run."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.node import wait_for
from tests.e2e.places import put_tars

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.argo import Run
    from tests.e2e.installation import Installation
    from tests.e2e.node import Node

# Columns that depend on the machine or the time.
VOLATILE = (
    *("generation", "worker", "seconds", "cpu_s", "pt_etag", "pt_sha256", "pt_key", "extracted_at", "run_id"),
    *("bytes_read", "error_traceback", "device", "group"),
)
KINDS = dict.fromkeys((f"faults/{number:02}.tar" for number in range(30)), "gameplay") | {
    "faults/07.tar": "cut-off",
    "faults/20.tar": "no-metadata",
}


def submit(installation: Installation, name: str) -> Run:
    return installation.argo.submit(
        "gamedata",
        {
            "prefix": "faults/",
            "manifest-bucket": f"s3://game-data-manifest/{name}",
            "compute": "cpu",
            "sampling": "exact",
            "strides": "1:300",
            "max-height": 36,
            "batch-mb": 1,
        },
    )


def tables(node: Node, prefix: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for key in node.keys("game-data-manifest", prefix):
        body = node.s3.get_object(Bucket="game-data-manifest", Key=key)["Body"].read()
        rows += pq.read_table(io.BytesIO(body)).to_pylist()
    return rows


def outcome(installation: Installation, name: str, run: Run) -> dict[str, Any]:
    """Return the results of a run: the newest row of each TAR, the .pt files, the manifest, the ledger's errors."""
    node = installation.node
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(tables(node, f"{name}/_stats/"), key=lambda each: each["generation"]):
        newest[row["s3_key"]] = row
    manifest = {row["s3_key"]: row for row in tables(node, f"{name}/_manifests/{run.name}")}
    hidden = (*VOLATILE, "processed_time")
    return {
        # As text: NaN is not equal to itself.
        "rows": {key: {n: str(v) for n, v in row.items() if n not in hidden} for key, row in newest.items()},
        "manifest": {key: {n: str(v) for n, v in row.items() if n not in hidden} for key, row in manifest.items()},
        "pt": sorted(
            key.removeprefix(f"{name}/") for key in node.keys("game-data-manifest", f"{name}/") if key.endswith(".pt")
        ),
        "errors": installation.rows(
            "SELECT item, code FROM pipeline.item_errors WHERE run_id = %s AND stage = 'extract' ORDER BY item", run.uid
        ),
        "sessions": installation.rows(
            "SELECT s3_key, content_hash FROM gold.gamedata_sessions WHERE starts_with(s3_key, 'faults/') ORDER BY 1"
        ),
    }


@pytest.fixture(scope="module")
def undisturbed(installation: Installation) -> dict[str, Any]:
    put_tars(installation.node, KINDS, seconds=300)
    run = submit(installation, "undisturbed")
    run.succeeded(600)
    found = outcome(installation, "undisturbed", run)
    assert len(found["pt"]) == len(KINDS) - 2
    assert len(found["rows"]) == len(found["manifest"]) == len(found["sessions"]) == len(KINDS)
    assert [code for _, code in found["errors"]] == ["moov_missing", "metadata_missing"]
    return found


def lose_head(installation: Installation, run: Run) -> None:
    (head,) = run.ray_pods("head")
    installation.node.core.delete_namespaced_pod(head.metadata.name, installation.namespace, grace_period_seconds=0)


def daemon_away(name: str, seconds: float) -> Callable[[Installation, Run], None]:
    def away(installation: Installation, run: Run) -> None:
        installation.node.script("node-stop.sh", name)
        time.sleep(seconds)
        installation.node.script("node-start.sh", name)
        wait_for(installation.answers, 120, f"everything answers after {name} is back")

    return away


def lose_controller(installation: Installation, run: Run) -> None:
    core = installation.node.core
    (pod,) = core.list_namespaced_pod("argo", label_selector="app=workflow-controller").items
    core.delete_namespaced_pod(pod.metadata.name, "argo", grace_period_seconds=0)


def lose_node(installation: Installation, run: Run) -> None:
    installation.node.script("node-down.sh")
    installation.node.script("node-up.sh", seconds=300)
    wait_for(installation.answers, 120, "everything answers after the node is back")


FAULTS: dict[str, Callable[[Installation, Run], None]] = {
    "ray-head": lose_head,
    "s3": daemon_away("s3", 20),
    "postgres": daemon_away("postgres", 5),
    "workflow-controller": lose_controller,
    "apiserver": daemon_away("apiserver", 5),
    "kubelet": daemon_away("kubelet", 5),
    "node": lose_node,
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_rows_are_those_of_an_undisturbed_run(
    installation: Installation, undisturbed: dict[str, Any], name: str
) -> None:
    run = submit(installation, name)
    run.rayjob(status="Running", seconds=240)

    def parts() -> int:
        return len(installation.node.keys("game-data-manifest", f"{name}/_stats/"))

    wait_for(lambda: parts() >= 2, 180, "parts are committed")
    assert parts() < len(KINDS), "the run is too fast for this test"
    FAULTS[name](installation, run)
    run.succeeded(840)
    assert outcome(installation, name, run) == undisturbed
