"""Fixtures of the tests in a browser: the session's rows; a console and a Chromium for each module; visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import console
from tests.postgres_server import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

__all__ = ["browser", "postgres", "seeded", "site", "visit", "visits"]


@pytest.fixture(scope="session")
def seeded(postgres: str) -> Iterator[console.Seeded]:
    with console.seeded(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with console.chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(
    browser: Browser,
    seeded: console.Seeded,
    postgres: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[console.Site]:
    with console.serving(seeded, postgres, tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture(scope="module")
def visits(browser: Browser, site: console.Site) -> console.Visits:
    return console.Visits(browser, site)


@pytest.fixture
def visit(visits: console.Visits) -> Iterator[Callable[..., console.Visit]]:
    """Return a function that opens a page until the end of the test."""
    opened: list[console.Visit] = []

    def start(**options: Any) -> console.Visit:
        opened.append(visits.start(**options))
        return opened[-1]

    yield start
    for each in opened:
        each.page.close()
