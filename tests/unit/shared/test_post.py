"""A POST ends in time, follows no redirect, and quotes no path, whatever the server or the URL is."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from shared.errors import ConfigurationError, TransientError
from shared.lineage.settings import LineageSettings
from shared.lineage.transport import send as send_event
from shared.notify.message import Notification
from shared.notify.settings import NotifySettings
from shared.notify.webhook import send as send_notification
from shared.post import post
from tests.fakes.sinks import webhook_sink

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGINNINGS = {"nothing": b"", "status line": b"HTTP/1.1 200 ", "headers": b"HTTP/1.1 200 OK\r\nX: "}


@contextmanager
def dripping(beginning: bytes) -> Iterator[str]:
    """Serve a beginning, and then a byte every 50 ms, for ever."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            connection.sendall(beginning)
            while not done.wait(0.05):
                try:
                    connection.sendall(b"x" if beginning else b"")
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        finally:
            done.set()
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_a_server_that_sends_a_byte_at_a_time_is_given_up_in_time(beginning):
    with dripping(beginning) as url:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            post(url, b"{}", {}, timeout_s=0.3)
        assert time.monotonic() - began < 3


def test_neither_lineage_nor_a_webhook_waits_longer_than_its_limit(monkeypatch):
    monkeypatch.setattr("shared.lineage.transport._TIMEOUT_S", 0.3)
    with dripping(b"HTTP/1.1 200 ") as url:
        began = time.monotonic()
        with pytest.raises(TransientError, match="does not answer"):
            send_event({}, url, LineageSettings())
        settings = NotifySettings(notify_webhook_url=url, notify_timeout_s=0.3)
        with pytest.raises(TransientError, match="does not answer"):
            send_notification(Notification.model_construct(id="a:b"), settings)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [204, 301, 404, 503])
def test_the_status_is_returned_and_no_redirect_followed(status):
    with webhook_sink() as sink:
        sink.answers = [status]
        assert post(sink.url, b"{}", {"Authorization": "Bearer hush"}, timeout_s=5) == status
        assert sink.answers == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a sesame b", "http://127.0.0.1:sesame/", "http://127.0.0.1:9/\nsesame"]
)
def test_a_url_that_cannot_be_asked_is_not_quoted(url):
    with pytest.raises(ValueError, match="characters") as caught:
        post(url, b"{}", {}, timeout_s=5)
    assert "sesame" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="TELECINE_NOTIFY_WEBHOOK_URL") as refused:
        send_notification(Notification.model_construct(id="a:b"), NotifySettings(notify_webhook_url=url))
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://lineage.example/sesame x", "https://lineage.example/s\u00e9same"])
def test_a_lineage_url_with_other_characters_is_refused(url):
    with pytest.raises(ValueError, match="percent-encoded"):
        LineageSettings(lineage=url)
