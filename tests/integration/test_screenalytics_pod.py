"""The steps as pods start them: rendered arguments and variables, filled in as Argo does, passed to the command."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.emptied_database import database  # noqa: F401
from tests.in_process import InProcess
from tests.postgres_server import postgres  # noqa: F401
from tests.render.rendered import spec_of, templates
from tests.screenalytics_runs import make_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cli import Done
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# In a template, `{{inputs.parameters.x}}` is encoded already: its caller has done it.
_TAG = re.compile(
    r"""\{\{(?:=sprig\.b64enc\()?(inputs|workflow)\.parameters(?:\.([\w-]+?)|\[["']([\w-]+)["']\])\)?\}\}"""
)
_NAMES = "{{=sprig.b64enc(toJson(map(fromJSON(workflow.parameters.json), .name)))}}"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass
class Pods:
    """Pods of Workflows of `screenalytics`, with a folder for the bucket."""

    folder: Path
    database: Database
    uid: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    def put(self, files: Mapping[str, bytes]) -> None:
        for key, body in files.items():
            place = self.folder / "bucket" / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body)

    def secrets(self) -> Path:
        """Return the folder of mounted Secrets, which is empty."""
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        return folder

    def __call__(self, template: str, **form: str) -> Done:
        """Start a pod; `form` overrides defaults of the form, with `_` for `-`."""
        self.uid = str(uuid.uuid4())
        folder = self.folder / self.uid
        given = {name.replace("_", "-"): value for name, value in form.items()}
        workflow = {
            each["name"]: each.get("value", each.get("valueFrom", {}).get("default"))
            for each in spec_of("screenalytics")["arguments"]["parameters"]
        }
        workflow |= {"bucket": str(self.folder / "bucket"), **given}
        parts = templates("screenalytics")[template]
        inputs = {each["name"]: workflow.get(each["name"], each.get("value")) for each in parts["inputs"]["parameters"]}
        scopes = {"inputs": inputs, "workflow": workflow}

        def filled(text: str) -> str:
            text = text.replace(_NAMES, encoded(json.dumps(list(workflow)))).replace("{{workflow.uid}}", self.uid)
            return _TAG.sub(lambda tag: encoded(scopes[tag[1]][tag[2] or tag[3]]), text)

        variables = {each["name"]: filled(each["value"]) for each in parts["container"]["env"]}
        variables |= {
            "TELECINE_DATABASE_URL": self.database.url,
            "TELECINE_SECRETS_DIR": str(self.secrets()),
            "TELECINE_OUTPUTS_DIR": str(folder / "parameters"),
            "TELECINE_REPORT_DIR": str(folder / "report"),
            "TELECINE_STATE_DIR": str(folder / "state"),
            "HOME": str(folder),
        }
        done = InProcess(self.folder, variables)(*map(filled, parts["container"]["args"]))
        self.outputs = {path.name: path.read_text() for path in (folder / "parameters").iterdir()}
        return done

    def figures(self, *names: str) -> tuple[str, ...]:
        return tuple(self.outputs[name] for name in names)

    def stage(self) -> tuple[object, ...]:
        (found,) = self.database.rows(
            "SELECT stage, status, exit_code FROM pipeline.run_stages WHERE run_id = %s", self.uid
        )
        return found


@pytest.fixture
def pods(database, tmp_path) -> Pods:
    return Pods(tmp_path, database)


def test_a_bad_run_fails_the_step_and_is_replayed_once_it_is_mended(pods):
    pods.put(make_run("good") | make_run("bad", schema_version="9.9"))
    pods("ingest").expect(65)
    assert pods.figures("status", "ingested", "failed") == ("failed", "1", "1")
    # Without a file for an output, Argo uses its default.
    wanted = {each["name"] for each in templates("screenalytics")["ingest"]["outputs"]["parameters"]}
    assert wanted <= set(pods.outputs)
    assert pods.stage() == ("sync_screenalytics", "failed", 65)

    pods.put(make_run("bad"))
    pods("replay", run="bad").expect(0)
    assert pods.figures("status", "ingested") == ("success", "1")
    assert pods.stage() == ("sync_screenalytics", "success", 0)

    pods("ingest").expect(0)
    assert pods.figures("known", "ingested", "items") == ("2", "0", "0")
    assert pods.database.rows("SELECT run_id FROM screenalytics.runs ORDER BY 1") == [("bad",), ("good",)]


def test_what_nothing_reads_or_what_is_missing_ends_the_step_at_once(pods):
    assert "did you mean prefix?" in pods("ingest", prefx="x").expect(2).err
    assert "needs either a run" in pods("replay").expect(2).err


def test_the_branch_of_an_installation_without_screenalytics_is_skipped(pods):
    pods("ingest", enabled="false").expect(0)
    assert pods.stage() == ("sync_screenalytics", "skipped", 0)
    assert not (pods.folder / "bucket").exists()
