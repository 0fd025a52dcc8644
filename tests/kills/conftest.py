"""One preloaded process for all tests of a test worker."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.kills.killer import Programs
from tests.kills.place import Place
from tests.postgres_server import database, made_database, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kills.killer import Operation
    from tests.postgres_server import Database

__all__ = ["database", "postgres"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs.started() as started:
        yield started


@pytest.fixture(scope="session")
def tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TARs of all places: their ETags, which results name, are the same everywhere."""
    folder = tmp_path_factory.mktemp("tars")
    Place.fill(folder)
    return folder


@dataclass(frozen=True)
class Undisturbed:
    """An undisturbed ``run``.

    Attributes:
        trace: its operations.
        outcome: its final results, which are those of every run.
    """

    trace: list[Operation]
    outcome: dict[str, Any]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, programs: Programs, postgres: str, tars: Path) -> Undisturbed:
    with made_database(postgres) as database:
        place = Place(tmp_path_factory.mktemp("whole") / f"place-{next(_numbers)}", tars, programs, database)
        return Undisturbed(place.start().expect(0).trace, place.outcome())


@pytest.fixture
def new_place(tmp_path: Path, tars: Path, programs: Programs, database: Database) -> Callable[[], Place]:
    """Return a function that creates places, each with its own folder and ledger run."""
    return lambda: Place(tmp_path / f"place-{next(_numbers)}", tars, programs, database)
