"""A webhook and a mail server that remember what they got, and answer as they are told."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

__all__ = ["MailSink", "WebhookSink", "mail_sink", "webhook_sink"]


class WebhookSink(ThreadingHTTPServer):
    """Answers with `answers`, one after the other, then 204."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Hook)
        self.answers: list[int] = []
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = f"http://{host}:{self.server_port}/hook?token=hush-hush"


class _Hook(BaseHTTPRequestHandler):
    server: WebhookSink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status < 300:
            self.server.got.append(json.loads(body))
            self.server.headers.append(dict(self.headers.items()))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class MailSink(socketserver.ThreadingTCPServer):
    """Speaks SMTP as far as a client needs; `answer` stands for the answer to a command: ``{"RCPT": "550 no"}``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Mail)
        self.answer: dict[str, str] = {}
        self.got: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.commands: list[str] = []
        self.port: int = self.server_address[1]


class _Mail(socketserver.StreamRequestHandler):
    server: MailSink

    def handle(self) -> None:
        self._say("220 here")
        to: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            self.server.commands.append(line)
            said = self.server.answer.get(word)
            if word == "EHLO":
                self._say(said or "250-here\r\n250 AUTH PLAIN")
            elif word == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
                self._say(said or "250 ok")
            elif word == "DATA":
                self._say(said or "354 continue")
                if said:
                    continue
                self._take(to)
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say(said or ("235 welcome" if word == "AUTH" else "250 ok"))

    def _take(self, to: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        message: Any = message_from_bytes(b"".join(lines), policy=policy.default)
        self.server.got.append(message)
        self.server.recipients.append(to)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def _running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def webhook_sink(host: str = "127.0.0.1") -> Iterator[WebhookSink]:
    with _running(WebhookSink(host)) as server:
        yield server


@contextmanager
def mail_sink(host: str = "127.0.0.1") -> Iterator[MailSink]:
    with _running(MailSink(host)) as server:
        yield server
