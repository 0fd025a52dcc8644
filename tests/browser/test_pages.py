"""Every page of the console: accessible in both schemes, narrow, quiet, small, and nothing from elsewhere."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.console import PAGES, PROBLEMS, browser, postgres, site, visit  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert faults(seen) == []
    # Chromium itself reports the status of a page that is a problem.
    assert [text for text in seen.said if not (path in PROBLEMS and "the server responded with a status" in text)] == []
    assert seen.seen()["violations"] == []
    assert [each.url for each in seen.requests if not each.url.startswith((seen.site.origin, "data:"))] == []


@pytest.mark.parametrize("path", PAGES)
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
