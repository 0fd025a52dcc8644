"""Viewership reports in the node's store, a catalogue in its database, and the Workflows that load them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.node import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.argo import Run
    from tests.e2e.installation import Installation

__all__ = ["BUCKET", "LARGE_ROWS", "Uploads", "catalogue", "expected", "put_report", "send", "suspend_poll"]

BUCKET: Final = "viewership"
# The cron reads the default outbox, and would take the event of this test.
_OUTBOX: Final = "public.upload_events"
# Each run has a folder of its own below uploads/, the only folder that the account of uploads may read. By the time the
# cron lists them all, they are known.
_FOLDERS: Final = {
    "philo-2025-07.csv": "uploads/announced",
    "broken-2025-05.csv": "uploads/mixed",
    "amagi-2025-07.csv": "uploads/mixed",
    "day-or-month.csv": "uploads/asked",
    "freevee-2025-07.csv": "uploads/umbrella",
    "wurl-2025-07.csv": "uploads",
}


# Hours that are not a number, in line 3.
_BROKEN: Final = b"""Date,Series,Season,Episode,Hours
2025-05-01,Harbour Lights,1,1,1.5
2025-05-02,Harbour Lights,1,2,about two
2025-05-03,Harbour Lights,1,3,2
"""
LARGE_ROWS: Final = 43_200
"""Rows of the report that is too large for one pod: 1.4 MB."""


@cache
def _sample() -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    from jobs.viewership.settings.sample import SampleSettings
    from jobs.viewership.steps.sample import make

    return make(SampleSettings(output="file:///unused"))


def expected(name: str) -> dict[int, str]:
    """Return the episode of each line of a report."""
    _, record = _sample()
    return {int(line): ref for line, ref in record[f"uploads/{name}"]["truth"]["refs"].items()}


def catalogue(installation: Installation) -> None:
    """Import the catalogue of the sample set, as an operator would."""
    files, _ = _sample()
    with tempfile.TemporaryDirectory() as folder:
        for key, body in files.items():
            if key.startswith("catalogue/"):
                (Path(folder) / Path(key).name).write_bytes(body)
        done = subprocess.run(
            [ROOT / ".venv/bin/telecine", "viewership", "catalog", "import", folder, "--by", "e2e"],
            cwd=folder,
            env=os.environ
            | {"TELECINE_DATABASE_URL": installation.database_url, "TELECINE_STATE_DIR": f"{folder}/state"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-2000:]


def put_report(installation: Installation, name: str) -> str:
    """Upload a report to its folder, and return its key."""
    files, _ = _sample()
    key = f"{_FOLDERS[name]}/{name}"
    body = files.get(f"uploads/{name}", _BROKEN)
    installation.node.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return key


def _announce(installation: Installation, key: str) -> None:
    """Insert the event of an upload into the outbox."""
    installation.rows(
        f"INSERT INTO {_OUTBOX} (event_id, event_type, aggregate_id, payload_json)"
        " VALUES (%s, 'viewership.upload.arrived', %s, %s::jsonb)",
        uuid.uuid4(),
        Path(key).name,
        json.dumps({"key": key}),
    )


def suspend_poll(installation: Installation, *, suspend: bool) -> None:
    installation.node.kubectl(
        "-n", installation.namespace, "patch", "cronworkflow", "viewership-poll", "--type=merge",
        "--patch", json.dumps({"spec": {"suspend": suspend}}),
    )  # fmt: skip


def _large() -> bytes:
    """Return a report of more than a megabyte: each of twelve episodes, again and again."""
    rows = [
        f"2025-06-{day:02},Harbour Lights,{season},{number},{season}.{number}"
        for _ in range(LARGE_ROWS // 360)
        for day in range(1, 31)
        for season in (1, 2)
        for number in range(1, 7)
    ]
    assert len(rows) == LARGE_ROWS
    return "\n".join(["Date,Series,Season,Episode,Hours", *rows, ""]).encode()


@dataclass
class Later:
    """Workflows submitted after the first ones.

    Attributes:
        mixed: lists the folder of the bad report again.
        asked: lists the folder of the open question again.
        large: a report that is too large for one pod.
    """

    mixed: Run
    asked: Run
    large: Run


@dataclass
class Uploads:
    """The Workflows, one after the other: each run also takes on the phases and notices of uploads that wait meanwhile.

    Attributes:
        event: an event announces a report; nothing is listed.
        announced: when the event was inserted, by the clock of :func:`time.time`.
        mixed: a listing finds a report with a bad cell, and a good one.
        asked: a listing finds a report whose dates are ambiguous.
        misspelt: an unknown parameter.
    """

    event: Run
    announced: float
    mixed: Run
    asked: Run
    misspelt: Run
    _submit_later: Callable[[], Later]

    @cached_property
    def later(self) -> Later:
        return self._submit_later()


def send(installation: Installation) -> Uploads:
    """Put the reports, announce one, and submit. The catalogue is there already."""
    installation.rows(f"CREATE TABLE {_OUTBOX} (LIKE viewership.outbox_events INCLUDING ALL)")
    keys = {
        name: put_report(installation, name)
        for name in ("philo-2025-07.csv", "broken-2025-05.csv", "amagi-2025-07.csv", "day-or-month.csv")
    }
    submit = installation.argo.submit
    announced = time.time()
    _announce(installation, keys["philo-2025-07.csv"])
    mixed = {"arrival": "poll", "prefix": "uploads/mixed/"}
    asked = {"arrival": "poll", "prefix": "uploads/asked/"}

    def in_turn(parameters: dict[str, Any]) -> Run:
        run = submit("viewership", parameters)
        run.ended()
        return run

    def later() -> Later:
        key = "uploads/large/large.csv"
        installation.node.s3.put_object(Bucket=BUCKET, Key=key, Body=_large())
        again = (in_turn(mixed), in_turn(asked))
        # 1 MB is the smallest limit.
        large = {"files": f"s3://{BUCKET}/{key}", "format": "canonical", "one-pod-mb": 1}
        return Later(*again, in_turn(large))

    return Uploads(
        event=in_turn({"arrival": "events", "outbox-table": _OUTBOX}),
        announced=announced,
        mixed=in_turn(mixed),
        asked=in_turn(asked),
        misspelt=submit("viewership", {"prefx": "uploads/"}),
        _submit_later=later,
    )
