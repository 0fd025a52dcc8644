"""Text from outside in notifications: no secrets, no forged lines or headers."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from shared import secrets
from shared.errors import ConfigurationError
from shared.notify import mail
from shared.notify.message import ErrorLine, Notification, as_text, subject
from shared.notify.settings import NotifySettings

HOSTILE = "x\r\nBcc: a@b.c\x1b[2J\u202e hush-hush-9"


def notification():
    secrets.remember("hush-hush-9")
    text = dict.fromkeys(("pipeline", "workflow", "namespace", "status", "step", "code", "message", "link"), HOSTILE)
    line = ErrorLine(item=HOSTILE, code=HOSTILE, message=HOSTILE)
    return Notification(
        id=f"{HOSTILE}:mail",
        event="run.failed",
        run_id=HOSTILE,
        errors=[line],
        rejects={HOSTILE: 1},
        at=datetime(2026, 1, 1, tzinfo=UTC),
        **text,
    )


def test_no_field_has_a_secret_or_an_escape():
    message = notification()
    for shown in (message.model_dump_json(), subject(message), as_text(message)):
        assert "hush" not in shown
        assert not set(shown) & set("\x1b\u202e\r")
    assert not [line for line in as_text(message).splitlines() if line.startswith("Bcc")]
    assert "\n" not in subject(message)


class Server:
    sent: ClassVar[list[bytes]] = []

    def __init__(self, *_args, **_kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def send_message(self, message):
        self.sent.append(message.as_bytes())


def test_a_mail_has_no_header_of_a_name(monkeypatch):
    monkeypatch.setattr(smtplib, "SMTP", Server)
    settings = NotifySettings(
        notify_smtp_host="h", notify_smtp_security="none", notify_smtp_from="a@b.c", notify_smtp_to=("d@e.f",)
    )
    mail.send(notification(), settings)
    header = Server.sent.pop().partition(b"\n\n")[0]
    assert not [line for line in header.splitlines() if line.lower().startswith(b"bcc")]


@pytest.mark.parametrize("field", ["notify_smtp_from", "notify_smtp_to"])
def test_an_address_with_a_line_break_is_a_configuration_error(field, monkeypatch):
    monkeypatch.setattr(smtplib, "SMTP", Server)
    addresses = {"notify_smtp_from": "a@b.c", "notify_smtp_to": ("d@e.f",)}
    addresses[field] = ("x@y.z\r\nBcc: a@b.c",) if field == "notify_smtp_to" else "x@y.z\r\nBcc: a@b.c"
    settings = NotifySettings(notify_smtp_host="h", notify_smtp_security="none", **addresses)
    with pytest.raises(ConfigurationError, match="line break"):
        mail.send(notification(), settings)
