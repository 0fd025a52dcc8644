"""Screenalytics runs in the node's store, and the Workflows that ingest them: submitted early, checked later."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.screenalytics_runs import make_run, manifest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.argo import Run
    from tests.e2e.installation import Installation
    from tests.e2e.node import Node

__all__ = ["BUCKET", "Arrivals", "arrive", "milliseconds", "put_files", "suspend_poll"]

BUCKET = "screenalytics"
# Not the default outbox: the cron reads that one with another prefix, and would reject the key of each event.
OUTBOX = "public.outbox_events"


@dataclass
class Arrivals:
    """The Workflows, run one after the other under one time limit.

    Attributes:
        files: run -> its objects.
        event: two events announce one run; the bucket is not listed.
        poll: finds two runs.
        again: the same again.
        bad: two good runs, and one of an unknown version between them.
        misspelt: an unknown parameter.
    """

    files: dict[str, dict[str, bytes]]
    event: Run
    poll: Run
    again: Run
    bad: Run
    misspelt: Run


def arrive(installation: Installation) -> Arrivals:
    """Put runs, announce one in the outbox, submit, and let the cron find another one."""
    cast = "cast_screentime.v1"
    files = {
        "by-event": make_run("by-event", ep_id="rhoslc-s06e11", prefix="events"),
        "by-poll-1": make_run("by-poll-1", ep_id="rhoslc-s06e12", prefix="polled"),
        "by-poll-2": make_run("by-poll-2", ep_id="rhoslc-s06e13", prefix="polled", kind=cast),
        "good-1": make_run("good-1", ep_id="rhoslc-s06e14", prefix="mixed"),
        "good-3": make_run("good-3", ep_id="rhoslc-s06e15", prefix="mixed", kind=cast),
        "new-version": make_run("new-version", ep_id="rhoslc-s06e16", prefix="mixed", schema_version="9.9"),
        "by-cron": make_run("by-cron", ep_id="rhoslc-s06e17"),
        "by-media": make_run("by-media", ep_id="rhoslc-s06e18", prefix="umbrella"),
    }
    for each in files.values():
        put_files(installation.node, each)
    installation.rows(f"CREATE TABLE {OUTBOX} (LIKE screenalytics.outbox_events INCLUDING ALL)")
    key, _ = manifest_of(files["by-event"])
    payload = {"manifest_key": key, "manifest_sha256": hashlib.sha256(files["by-event"][key]).hexdigest()}
    for _ in range(2):
        installation.rows(
            f"INSERT INTO {OUTBOX} (event_id, event_type, aggregate_id, payload_json)"
            " VALUES (%s, 'screenalytics.run.completed', 'by-event', %s::jsonb)",
            uuid.uuid4(),
            json.dumps(payload),
        )
    suspend_poll(installation, suspend=False)
    submit = installation.argo.submit
    polled = {"arrival": "poll", "prefix": "polled"}
    return Arrivals(
        files=files,
        event=submit("screenalytics", {"arrival": "events", "prefix": "events", "outbox-table": OUTBOX}),
        poll=submit("screenalytics", polled),
        again=submit("screenalytics", polled),
        bad=submit("screenalytics", {"arrival": "poll", "prefix": "mixed"}),
        misspelt=submit("screenalytics", {"prefx": "mixed"}),
    )


def put_files(node: Node, files: Mapping[str, bytes]) -> None:
    """Upload a run's objects as its producer does: the manifest last."""
    for key, body in sorted(files.items(), key=lambda each: each[0].endswith("/manifest.json")):
        node.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def suspend_poll(installation: Installation, *, suspend: bool) -> None:
    """Let the cron fire every minute, or stop it: the other tests need the node's CPUs."""
    change = {"spec": {"suspend": suspend, "schedules": ["* * * * *"]}}
    installation.node.kubectl(
        "-n", installation.namespace, "patch", "cronworkflow", "screenalytics-poll", "--type=merge",
        "--patch", json.dumps(change),
    )  # fmt: skip


def milliseconds(files: Mapping[str, bytes]) -> dict[str, int]:
    """Return the expected time on screen by person."""
    (body,) = [body for key, body in files.items() if not key.endswith("/manifest.json")]
    document = json.loads(body, parse_float=Decimal)
    rows = document if isinstance(document, list) else document["metrics"]
    seconds = {row["person_id"]: row.get("visual_s", row.get("screen_time_seconds")) for row in rows}
    return {person: int(Decimal(value) * 1000) for person, value in seconds.items()}
