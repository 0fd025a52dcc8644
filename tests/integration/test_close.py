"""`telecine runs close`: records a Workflow's end in the ledger and notifies people, each exactly once."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from shared.errors import ConfigurationError, StoreUnavailable, TelecineError, TransientError
from shared.failure import Failure
from shared.ledger import open_stage
from shared.notify.commands import close
from shared.notify.message import Notification
from shared.notify.settings import CloseSettings
from shared.report import Report
from shared.step.execute import execute_tool
from tests.emptied_database import database  # noqa: F401
from tests.fakes.sinks import MailSink, WebhookSink, mail_sink, webhook_sink
from tests.postgres_server import postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


@pytest.fixture
def post() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


def node(step: str = "extract", message: str = "Error (exit code 78)", **values: Any) -> dict[str, Any]:
    given = {"displayName": f"{step}(2)", "templateName": step, "phase": "Failed", "podName": f"wf-{step}"}
    return {**given, "message": message, "finishedAt": "2026-01-01T00:00:00Z", **values}


def argo(*nodes: dict[str, Any]) -> str:
    """As Argo fills it in: a JSON string that holds JSON."""
    return json.dumps(json.dumps(list(nodes) or None))


def closing(database: Database, *nodes: dict[str, Any], status: str = "Failed", **values: Any) -> CloseSettings:
    known = {"run_id": "run-1", "database_url": database.url, "workflow": "gamedata-x", "namespace": "telecine"}
    return CloseSettings(**{**known, "workflow_status": status, "failures": argo(*nodes), "of": "gamedata", **values})


def stage(database: Database, name: str, order: int, result: Report | BaseException) -> None:
    with (
        suppress(TelecineError),
        open_stage(database.settings(run_id="run-1"), pipeline="gamedata", stage=name, order=order) as opened,
    ):
        if isinstance(result, BaseException):
            raise result
        opened.record_errors(result.failures)
        opened.finish(result)


def run_row(database: Database) -> tuple[Any, ...]:
    (row,) = database.rows("SELECT pipeline, status, error_stage, error_message FROM pipeline.runs")
    return row


BAD = [Failure(f"a/{number}.tar", "tar_corrupt", "it ends too early") for number in range(3)]
EXTRACTED = Report(
    status="partial", items=40, counts={"extracted": 37, "failed": 3}, failures=BAD, rejects={"tar_corrupt": 3}
)


def test_a_notification_counts_the_nodes_that_the_list_had_no_room_for(database, hook):
    stage(database, "extract", 2, ConfigurationError("no rights", code="access_denied"))
    settings = closing(database, node(), node("plan"), failures_total=9, notify_webhook_url=hook.url)
    close(settings)
    (document,) = hook.got
    assert document["message"] == "no rights (and 7 more failed nodes, which the hook left out)"


def test_a_failed_run_is_told_once_to_each_channel(database, hook, post):
    stage(database, "extract", 2, EXTRACTED)
    stage(database, "manifest", 3, ConfigurationError("postgresql://u:hush-hush@h/d: no rights", code="access_denied"))
    settings = closing(
        database,
        node("stages", "child 'manifest' failed", podName="", finishedAt="2026-01-01T00:00:01Z"),
        node("manifest"),
        notify_webhook_url=hook.url,
        notify_smtp_host="127.0.0.1",
        notify_smtp_port=post.port,
        notify_smtp_security="none",
        notify_smtp_user="me",
        notify_smtp_password="a-password",
        notify_smtp_from="telecine@example.org",
        notify_smtp_to=("a@example.org", "b@example.org"),
        notify_link="https://argo/workflows/{namespace}/{workflow}",
    )
    assert close(settings) == "run run-1: failed; notified by webhook, mail"
    assert close(settings) == "run run-1: failed"
    (document,) = hook.got
    assert {
        name: document[name] for name in ("run_id", "pipeline", "step", "code", "exit_code", "status", "event")
    } == {
        "run_id": "run-1",
        "pipeline": "gamedata",
        "step": "manifest",
        "code": "access_denied",
        "exit_code": 78,
        "status": "failed",
        "event": "run.failed",
    }
    assert document["link"] == "https://argo/workflows/telecine/gamedata-x"
    assert document["rejects"] == {"tar_corrupt": 3}
    assert document["errors"][0]["code"] == "access_denied"
    assert "hush-hush" not in json.dumps(document)
    Draft202012Validator(Notification.model_json_schema(mode="serialization")).validate(document)
    assert hook.headers[0]["Idempotency-Key"] == "run-1:webhook"
    (mail,) = post.got
    assert post.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"] == "telecine: gamedata manifest failed (access_denied)"
    body = mail.get_content()
    for words in ("run-1", "no rights", "https://argo/workflows/telecine/gamedata-x", "tar_corrupt 3"):
        assert words in body
    assert "hush-hush" not in body
    assert run_row(database)[1:3] == ("failed", "manifest")


def test_a_run_that_failed_before_its_first_step_gets_a_row(database, hook):
    close(closing(database, node("plan", "Error (exit code 2)"), notify_webhook_url=hook.url))
    assert run_row(database) == ("gamedata", "failed", None, "plan: Error (exit code 2)")
    (document,) = hook.got
    assert (document["step"], document["code"], document["exit_code"]) == ("plan", "usage", 2)


@pytest.mark.parametrize("has_stage", [True, False])
def test_what_another_container_said_is_cleaned(database, hook, has_stage):
    if has_stage:  # whose pod was killed
        database.rows("INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('run-1', 'gamedata', 'running')")
        database.rows(
            "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status)"
            " VALUES ('run-1', 'extract', 2, 'gamedata', 'running')"
        )
    message = "\x1b[2J\0\ud800 postgresql://u:hush-hush@h/d token=abcdef012345 " + "x" * 5000
    close(closing(database, node("ex\0tract", message), notify_webhook_url=hook.url))
    stored = run_row(database)[3]
    assert stored.startswith("ex\ufffdtract: \ufffd[2J\ufffd\ufffd postgresql://u:***@h/d token=*** xx")
    assert len(stored) == 2000
    stages = database.rows("SELECT error_message FROM pipeline.run_stages")
    assert stages == ([(stored,)] if has_stage else [])
    (document,) = hook.got
    assert document["message"] == stored


def test_a_step_that_never_came_to_the_ledger_is_not_taken_for_the_partial_one_before(database, hook):
    stage(database, "extract", 2, EXTRACTED)
    close(closing(database, node("publish", "OOMKilled (exit code 137)"), notify_webhook_url=hook.url))
    assert run_row(database) == ("gamedata", "failed", None, "publish: OOMKilled (exit code 137)")
    assert (hook.got[0]["step"], hook.got[0]["code"]) == ("publish", "killed")


def test_a_stage_whose_pod_is_gone_ends_with_the_run(database):
    database.rows("INSERT INTO pipeline.runs (run_id, pipeline, status) VALUES ('run-1', 'gamedata', 'running')")
    database.rows(
        "INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, started_at)"
        " VALUES ('run-1', 'extract', 2, 'gamedata', 'running', now())"
    )
    close(closing(database, node("extract", "pod deleted")))
    assert run_row(database) == ("gamedata", "failed", "extract", "extract: pod deleted")
    assert database.rows("SELECT status, finished_at IS NULL FROM pipeline.run_stages") == [("interrupted", False)]


def test_a_run_that_was_stopped_is_cancelled_and_not_told(database, hook):
    from shared.errors import Stopped

    with suppress(Stopped):
        stage(database, "extract", 2, Stopped(15))
    assert run_row(database)[1] == "interrupted"
    stopped = node("extract", "workflow shutdown with strategy:  Stop")
    close(closing(database, stopped, notify_webhook_url=hook.url))
    assert run_row(database)[1:3] == ("cancelled", "extract")
    assert database.rows("SELECT status FROM pipeline.run_stages") == [("cancelled",)]
    assert hook.got == []


@pytest.mark.parametrize(("when", "told"), [("failed", 0), ("always", 1), ("never", 0)])
def test_a_run_that_succeeded(database, hook, when, told):
    stage(database, "extract", 2, StoreUnavailable("503"))
    stage(database, "extract", 2, EXTRACTED)
    close(closing(database, status="Succeeded", notify_webhook_url=hook.url, notify_on=when))
    assert run_row(database)[1] == "partial"
    assert [document["event"] for document in hook.got] == ["run.ended"] * told


def test_never_is_never(database, hook):
    close(closing(database, node(), notify_webhook_url=hook.url, notify_on="never"))
    assert hook.got == []


def test_outputs_are_the_items_of_the_first_stage_that_works_on_them(database, tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_OUTPUTS_DIR", str(tmp_path))
    stage(database, "plan", 1, Report(items=900))
    stage(database, "extract", 2, EXTRACTED)
    stage(database, "manifest", 3, Report(items=5000, status="partial", failures=BAD[:1]))
    close(closing(database, status="Succeeded"))
    assert json.loads((tmp_path / "items").read_text()) == [
        {"pipeline": "gamedata", "outcome": "done", "count": 37},
        {"pipeline": "gamedata", "outcome": "failed", "count": 3},
    ]
    assert json.loads((tmp_path / "rejects").read_text()) == [
        {"pipeline": "gamedata", "code": "tar_corrupt", "count": 3}
    ]


def test_a_channel_that_is_away_is_tried_again_and_the_other_not_told_twice(database, hook, post):
    hook.answers = [503]
    settings = closing(
        database,
        node(),
        notify_webhook_url=hook.url,
        notify_smtp_host="127.0.0.1",
        notify_smtp_port=post.port,
        notify_smtp_security="none",
        notify_smtp_from="a@example.org",
        notify_smtp_to=("b@example.org",),
    )
    with pytest.raises(TransientError, match=r"127\.0\.0\.1 answered 503") as caught:
        close(settings)
    assert "hush-hush" not in caught.value.message
    assert run_row(database)[1] == "failed"
    assert close(settings) == "run run-1: failed; notified by webhook"
    assert (len(hook.got), len(post.got)) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "error"), [(404, ConfigurationError), (302, ConfigurationError), (429, TransientError)]
)
def test_what_a_webhook_answers(database, hook, answer, error):
    hook.answers = [answer]
    with pytest.raises(error, match=str(answer)):
        close(closing(database, node(), notify_webhook_url=hook.url))
    assert database.rows("SELECT count(*) FROM pipeline.notifications WHERE sent_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"RCPT": "550 nobody here"}, ConfigurationError),
        ({"RCPT": "451 come back"}, TransientError),
        ({"AUTH": "535 wrong password"}, ConfigurationError),
        ({"DATA": "421 too busy"}, TransientError),
    ],
)
def test_what_a_mail_server_answers(database, post, answer, error):
    post.answer = answer
    values = {"notify_smtp_host": "127.0.0.1", "notify_smtp_port": post.port, "notify_smtp_security": "none"}
    users = {"notify_smtp_user": "me", "notify_smtp_password": "a-password", "notify_smtp_from": "a@b.org"}
    with pytest.raises(error) as caught:
        close(closing(database, node(), **values, **users, notify_smtp_to=("c@d.org",)))
    assert "a-password" not in caught.value.message
    assert post.got == []


def test_a_mail_server_without_encryption_is_refused_by_default(database, post):
    values = {"notify_smtp_host": "127.0.0.1", "notify_smtp_port": post.port, "notify_smtp_from": "a@b.org"}
    with pytest.raises(ConfigurationError, match="STARTTLS"):
        close(closing(database, node(), **values, notify_smtp_to=("c@d.org",)))
    assert not any(line.startswith("MAIL") for line in post.commands)


def test_mail_without_addresses_is_a_matter_of_configuration(database):
    with pytest.raises(ConfigurationError, match="NOTIFY_SMTP_TO"):
        close(closing(database, node(), notify_smtp_host="127.0.0.1"))


def test_two_hooks_at_once_send_one_message(database, hook):
    settings = closing(database, node(), notify_webhook_url=hook.url)
    close(closing(database, node()))
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(close(settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(said) == 4
    assert len(hook.got) == 1


def test_the_command(database, monkeypatch, capsys):
    from jobs.cli import TOOLS

    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)
    tool = next(tool for tool in TOOLS["runs"][1] if tool.name == "close")
    argv = ["--workflow-status", "Failed", "--failures", argo(node("plan", "Error (exit code 2)"))]
    assert execute_tool(tool, argv) == 2
    assert "--run-id is missing" in capsys.readouterr().err
    assert execute_tool(tool, [*argv, "--run-id", "run-1"]) == 0
    assert capsys.readouterr().out == "run run-1: failed\n"
