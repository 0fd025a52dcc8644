"""Every page of the console: accessible in both schemes, narrow, quiet, small, and nothing from elsewhere."""

from __future__ import annotations

import gzip
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import make_url

from jobs.console.model import Principal, Role
from jobs.console.settings import ConsoleSettings
from jobs.console.web.assets import Assets
from jobs.console.web.render import Pages
from tests.browser.console import PAGES, PROBLEMS, browser, postgres, site, visit  # noqa: F401
from tests.postgres_server import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_MOST_BYTES = 60_000
_MOST_SCRIPT_BYTES = 25_000
_OWN_SCRIPT_BYTES = 6_000


def faults(seen: Visit) -> list[str]:
    """Return what axe finds: rule, element and the reason."""
    answer: dict[str, Any] = Axe().run(seen.page, options={"runOnly": _RULES}).response
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in answer["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("path", [*PAGES, *PROBLEMS, "/login", "/login?failed=1"])
def test_a_page_is_accessible_fits_a_phone_and_is_quiet(visit: Start, path: str):  # noqa: F811
    seen = visit(anonymous=path.startswith("/login"), viewport={"width": 1280, "height": 900})
    page = seen.open(path)
    assert seen.seen()["shift"] < 0.02
    assert faults(seen) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    # Tall: axe takes links that scroll below the bar at the bottom for too small ones.
    height = page.evaluate("document.scrollingElement.scrollHeight")
    page.set_viewport_size({"width": 390, "height": height + 200})
    assert faults(seen) == []
    # Chromium itself reports the status of a page that is a problem.
    assert [text for text in seen.said if not (path in PROBLEMS and "the server responded with a status" in text)] == []
    assert seen.seen()["violations"] == []
    assert [each.url for each in seen.requests if not each.url.startswith((seen.site.origin, "data:"))] == []


@pytest.mark.parametrize("path", [*PAGES, "/runs"])
def test_a_first_visit_is_small(visit: Start, path: str):  # noqa: F811
    seen = visit()
    seen.open(path)
    seen.page.wait_for_load_state("networkidle")
    assert len(seen.requests) <= 5, [each.url for each in seen.requests]
    sizes = {each.url: each.sizes()["responseBodySize"] for each in seen.requests}
    scripts = {url: size for url, size in sizes.items() if url.endswith(".js")}
    assert sum(sizes.values()) <= _MOST_BYTES
    assert sum(scripts.values()) <= _MOST_SCRIPT_BYTES
    assert len(scripts) == 2, "htmx is missing: make jobs/console/static/vendor/.ready"
    own = next(each for each in seen.requests if each.url.endswith("/console.js")).response()
    assert own is not None
    assert len(own.body()) <= _OWN_SCRIPT_BYTES


def test_what_is_measured_is_compressed(visit: Start):  # noqa: F811
    seen = visit()
    seen.open("/runs")
    response = seen.requests[0].response()
    assert response is not None
    assert response.headers["content-encoding"] == "gzip"
    assert abs(seen.requests[0].sizes()["responseBodySize"] - len(gzip.compress(response.body(), 6))) < 1_000


def test_a_database_that_is_away_is_a_page_and_back_without_a_restart(visit: Start):  # noqa: F811
    seen = visit()
    name = seen.site.database.name
    url = make_url(seen.site.database.url).set(database="postgres").render_as_string(hide_password=False)
    server = Database("postgres", url)
    server.rows(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    try:
        server.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
        page = seen.open("/runs?status=failed")
        assert page.locator("h1").inner_text() == "Not available right now 503"
        assert faults(seen) == []
    finally:
        server.rows(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    page.get_by_role("link", name="Try again").click()
    page.wait_for_selector("#list")
    assert seen.path == "/runs?status=failed"


def test_a_long_rail_ends_in_more_on_a_phone(visit: Start):  # noqa: F811
    seen = visit(viewport={"width": 390, "height": 844})
    pages = Pages(ConsoleSettings(database_url=seen.site.database.url), Assets())
    labels = ("Home", "Uploads", "Review", "Runs", "Sessions", "Episodes", "Titles", "SLOs")
    pages.environment.globals["nav"] = [(f"/{label.lower()}", label) for label in labels]
    state = SimpleNamespace(principal=Principal("Dana", Role.REVIEWER, "session"))
    request = cast("Request", SimpleNamespace(state=state, url=SimpleNamespace(path="/titles", query="")))
    body = pages.render(
        request,
        "problem.html.j2",
        title="T",
        status_code=404,
        message="m",
        problems=(),
        code="c",
        request_id="r",
        page="",
        login=False,
    ).body
    seen.page.route("**/titles", lambda route: route.fulfill(body=bytes(body), content_type="text/html"))
    page = seen.open("/titles")
    rail = page.get_by_role("navigation", name="Pages")
    assert rail.get_by_role("link").all_inner_texts() == list(labels[:5])
    rail.get_by_text("More").click()
    assert rail.get_by_role("link").all_inner_texts() == list(labels)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert faults(seen) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert rail.get_by_role("link").all_inner_texts() == list(labels)
    assert not rail.get_by_text("More").is_visible()
    assert rail.locator("[aria-current]:visible").inner_text() == "Titles"
