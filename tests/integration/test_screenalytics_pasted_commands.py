"""Every command in a message works as pasted, wherever the flags of the command that prints it point."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.emptied_database import database
from tests.in_process import InProcess
from tests.postgres_server import postgres
from tests.screenalytics_runs import EP_ID, RUN_ID, encode, make_run
from tests.unit.screenalytics.steps.test_write_manifest import SUMMARY, stage_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli import Cli, Done
    from tests.postgres_server import Database

__all__ = ["database", "postgres"]

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

FOLDER = "my runs"
PLACE = ("--bucket", f"./{FOLDER}", "--prefix", "odd one")
ROOT = ("--artifact-roots", "elsewhere/{run_id}/")
COMMAND = re.compile(r"[Rr]un(?:, with its .+?)?: (telecine screenalytics .+)$")


@pytest.fixture
def cli(database: Database, tmp_path: Path) -> Cli:
    return InProcess(tmp_path, {"TELECINE_DATABASE_URL": database.url})


def put(cli: Cli, files: Mapping[str, bytes]) -> None:
    for key, body in files.items():
        path = cli.folder / FOLDER / key.replace("derived/", "odd one/", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def run_of(run_id: str, persons: int = 3) -> dict[str, bytes]:
    """Return a run whose artifact is in a folder that no default names."""
    files = make_run(run_id, persons=persons, artifact={"s3_key": f"elsewhere/{run_id}/screentime.json"})
    (artifact,) = (body for key, body in files.items() if not key.endswith("manifest.json"))
    return {**files, f"elsewhere/{run_id}/screentime.json": artifact}


def commands(done: Done) -> list[list[str]]:
    """Return the commands in the log, each as a shell would split it."""
    found = [COMMAND.search(line["message"]) for line in done.logs if line["level"] == "WARNING"]
    return [shlex.split(match[1])[1:] for match in found if match is not None]


def test_of_ingest_and_verify(cli: Cli) -> None:
    step = (*PLACE, *ROOT, "--grace-min", "0")
    put(cli, run_of("r1"))
    (command,) = commands(cli("screenalytics", "verify", *step).expect(65))
    assert command[:2] == ["screenalytics", "ingest"]
    cli(*command).expect(0)
    put(cli, run_of("r1", persons=2))
    (changed,) = commands(cli("screenalytics", "ingest", *step).expect(65))
    (quick,) = commands(cli("screenalytics", "verify", "--quick", *step).expect(65))
    assert commands(cli(*quick).expect(65)) == [changed]
    cli(*changed).expect(0)
    cli(*quick).expect(0)


def test_of_a_run_that_is_set_aside(cli: Cli) -> None:
    step = (*PLACE, *ROOT, "--grace-min", "0", "--max-attempts", "1")
    put(cli, {**run_of("r1"), "elsewhere/r1/screentime.json": b"{"})
    (command,) = commands(cli("screenalytics", "ingest", *step).expect(65))
    put(cli, run_of("r1"))
    cli(*command).expect(0)


def test_of_write_manifest(cli: Cli) -> None:
    naive = {"started_at": "2025-12-23T15:15:00", "finished_at": "2025-12-23T15:16:10"}
    stage = encode(stage_manifest({"analytics/screentime.json": SUMMARY}, **naive))
    folder = f"elsewhere/{RUN_ID}/"
    put(cli, {f"derived/runs/{RUN_ID}/manifest.json": stage, f"{folder}analytics/screentime.json": SUMMARY})
    (command,) = commands(cli("screenalytics", "ingest", *PLACE, *ROOT, "--grace-min", "0").expect(65))
    (offset,) = commands(cli(*command).expect(65))
    assert offset[-2:] != ["--utc-offset", "Z"]
    cli(*offset).expect(0)
    (cli.folder / FOLDER / "odd one/runs" / RUN_ID / "manifest.json").write_bytes(b"{}")
    (replace,) = commands(cli("screenalytics", "write-manifest", RUN_ID, *PLACE, *ROOT, "--ep-id", EP_ID).expect(65))
    assert "--replace" in replace
    cli("screenalytics", "ingest", *PLACE, *ROOT, "--grace-min", "0").expect(65)


@pytest.mark.parametrize(
    ("has_episode", "placeholder", "value"), [(False, "<EPISODE>", EP_ID), (True, "<TIME>", "2026-01-02T03:04:05Z")]
)
def test_a_placeholder_is_refused_until_it_is_replaced(
    cli: Cli, has_episode: bool, placeholder: str, value: str
) -> None:
    """A value that is only an example would be written as the run's own."""
    summary = json.loads(SUMMARY) | {"run_id": None}
    summary.pop("generated_at" if has_episode else "episode_id")
    put(cli, {f"elsewhere/{RUN_ID}/analytics/screentime.json": encode(summary)})
    (command,) = commands(cli("screenalytics", "write-manifest", RUN_ID, *PLACE, *ROOT).expect(65))
    assert placeholder in command
    cli(*command).expect(65)
    cli(*(value if word == placeholder else word for word in command)).expect(0)
    cli("screenalytics", "ingest", *PLACE, *ROOT, "--grace-min", "0").expect(0)
