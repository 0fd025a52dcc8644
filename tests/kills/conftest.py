"""One preloaded process for all tests of a test worker."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.kills.killer import Programs
from tests.kills.place import Place
from tests.postgres_server import database, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres_server import Database

__all__ = ["database", "postgres"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs.started() as started:
        yield started


@pytest.fixture
def new_place(tmp_path: Path, programs: Programs, database: Database) -> Callable[[], Place]:
    """Return a function that creates places, each with its own folder and ledger run."""
    Place.fill(tmp_path / "tars")
    return lambda: Place(tmp_path / f"place-{next(_numbers)}", tmp_path / "tars", programs, database)
