"""A real PostgreSQL for tests: one server for the session, a fresh database for each test.

    from tests.postgres_server import database, postgres  # fixtures

`database` gives a `Database` that is migrated; `empty_database` one that is not.
`make test` keeps each file on one worker; a worker starts a server of its own with the first test that needs one.

The server is the newest that `shared.database` finds here. For another one, such as the oldest that telecine supports:

    TELECINE_TEST_POSTGRES=/usr/lib/postgresql/15/bin python -m pytest tests/integration/test_migrations.py
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from shared.database import _binaries, embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.settings import StepSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Database", "at_end", "database", "empty_database", "made_database", "postgres", "reachable_folder", "until"]

_numbers = itertools.count(1)
# Of :meth:`Database.rows`, by URL.
_kept: dict[str, psycopg.Connection[Any]] = {}


@dataclass(frozen=True)
class Database:
    """One database on the test server."""

    name: str
    url: str

    def settings(self, **values: Any) -> StepSettings:
        return StepSettings(**{"database_url": self.url, **values})

    def connect(self, **values: Any) -> psycopg.Connection[Any]:
        url = make_url(self.url).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, **values)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement on a connection that stays open: a new one takes the server 3 ms."""
        for _ in range(2):
            connection = _kept.get(self.url)
            if connection is None or connection.closed:
                connection = _kept[self.url] = self.connect(prepare_threshold=None)
            try:
                cursor = connection.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                # A server that a test stopped and started again.
                if not connection.closed:
                    raise
        raise AssertionError(f"the connection to {self.name} was lost twice")

    def close(self) -> None:
        """Close the connection of :meth:`rows` and those of our engines: a copy is made of what nobody uses."""
        if kept := _kept.pop(self.url, None):
            kept.close()
        dispose()

    def as_role(self, role: str, password: str = "") -> str:
        return make_url(self.url).set(username=role, password=password or None).render_as_string(hide_password=False)


# Longer than the 20 s after which a supervisor stops waiting for its server's last checkpoint.
def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come"
        time.sleep(0.05)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A short folder that the server's user reaches also when the tests run as root (pytest's own are 0700)."""
    folder = Path(tempfile.mkdtemp(prefix="telecine-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server() -> Iterator[str]:
    """Start a server, and stop it at the end of the block."""
    with reachable_folder() as folder:
        options = {"fsync": "off", "full_page_writes": "off", "max_connections": "100", "max_wal_size": "128MB"}
        with pytest.MonkeyPatch.context() as patch:
            if chosen := os.environ.get("TELECINE_TEST_POSTGRES"):
                patch.setattr(_binaries, "_candidates", lambda: [Path(chosen)])
            url = embedded.ensure(folder, options)
        upgrade(StepSettings(database_url=url))
        dispose()
        try:
            yield url
        finally:
            while _kept:
                _kept.popitem()[1].close()
            embedded.release(folder)
            until(lambda: not (folder / "postgres" / "run" / ".s.PGSQL.5432").exists())


class _Shared:
    """The server of this process. Each module that imports the fixture has a fixture of its own, of the same server.

    A server a module took 2 s of processor time each, and 125 of them ran until the session's end.
    """

    def __init__(self) -> None:
        self._users = 0
        self._open = ExitStack()
        self._url = ""

    def at_end(self, call: Callable[[], None]) -> None:
        """Call before the server stops."""
        self._open.callback(call)

    @contextmanager
    def url(self) -> Iterator[str]:
        if not self._users:
            self._url = self._open.enter_context(_server())
        self._users += 1
        try:
            yield self._url
        finally:
            self._users -= 1
            if not self._users:
                self._open.close()


_shared = _Shared()
at_end = _shared.at_end


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server's maintenance database."""
    with _shared.url() as url:
        yield url


@contextmanager
def _database(server: str, template: str) -> Iterator[Database]:
    name = f"test_{next(_numbers)}"
    maintenance = Database("postgres", make_url(server).set(database="postgres").render_as_string(hide_password=False))
    # A template in use cannot be copied, and a pool may still be connected to it.
    maintenance.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", template)
    # A copy of the files takes 0.03 s of processor time; the default, through the log, takes 0.1 s.
    maintenance.rows(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    made = Database(name, make_url(server).set(database=name).render_as_string(hide_password=False))
    try:
        yield made
    finally:
        made.close()
        maintenance.rows(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def made_database(server: str, template: Database | None = None) -> Iterator[Database]:
    """A migrated database for longer than a test, or a copy of another, which nobody may be using.

    What many tests start from is made once, and copied for each: a copy takes 0.03 s of processor time.
    """
    if template is not None:
        template.close()
    with _database(server, template.name if template else "telecine") as made:
        yield made


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """A migrated database of environment dev."""
    with _database(postgres, "telecine") as made:
        yield made


@pytest.fixture
def empty_database(postgres: str) -> Iterator[Database]:
    """A database that was never migrated."""
    with _database(postgres, "template1") as made:
        yield made
