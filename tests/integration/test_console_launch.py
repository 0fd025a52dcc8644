"""Requested runs start once: as a child process, or as a Workflow, whose answers may be lost."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration

from jobs.console.errors import Refused
from jobs.console.launch import background, child, start, workflow
from jobs.console.launch.requests import request
from jobs.console.model import Principal, Role
from jobs.console.settings import ConsoleSettings
from jobs.console.tables.database import Database as Tables
from shared.cluster.client import Client
from tests.postgres_server import database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

ANN = Principal("ann", Role.UPLOADER, "local")
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/telecine/workflows"


@dataclass
class Place:
    """A console without pages."""

    console: Any
    database: Database

    def ask(self, step: str = "retract", **values: Any) -> int:
        values = {"upload_id": 7, "parameters": {"reason": "wrong month"}} | values
        with self.console.database.write() as session:
            return request(session, ANN, step=step, **values)

    def row(self, launch_id: int) -> tuple[Any, ...]:
        (row,) = self.database.rows(
            "SELECT state, name, run_id, message FROM console.launches WHERE launch_id = %s", launch_id
        )
        return row

    def state(self, launch_id: int) -> str:
        return str(self.row(launch_id)[0])

    def later(self) -> None:
        """Let a minute pass."""
        self.database.rows(
            "UPDATE console.launches SET requested_at = requested_at - interval '65 s',"
            " tried_at = tried_at - interval '65 s'"
        )


def place(database: Database, folder: Path, **values: Any) -> Place:
    settings = ConsoleSettings(database_url=database.url, state_dir=str(folder / "state"), **values)
    return Place(SimpleNamespace(settings=settings, database=Tables(settings)), database)


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_request_is_a_row_with_its_audit_row(database, tmp_path):
    here = place(database, tmp_path)
    database.rows(
        "INSERT INTO console.files (filename, sha256, size_bytes, uri, created_by)"
        " VALUES ('ju''ly.csv', repeat('a', 64), 1, 's3://viewership/console/f00', 'ann')"
    )
    launch_id = here.ask(
        "run", upload_id=None, file_id=1, parameters={"platform": "roku", "files": "s3://x/y", "map": ""}
    )
    rows = database.rows("SELECT name, step, file_id, state, parameters, requested_by FROM console.launches")
    ((name, *others),) = rows
    assert name.startswith("console-run-")
    stored = {"platform": "roku", "files": "s3://viewership/console/f00", "filename": "ju'ly.csv"}
    assert others == ["run", 1, "requested", stored, "ann"]
    assert database.rows("SELECT actor, action, subject, details ->> 'file_id' FROM console.audit") == [
        ("ann", "request run", name, "1")
    ]
    assert launch_id == 1
    here.ask("reprocess", parameters={"all": "true", "by": "eve"})
    assert database.rows("SELECT parameters FROM console.launches WHERE step = 'reprocess'") == [
        ({"all": "true", "by": "ann", "upload": "7"},)
    ]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 64_001])
def test_a_value_that_cannot_be_passed_on_is_refused(database, tmp_path, text):
    with pytest.raises(Refused, match="reason") as refusal:
        place(database, tmp_path).ask(parameters={"reason": text})
    assert (refusal.value.status, refusal.value.code) == (422, "bad_parameter")
    assert database.rows("SELECT FROM console.launches") == []
    assert database.rows("SELECT FROM console.audit") == []


def test_a_parameter_of_another_step_is_a_bug(database, tmp_path):
    with pytest.raises(ValueError, match="retract has no parameter database-url"):
        place(database, tmp_path).ask(parameters={"database-url": "x"})


class TestProcess:
    """Child processes on a laptop."""

    def test_each_starts_once_and_the_ledger_or_its_row_says_how_it_ended(self, database, tmp_path):
        here = place(database, tmp_path)
        # There is no upload 7, and --reason is too long: the first is in the ledger, the second never gets there.
        known = here.ask()
        wrong = here.ask(parameters={"reason": "x" * 1001})
        third = here.ask()
        for launch_id in (known, known, wrong, third):
            start.start(here.console, launch_id)
        assert [here.state(each) for each in (known, wrong, third)] == ["started", "started", "requested"]
        assert here.row(third)[3] == "queued: 2 other runs are in progress"
        name = here.row(known)[1]
        found = []
        wait_for(lambda: found.extend(child.ended()) or len(found) == 2)
        for ended in found:
            start.reap(here.console, ended)
        assert (here.state(known), here.row(known)[2]) == ("started", name)
        assert database.rows("SELECT status, pipeline FROM pipeline.runs WHERE run_id = %s", name) == [
            ("failed", "viewership")
        ]
        state, _, _, message = here.row(wrong)
        assert state == "failed"
        assert "--reason" in message
        # The console is killed after the start, and before the row says so.
        database.rows("UPDATE console.launches SET state = 'requested', started_at = NULL WHERE launch_id = %s", known)
        here.later()
        start.retry_waiting(here.console)
        assert [here.state(each) for each in (known, third)] == ["started", "started"]
        assert list(child._running) == [here.row(third)[1]], "the first is in the ledger already"
        wait_for(child.ended)

    def test_a_run_that_an_ended_console_has_started_is_not_started_again(self, database, tmp_path):
        here = place(database, tmp_path)
        launch_id = here.ask()
        name = here.row(launch_id)[1]
        folder = tmp_path / "state" / "console"
        folder.mkdir(parents=True)
        with (folder / "slot-1").open("w") as slot:
            slot.write(name)
            slot.flush()
            fcntl.flock(slot, fcntl.LOCK_EX)
            start.start(here.console, launch_id)
        assert here.row(launch_id)[:3] == ("started", name, name)
        assert child._running == {}

    def test_the_thread_starts_what_waits_and_records_what_ended(self, database, tmp_path, monkeypatch):
        monkeypatch.setattr(background, "_TICK_S", 0.05)
        here = place(database, tmp_path)
        launch_id = here.ask(parameters={"reason": "x" * 1001})
        here.later()
        with background.running(here.console):
            wait_for(lambda: here.state(launch_id) == "failed")

    def test_secrets_are_in_the_environment_only(self, database, tmp_path, monkeypatch):
        monkeypatch.setenv("TELECINE_RUN_ID", "mine")
        monkeypatch.setenv("TELECINE_DATABASE_URL_BASE64", "AAAA")
        here = place(database, tmp_path, s3_endpoint_url="http://127.0.0.1:9")
        variables = child._environment(here.console.settings)
        assert variables["TELECINE_DATABASE_URL"] == database.url
        assert variables["TELECINE_S3_ENDPOINT_URL"] == "http://127.0.0.1:9"
        assert variables["TELECINE_STATE_DIR"] == str(tmp_path / "state")
        assert not {"TELECINE_RUN_ID", "TELECINE_DATABASE_URL_BASE64"} & variables.keys()
        assert os.environ["TELECINE_RUN_ID"] == "mine"

    def test_off_starts_nothing(self, database, tmp_path):
        here = place(database, tmp_path, launch="off")
        launch_id = here.ask()
        start.start(here.console, launch_id)
        assert here.row(launch_id)[0::3] == ("failed", "this console starts no runs (--launch off)")


@dataclass
class Argo:
    """An API server that creates Workflows; it can lose answers."""

    port: int = 0
    made: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    # Status of the next answers; 0 closes the connection after the Workflow was created.
    faults: list[int] = field(default_factory=list)


@pytest.fixture
def argo(monkeypatch) -> Iterator[Argo]:
    state = Argo()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == WORKFLOWS
            state.asked += 1
            fault = state.faults.pop(0) if state.faults else None
            name = body["metadata"]["name"]
            if fault:
                return self._answer(fault, {"message": "it cannot"})
            if name in state.made:
                return self._answer(409, {"message": "already exists"})
            state.made[name] = body
            body["metadata"]["uid"] = f"uid-{len(state.made)}"
            return None if fault == 0 else self._answer(201, body)

        def _answer(self, status, document):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
    configuration.retries = False
    with ApiClient(configuration) as client:
        monkeypatch.setattr(workflow, "connect", lambda **values: Client(client, "telecine", **values))
        yield state
        client.rest_client.pool_manager.clear()
    server.shutdown()
    thread.join()
    server.server_close()


class TestWorkflow:
    """Workflows in a cluster."""

    def test_it_refers_to_a_template_and_has_nothing_else(self, database, tmp_path, argo):
        here = place(database, tmp_path, launch="workflow")
        launch_id = here.ask(parameters={"reason": "{{workflow.name}} $(X)"})
        start.start(here.console, launch_id)
        state, name, run_id, message = here.row(launch_id)
        assert (state, run_id, message) == ("started", "uid-1", None)
        made = argo.made[name]
        assert made["metadata"]["labels"]["telecine/console-upload"] == "7"
        assert made["metadata"]["labels"]["telecine/console-launch"] == str(launch_id)
        assert made["spec"].keys() == {"workflowTemplateRef", "arguments"}
        assert made["spec"]["workflowTemplateRef"] == {"name": "viewership-retract"}
        given = {each["name"]: each["value"] for each in made["spec"]["arguments"]["parameters"]}
        assert given.keys() == {"number", "reason", "by"}
        assert (given["number"], given["by"]) == ("7", "ann")
        assert given["reason"].startswith("base64:")

    @pytest.mark.parametrize("fault", [0, 503, 429])
    def test_a_lost_answer_is_tried_again_and_starts_one_run(self, database, tmp_path, argo, fault):
        here = place(database, tmp_path, launch="workflow")
        launch_id = here.ask()
        argo.faults = [fault]
        start.start(here.console, launch_id)
        state, name, _, message = here.row(launch_id)
        assert state == "requested"
        assert message
        start.retry_waiting(here.console)
        assert argo.asked == 1, "not at once"
        here.later()
        start.retry_waiting(here.console)
        start.retry_waiting(here.console)
        assert (here.state(launch_id), argo.asked, len(argo.made)) == ("started", 2, 1)
        assert here.row(launch_id)[2] == (None if fault == 0 else "uid-1")
        if fault == 0:
            database.rows(
                "INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('uid-1', 'viewership', 'running')"
            )
            database.rows(
                "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, started_at, parameters)"
                " VALUES ('uid-1', 'retract', 7, 'viewership', 'running', now(), %s)",
                json.dumps({"_origin": {"workflow": name, "namespace": "telecine"}}),
            )
            start.retry_waiting(here.console)
            assert here.row(launch_id)[2] == "uid-1"

    @pytest.mark.parametrize("fault", [403, 422, 404])
    def test_a_refusal_is_final_and_says_why(self, database, tmp_path, argo, fault):
        here = place(database, tmp_path, launch="workflow")
        launch_id = here.ask()
        argo.faults = [fault]
        start.start(here.console, launch_id)
        state, _, _, message = here.row(launch_id)
        assert state == "failed"
        assert (
            "Argo Workflows installed" if fault == 404 else "the console needs these rights: create workflows"
        ) in message
        here.later()
        start.retry_waiting(here.console)
        assert argo.asked == 1

    def test_two_consoles_at_once_try_a_run_once(self, database, tmp_path, argo):
        consoles = [place(database, tmp_path, launch="workflow") for _ in range(4)]
        launch_id = consoles[0].ask()
        threads = [threading.Thread(target=start.start, args=(each.console, launch_id)) for each in consoles]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert (consoles[0].state(launch_id), argo.asked) == ("started", 1)

    def test_an_attempt_of_a_killed_console_is_made_again(self, database, tmp_path, argo):
        here = place(database, tmp_path, launch="workflow")
        launch_id = here.ask()
        assert start._claim(here.console, launch_id) is not None
        start.start(here.console, launch_id)
        assert (here.state(launch_id), argo.asked) == ("requested", 0)
        here.later()
        start.retry_waiting(here.console)
        assert (here.state(launch_id), argo.asked) == ("started", 1)

    def test_a_request_of_yesterday_is_not_started(self, database, tmp_path, argo):
        here = place(database, tmp_path, launch="workflow")
        launch_id = here.ask()
        database.rows("UPDATE console.launches SET requested_at = now() - interval '25 h'")
        start.retry_waiting(here.console)
        assert (here.state(launch_id), argo.asked) == ("failed", 0)

    def test_without_the_database_the_request_waits(self, tmp_path):
        settings = ConsoleSettings(database_url="postgresql://nobody@127.0.0.1:1/none", launch="workflow")
        start.start(SimpleNamespace(settings=settings, database=Tables(settings)), 1)
