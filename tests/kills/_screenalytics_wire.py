"""A proxy between a client and PostgreSQL that drops the connection after a commit, before the reply arrives."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Final

from sqlalchemy import make_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import Database

__all__ = ["Wire"]

_SOCKET: Final = ".s.PGSQL.5432"
_COMMIT: Final = b"COMMIT\x00"
# A statement in a message of its own, or parsed in the first of several messages, perhaps under a name.
_STATEMENT: Final = re.compile(rb"(?:Q.{4}|P.{4}[^\x00]*\x00)([^\x00]+)\x00", re.DOTALL)
# The tag of the reply to a successful commit.
_DONE: Final = b"COMMIT\x00Z"


class Wire:
    """Listens on its own socket, and forwards both directions.

    Attributes:
        url: of the database, through this wire.
        commits: of those handed on, the beginning of the last statement before each.
        cut: whether it was cut.
    """

    def __init__(self, folder: Path, database: Database, cut_at: int | None = None) -> None:
        """Listen.

        Args:
            folder: short, and there.
            database: at the other end.
            cut_at: number of the commit, from 0, whose answer is lost; None: none.
        """
        url = make_url(database.url)
        self._server = f"{url.query['host']}/{_SOCKET}"
        self.url = url.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)
        self.commits: list[str] = []
        self.cut = False
        self._cut_at = cut_at
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        path = folder / _SOCKET
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        self._listener.listen()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and close all connections."""
        with self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._threads[0].join()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._ends += (client, server)
            line = _Line(self, client, server)
            for target in (line.ask, line.answer):
                thread = threading.Thread(target=target, daemon=True)
                self._threads.append(thread)
                thread.start()

    def takes(self, words: str) -> bool:
        """Note a commit; return whether its reply is the one to lose."""
        with self._lock:
            self.commits.append(words)
            return len(self.commits) - 1 == self._cut_at


class _Line:
    """One connection."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self._wire = wire
        self._client = client
        self._server = server
        self._losing = False
        self._words = ""

    def ask(self) -> None:
        """Forward the client's messages. libpq sends one at a time, and waits."""
        with contextlib.suppress(OSError):
            while data := self._client.recv(1 << 16):
                if data.startswith(b"Q") and data.endswith(_COMMIT):
                    self._losing = self._wire.takes(self._words)
                elif found := _STATEMENT.match(data):
                    self._words = " ".join(found[1].decode().split()[:3])
                self._server.sendall(data)
        self._end()

    def answer(self) -> None:
        """Forward the server's messages, up to the reply to lose."""
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                if self._losing:
                    assert _DONE in data, "the commit was not done"
                    self._wire.cut = True
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
