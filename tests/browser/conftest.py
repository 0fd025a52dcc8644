"""Fixtures of the tests in a browser: the session's rows, a Chromium for all, a console for each module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.console.steps import serve
from tests.browser import console
from tests.postgres_server import postgres

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

__all__ = ["browser", "listener", "postgres", "seeded", "site", "visit", "visits"]


@pytest.fixture(scope="session")
def seeded(postgres: str) -> Iterator[console.Seeded]:
    with console.seeded(postgres) as made:
        yield made


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with console.chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def listener() -> Iterator[socket.socket]:
    with serve.listen("127.0.0.1", 0) as made:
        yield made


@pytest.fixture(scope="module")
def site(
    listener: socket.socket,
    seeded: console.Seeded,
    postgres: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[console.Site]:
    with console.serving(seeded, postgres, tmp_path_factory.mktemp("console"), listener) as made:
        yield made


@pytest.fixture(scope="package")
def visits(browser: Browser) -> console.Visits:
    return console.Visits(browser)


@pytest.fixture
def visit(visits: console.Visits, site: console.Site) -> Iterator[Callable[..., console.Visit]]:
    """Return a function that lends a page until the end of the test."""
    lent: list[console.Visit] = []

    def start(**options: Any) -> console.Visit:
        lent.append(visits.start(site, **options))
        return lent[-1]

    yield start
    for each in lent:
        visits.end(each)
