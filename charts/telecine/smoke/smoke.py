"""The script of `helm test`: diagnose the installation, run gamedata on three tiny videos and check the results.

Runs in the jobs image, from a ConfigMap; templates/tests/smoke.yaml sets its variables. The prefix contains only this
run's TARs: publish deletes the sessions below its prefix, so a run without one would delete those of other runs.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

from kubernetes import client, config
from sqlalchemy import text

from shared.database.connection import engine
from shared.settings.database import DatabaseSettings
from shared.storage import open_store
from shared.streams import write_out
from shared.text import one_line

GROUP: Final = ("argoproj.io", "v1alpha1")
POLL_S: Final = 3.0
TARS: Final = 3


def main() -> int:
    """Run the test and return its exit code: 0 if there are three .pt files and three published sessions."""
    place = os.environ["SMOKE_PLACE"]  # s3://bucket/prefix/id, where the init container put the TARs
    bucket, _, folder = place.removeprefix("s3://").partition("/")
    prefix = f"{folder}/"
    namespace = os.environ["SMOKE_NAMESPACE"]
    try:
        # First: it fails if Argo is older than 4.0.5, or if rights are missing.
        problems = _failures(_run(namespace, reference("maintenance", "doctor")), "the diagnosis")
        if not problems:
            ended = _run(namespace, workflow(bucket, prefix, place, os.environ["SMOKE_COMPUTE"]))
            problems = _problems(ended, place, prefix)
    finally:
        _clean(place, prefix)
    for problem in problems:
        _say(f"FAILED: {problem}")
    if not problems:
        _say(f"ok: {TARS} TARs -> {TARS} .pt files, a manifest, {TARS} sessions in gold.gamedata_sessions")
    return 1 if problems else 0


def workflow(bucket: str, prefix: str, place: str, compute: str) -> dict[str, Any]:
    """Return the Workflow to submit: a reference to the installed template, and arguments."""
    arguments = {
        "source-bucket": bucket,
        "prefix": prefix,
        "manifest-bucket": f"{place}/extracted",
        "output-path": f"{place}/manifest.parquet",
        "compute": compute,
    }
    body = reference("gamedata", "main")
    body["spec"]["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in arguments.items()]}
    return body


def reference(template: str, entrypoint: str) -> dict[str, Any]:
    """Return a Workflow that only refers to a template, as `templateReferencing: Strict` demands."""
    return {
        "apiVersion": "/".join(GROUP),
        "kind": "Workflow",
        "metadata": {"generateName": "telecine-smoke-", "labels": {"telecine/smoke": "true"}},
        "spec": {"workflowTemplateRef": {"name": template}, "entrypoint": entrypoint},
    }


def _run(namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    config.load_incluster_config()
    api = client.CustomObjectsApi()
    name = api.create_namespaced_custom_object(*GROUP, namespace, "workflows", body)["metadata"]["name"]
    _say(f"submitted {name}")
    ends = time.monotonic() + float(os.environ["SMOKE_TIMEOUT_S"])
    seen = ""
    while True:
        found: dict[str, Any] = api.get_namespaced_custom_object(*GROUP, namespace, "workflows", name)
        status = found.get("status", {})
        now = f"{status.get('phase', 'Pending')} {status.get('progress', '')} {status.get('message', '')}".strip()
        if now != seen:
            _say(f"{name}: {now}")
            seen = now
        if status.get("phase") in ("Succeeded", "Failed", "Error"):
            return found
        if time.monotonic() > ends:
            status["message"] = f"timed out: {now}"
            return found
        time.sleep(POLL_S)


def _failures(ended: dict[str, Any], what: str) -> list[str]:
    status = ended.get("status", {})
    if status.get("phase") == "Succeeded":
        return []
    return [
        f"{what} ended {status.get('phase')}: {status.get('message')}",
        *(
            f"step {node['displayName']}: {node.get('message')}"
            for node in status.get("nodes", {}).values()
            if node.get("phase") in ("Failed", "Error") and node.get("type") == "Pod"
        ),
    ]


def _problems(ended: dict[str, Any], place: str, prefix: str) -> list[str]:
    problems = _failures(ended, "the run")
    keys = [found.key for found in open_store(place).list("extracted/") if found.key.endswith(".pt")]
    if len(keys) != TARS:
        problems.append(f"there are {len(keys)} .pt files; expected {TARS}: {keys}")
    with engine(DatabaseSettings()).connect() as connection:
        query = text("SELECT count(*) FROM gold.gamedata_sessions WHERE starts_with(s3_key, :prefix) AND error IS NULL")
        sessions = connection.execute(query, {"prefix": prefix}).scalar_one()
    if sessions != TARS:
        problems.append(f"gold.gamedata_sessions has {sessions} sessions without error below {prefix}; expected {TARS}")
    return problems


def _clean(place: str, prefix: str) -> None:
    store = open_store(place)
    for found in list(store.list()):
        store.delete(found.key)
    with engine(DatabaseSettings()).begin() as connection:
        query = text("DELETE FROM gold.gamedata_sessions WHERE starts_with(s3_key, :prefix)")
        connection.execute(query, {"prefix": prefix})


def _say(line: str) -> None:
    # A message of a node may come from any container of the Workflow.
    write_out(one_line(line))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
