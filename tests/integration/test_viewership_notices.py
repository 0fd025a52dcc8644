"""Uploads that wait for a choice or an answer: each is announced once per channel, however many polls follow."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from jobs.closing import close
from jobs.viewership.arrival import notices as notices_module
from jobs.viewership.arrival.delivery import begin
from jobs.viewership.arrival.notices import notify_waiting
from jobs.viewership.steps.upload import take_files
from jobs.viewership.tables import arrivals as table_module
from shared.database.session import transaction
from shared.errors import TransientError
from shared.notify.settings import CloseSettings, NotifySettings
from tests.fakes.sinks import MailSink, WebhookSink, mail_sink, webhook_sink
from tests.postgres_server import database, postgres  # noqa: F401
from tests.viewership_arrivals import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "notification.schema.json"


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


@pytest.fixture
def post() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


def by_hook(hook: WebhookSink, **values: Any) -> NotifySettings:
    return NotifySettings(notify_webhook_url=hook.url, **values)


def by_both(hook: WebhookSink, post: MailSink) -> NotifySettings:
    return by_hook(
        hook,
        notify_smtp_host="127.0.0.1",
        notify_smtp_port=post.port,
        notify_smtp_security="none",
        notify_smtp_from="telecine@example.org",
        notify_smtp_to=("a@example.org",),
    )


def wait(uploads: Uploads, key: str, code: str = "NEEDS_CHOICE", message: str = "pass --date-order") -> None:
    uploads.write(key)
    for found in uploads.find():
        uploads.settle(found, "waiting", code=code, message=message)


def test_an_upload_that_waits_is_announced_once(uploads, hook):
    assert notify_waiting(uploads.settings(), "run-1", by_hook(hook)) == []
    wait(uploads, "uploads/a.csv")
    assert notify_waiting(uploads.settings(), "run-1", by_hook(hook)) == ["webhook"]
    for number in range(3):
        uploads.poll()
        assert notify_waiting(uploads.settings(), f"run-{number}", by_hook(hook)) == []
    (document,) = hook.got
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    assert {name: document[name] for name in ("event", "pipeline", "step", "status", "code", "run_id", "rejects")} == {
        "event": "upload.waiting",
        "pipeline": "viewership",
        "step": "upload",
        "status": "waiting",
        "code": "NEEDS_CHOICE",
        "run_id": "run-1",
        "rejects": {"NEEDS_CHOICE": 1},
    }
    (line,) = document["errors"]
    assert line["item"].endswith("/uploads/a.csv")
    assert (line["code"], line["message"]) == ("NEEDS_CHOICE", "pass --date-order")
    assert document["message"].startswith("1 upload waits for a choice or an answer; ")


def test_uploads_that_arrive_together_share_a_message_and_later_ones_have_their_own(uploads, hook):
    for number in range(7):
        wait(uploads, f"uploads/{number}.csv", code="OVERLAP" if number % 2 else "NEEDS_CHOICE")
    notify_waiting(uploads.settings(), "run-1", by_hook(hook))
    wait(uploads, "uploads/later.csv")
    notify_waiting(uploads.settings(), "run-2", by_hook(hook))
    first, second = hook.got
    assert (first["code"], first["rejects"]) == (None, {"NEEDS_CHOICE": 4, "OVERLAP": 3})
    assert first["message"].startswith("7 uploads wait ")
    assert "The first 5 are listed" in first["message"]
    assert len(first["errors"]) == 5
    assert [line["item"].rpartition("/")[2] for line in second["errors"]] == ["later.csv"]
    assert first["id"] != second["id"]


def test_each_channel_sends_once_and_a_failure_of_one_does_not_repeat_the_other(uploads, hook, post, caplog):
    wait(uploads, "uploads/a.csv")
    post.answer["RCPT"] = "450 later"
    notify = by_both(hook, post)
    assert notify_waiting(uploads.settings(), "run-1", notify) == ["webhook"]
    assert "mail: waiting uploads are not announced yet" in caplog.text
    post.answer.clear()
    assert notify_waiting(uploads.settings(), "run-2", notify) == ["mail"]
    assert notify_waiting(uploads.settings(), "run-3", notify) == []
    assert (len(hook.got), len(post.got)) == (1, 1)
    assert post.got[0]["Subject"] == "telecine: viewership upload waiting (NEEDS_CHOICE)"
    assert hook.headers[0]["Idempotency-Key"].removesuffix(":webhook") in post.got[0]["Message-ID"]


@pytest.mark.parametrize("status", [400, 503])
def test_a_webhook_that_refuses_never_fails_the_run_and_is_tried_by_the_next_poll(uploads, hook, caplog, status):
    wait(uploads, "uploads/a.csv")
    hook.answers = [status]
    assert notify_waiting(uploads.settings(), "run-1", by_hook(hook)) == []
    assert "the next poll retries" in caplog.text
    assert "hush-hush" not in caplog.text
    assert notify_waiting(uploads.settings(), "run-2", by_hook(hook)) == ["webhook"]
    assert len(hook.got) == 1


def test_a_crash_between_sending_and_recording_sends_the_same_notice_again(uploads, hook, monkeypatch):
    wait(uploads, "uploads/a.csv")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(table_module, "mark_sent", die)
        with pytest.raises(KeyboardInterrupt):
            notify_waiting(uploads.settings(), "run-1", by_hook(hook))
    wait(uploads, "uploads/b.csv")
    assert notify_waiting(uploads.settings(), "run-2", by_hook(hook)) == ["webhook"]
    first, second, third = hook.got
    assert first["id"] == second["id"] != third["id"]
    assert first["errors"] == second["errors"] != third["errors"]
    assert [headers["Idempotency-Key"] for headers in hook.headers] == [each["id"] for each in hook.got]


def test_of_two_polls_at_once_one_sends(uploads, hook, monkeypatch):
    wait(uploads, "uploads/a.csv")
    sending, go = threading.Event(), threading.Event()
    real = notices_module.channels

    def slow(notify: NotifySettings) -> Any:
        def send(message: Any, settings: NotifySettings) -> None:
            sending.set()
            assert go.wait(20)
            real(settings)["webhook"](message, settings)

        return {"webhook": send}

    told: list[Any] = []
    monkeypatch.setattr(notices_module, "channels", slow)
    one = threading.Thread(target=lambda: told.append(notify_waiting(uploads.settings(), "run-1", by_hook(hook))))
    one.start()
    try:
        assert sending.wait(20)
        assert notify_waiting(uploads.settings(), "run-2", by_hook(hook)) == []
    finally:
        go.set()
        one.join(20)
    assert told == [["webhook"]]
    assert notify_waiting(uploads.settings(), "run-3", by_hook(hook)) == []
    assert len(hook.got) == 1


def test_another_question_is_another_notice_and_the_same_one_is_not(uploads, hook):
    wait(uploads, "uploads/a.csv")
    notify_waiting(uploads.settings(), "run-1", by_hook(hook))
    for code, messages in (("NEEDS_CHOICE", 1), ("OVERLAP", 2), ("OVERLAP", 2)):
        uploads.announce({"key": "uploads/a.csv", "format": "roku"})
        (found,) = uploads.find()
        begin(uploads.settings(), found, "run-2")
        uploads.settle(found, "waiting", code=code, message="which?")
        notify_waiting(uploads.settings(), "run-2", by_hook(hook))
        assert len(hook.got) == messages, code
    uploads.write("uploads/a.csv", b"other bytes", age=9)
    (found,) = uploads.find()
    uploads.settle(found, "waiting", code="OVERLAP", message="which?")
    notify_waiting(uploads.settings(), "run-3", by_hook(hook))
    assert len(hook.got) == 3, "other bytes are another upload"


def test_an_upload_that_was_answered_before_the_message_is_not_announced(uploads, hook):
    upload = uploads.database.rows(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
        " VALUES (repeat('a', 64), 'raw/aa/a', 'a.csv', 1, 'needs_choice', 'run-1') RETURNING upload_id"
    )[0][0]
    uploads.write("uploads/a.csv")
    (found,) = uploads.find()
    uploads.settle(found, "waiting", code="NEEDS_CHOICE", message="which?", upload_id=upload)
    hook.answers = [503]
    assert notify_waiting(uploads.settings(), "run-1", by_hook(hook)) == []
    uploads.database.rows("UPDATE viewership.uploads SET status = 'refused'")
    assert notify_waiting(uploads.settings(), "run-2", by_hook(hook)) == []
    assert hook.got == []
    assert uploads.rows("unsent") == [([],)]


def closing(uploads: Uploads, **values: Any) -> CloseSettings:
    known = {"run_id": "run-1", "database_url": uploads.database.url, "workflow_status": "Succeeded"}
    return CloseSettings(**{**known, "of": "viewership", **values})


@pytest.mark.parametrize("pipeline", ["viewership", "media"])
def test_the_exit_hook_announces_what_waits(uploads, hook, pipeline):
    wait(uploads, "uploads/a.csv")
    assert close(closing(uploads, of="gamedata", notify_webhook_url=hook.url)) == "run run-1: success"
    settings = closing(uploads, of=pipeline, notify_webhook_url=hook.url)
    assert close(settings) == "run run-1: success; announced uploads by webhook"
    assert close(settings) == "run run-1: success"
    assert [document["event"] for document in hook.got] == ["upload.waiting"]


def test_a_failed_run_and_what_waits_are_two_messages(uploads, hook):
    wait(uploads, "uploads/a.csv")
    settings = closing(uploads, workflow_status="Failed", notify_webhook_url=hook.url)
    hook.answers = [503]
    with pytest.raises(TransientError):
        close(settings)
    close(settings)
    assert sorted(document["event"] for document in hook.got) == ["run.failed", "upload.waiting"]


def test_in_a_pod_the_step_leaves_the_message_to_the_hook(uploads, hook, monkeypatch):
    wait(uploads, "uploads/a.csv")
    monkeypatch.setenv("TELECINE_NOTIFY_WEBHOOK_URL", hook.url)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    stage: Any = SimpleNamespace(
        run_id="run-1", progress=SimpleNamespace(start=lambda *_: None, advance=lambda *_: None)
    )
    take_files(uploads.settings(), stage)
    assert hook.got == []
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    take_files(uploads.settings(), stage)
    assert len(hook.got) == 1


def test_without_a_channel_nothing_is_lost(uploads, hook, monkeypatch):
    wait(uploads, "uploads/a.csv")
    assert notify_waiting(uploads.settings(), "run-1", NotifySettings()) == []
    assert notify_waiting(uploads.settings(), "run-1", by_hook(hook, notify_on="never")) == []
    assert uploads.rows("notice") == [(None,)]
    monkeypatch.setenv("TELECINE_NOTIFY_WEBHOOK_URL", hook.url)
    assert notify_waiting(uploads.settings(), "run-1") == ["webhook"]
    assert len(hook.got) == 1


def test_a_database_that_does_not_answer_or_a_bad_setting_never_fails_the_run(uploads, hook, monkeypatch, caplog):
    away = uploads.settings(database_url="postgresql://u:hush-hush@127.0.0.1:1/x")
    assert notify_waiting(away, "run-1", by_hook(hook)) == []
    monkeypatch.setenv("TELECINE_NOTIFY_WEBHOOK_URL", "not a url")
    assert notify_waiting(uploads.settings(), "run-1") == []
    assert caplog.text.count("waiting uploads could not be announced") == 2
    assert "hush-hush" not in caplog.text


def test_names_and_messages_of_producers_are_cleaned(uploads, hook, post):
    wait(uploads, "uploads/a\nSubject: b.csv", message="see postgresql://u:hunter2@h/d \x1b[2J $(NAME) {{inputs}}")
    assert notify_waiting(uploads.settings(), "run-1", by_both(hook, post)) == ["webhook", "mail"]
    text = post.got[0].get_content() + json.dumps(hook.got[0])
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert post.got[0].get_all("Subject") == ["telecine: viewership upload waiting (NEEDS_CHOICE)"]
    with transaction(uploads.settings()) as session:
        assert table_module.open_notices(session, "mail") == []
