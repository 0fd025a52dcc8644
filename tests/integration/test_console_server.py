"""The console as a process: signals, sockets, and clients that break the protocol."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from jobs.console.access import tokens
from shared.database.session import transaction
from tests.cli import Cli, telecine
from tests.postgres_server import database, postgres, reachable_folder, until  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOST = "Host: localhost\r\n"
END_S = 30.0


class Server:
    """A running console."""

    def __init__(self, process: subprocess.Popen[str], errors: list[str]) -> None:
        self.process = process
        self.errors = errors
        assert process.stdout is not None
        self.banner = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.banner)
        assert found is not None, self.banner + "".join(errors)
        self.port = int(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=END_S)

    def raw(self, *parts: str | bytes, half_close: bool = False) -> str:
        """Send bytes and return everything that comes back until the server closes."""
        with closing(self.connect()) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                for part in parts:
                    connection.sendall(part if isinstance(part, bytes) else part.encode())
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            return received(connection)

    def get(self, path: str, *headers: str) -> str:
        lines = "".join(f"{header}\r\n" for header in headers)
        return self.raw(f"GET {path} HTTP/1.1\r\n{HOST}{lines}Connection: close\r\n\r\n")

    def listens(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def end(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(END_S)


def received(connection: socket.socket) -> str:
    found = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            found += data
    return found.decode("utf-8", "replace")


@contextmanager
def serving(database: Database, *flags: str) -> Iterator[Server]:
    with reachable_folder() as folder:
        env = {**Cli(folder).env, "TELECINE_DATABASE_URL": database.url}
        process = subprocess.Popen(
            telecine(["console", "--port", "0", *flags]),
            cwd=folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        errors: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            yield Server(process, errors)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join(END_S)
            process.stdout.close()
            process.stderr.close()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Let every query of runs wait."""
    with database.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE pipeline.runs IN ACCESS EXCLUSIVE MODE")
        yield


def is_waiting(database: Database) -> bool:
    found = database.rows(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s", database.name
    )
    return bool(found)


def asked(server: Server, path: str = "/runs.json") -> tuple[threading.Thread, list[str]]:
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(server.get(path)))
    thread.start()
    return thread, answers


def test_a_server_survives_broken_clients_and_sigterm_drains_it(database):
    with serving(database, "--statement-timeout-s", "30") as server:
        assert "(access: local)" in server.banner
        assert server.get("/healthz").startswith("HTTP/1.1 200")

        large = f"{HOST}X: {'x' * 100_000}\r\nConnection: close\r\n\r\n"
        for path in ("/runs", f"/{'x' * 100_000}"):
            # The server's limit if it arrives in parts, and else the gate's.
            assert re.match(r"HTTP/1\.1 4(00|14|31) ", server.raw(f"GET {path} HTTP/1.1\r\n{large}"))
        for request in (
            f"GET /runs HTTP/1.1\r\n{HOST}Host: localhost\r\n\r\n",
            "GET /runs HTTP/1.1\r\n\r\n",
            f"GET /runs HTTP/1.1\r\n{HOST}X-Bad: a\0b\r\n\r\n",
            f"POST /login HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            f"POST /login HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
            f"GET http://evil.example/runs HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
            "\x16\x03\x01 not HTTP\r\n\r\n",
        ):
            assert server.raw(request, half_close=True).startswith("HTTP/1.1 400"), request[:60]
        assert server.get("/runs", "Host: evil.example").startswith("HTTP/1.1 400")

        # The body is shorter than its header says, then longer than the limit in chunks.
        head = f"POST /login HTTP/1.1\r\n{HOST}Sec-Fetch-Site: same-origin\r\nAccept: application/json\r\n"
        form = f"{head}Content-Type: application/x-www-form-urlencoded\r\n"
        server.raw(f"{form}Content-Length: 500\r\n\r\ntoken=x", half_close=True)
        chunk = b"8000\r\n" + b"x" * 32_768 + b"\r\n"
        long = server.raw(f"{form}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", *[chunk] * 9, "0\r\n\r\n")
        assert long.startswith("HTTP/1.1 413")
        assert '"code":"body_too_large"' in long

        upgrade = "Upgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nConnection: upgrade, close\r\n"
        assert not server.raw(f"GET /runs HTTP/1.1\r\n{HOST}{upgrade}\r\n", half_close=True).startswith("HTTP/1.1 101")
        assert server.get("/healthz").startswith("HTTP/1.1 200")

        with closing(server.connect()) as idle, locked(database):
            thread, answers = asked(server)
            until(lambda: is_waiting(database))
            server.process.send_signal(signal.SIGTERM)
            assert received(idle) == "", "an idle connection is closed at once"
            assert not server.listens()
            assert server.process.poll() is None
        thread.join(END_S)
        assert answers[0].startswith("HTTP/1.1 200")
        assert server.end() == 0
    log = "".join(server.errors)
    assert "Traceback" not in log
    assert "evil.example" not in log


def test_a_second_signal_ends_requests_at_once(database):
    with serving(database, "--statement-timeout-s", "60", "--drain-s", "60") as server, locked(database):
        thread, answers = asked(server)
        until(lambda: is_waiting(database))
        server.process.send_signal(signal.SIGINT)
        until(lambda: not server.listens(), END_S)
        assert server.end(signal.SIGTERM) == 143
        thread.join(END_S)
        assert answers == [""]


def test_no_secret_is_in_the_output_at_the_lowest_level(database):
    with transaction(database.settings()) as session:
        token = tokens.issue(session, "ada", "viewer", 1)
    flags = ("--access", "token", "--log-level", "DEBUG")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    flags += ("--public-url", f"http://127.0.0.1:{port}", "--port", str(port))
    with serving(database, *flags) as server:
        host = f"Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin\r\n"
        body = f"token={token}"
        form = (
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        )
        answer = server.raw(f"POST /login HTTP/1.1\r\n{host}{form}\r\n{body}")
        cookie = re.search(r"__Host-telecine=([^;]+)", answer)
        assert cookie is not None, answer
        get = f"GET /runs.json HTTP/1.1\r\n{host}Connection: close\r\n"
        assert server.raw(f"{get}Cookie: {cookie[0]}\r\n\r\n").startswith("HTTP/1.1 200")
        assert server.raw(f"{get}Authorization: Bearer {token}\r\n\r\n").startswith("HTTP/1.1 200")
        assert server.raw(f"{get}Authorization: Bearer {token}\0\r\n\r\n").startswith("HTTP/1.1 400")
        assert server.end(signal.SIGTERM) == 0
        printed = server.process.stdout.read() if server.process.stdout else ""
    log = "".join(server.errors) + printed
    assert "GET /runs.json 200" in log
    for secret in (token, cookie[1], os.fspath(token)[9:]):
        assert secret not in log
