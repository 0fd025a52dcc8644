"""The console in use: filters, the back button, shared URLs, keys, no script, login and logout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.seed import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow

_FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: element.id || element.className || element.tagName,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    inView: box.bottom > 0 && box.top < innerHeight && box.right > 0,
    list: document.getElementById("main").contains(element),
    href: element.getAttribute("href"),
  };
}"""


def rows(page: Page) -> list[str]:
    return page.locator("#list tbody th").all_inner_texts()


def asked(seen: Visit) -> list[str]:
    """Return the pages that were requested; Chromium asks for the icon again after each change of the URL."""
    return [path for each in seen.requests if "/static/" not in (path := each.url.removeprefix(seen.site.origin))]


def text(page: Page) -> str:
    # Not whole rows: they show how long a run took until now.
    return page.locator("#list h1").inner_text() + "".join(rows(page)) + page.locator(".facets").inner_text()


def shows(page: Page, expected: str) -> bool:
    for _ in range(100):
        if text(page) == expected:
            return True
        page.wait_for_timeout(50)
    return False


def settle(page: Page, path: str) -> None:
    page.wait_for_url(f"**{path}")
    page.wait_for_function("() => !document.querySelector('[aria-busy=true]') && document.querySelector('#list')")


def test_a_filter_is_one_request_and_keeps_the_focus(visit: Start):
    seen = visit()
    page = seen.open("/runs")
    link = page.get_by_role("complementary", name="Filters").get_by_role("link", name="failed")
    name = link.get_attribute("id")
    link.click()
    settle(page, "/runs?status=failed")
    assert asked(seen) == ["/runs", "/runs?status=failed"]
    page.wait_for_function("() => document.getElementById('said').textContent === '19 runs'")
    assert seen.seen()["busy"][:1] == ["true"]
    assert page.evaluate("document.activeElement.id") == name
    assert page.locator(".active .chosen").inner_text().startswith("status failed")
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_the_back_button_and_a_shared_url_show_the_same_page(visit: Start):
    seen = visit()
    page = seen.open("/runs")
    first = text(page)
    page.locator("#status-1").click()
    page.wait_for_url("**/runs?status=*")
    settle(page, seen.path)
    page.locator("#sort-created_at").click()
    page.wait_for_url("**sort=oldest*")
    settle(page, seen.path)
    sorted_path, sorted_text = seen.path, text(page)
    other = visit()
    assert text(other.open(sorted_path)) == sorted_text
    page.go_back()
    page.go_back()
    assert shows(page, first)
    assert seen.path == "/runs"
    page.go_forward()
    page.go_forward()
    assert shows(page, sorted_text)
    assert seen.path == sorted_path
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_a_form_leaves_empty_parameters_out_and_keeps_the_others(visit: Start):
    seen = visit()
    page = seen.open("/runs?status=failed")
    page.locator("#filter-q").fill("run-1")
    page.locator("#filter-q").press("Enter")
    settle(page, "/runs?status=failed&q=run-1")
    assert asked(seen) == ["/runs?status=failed", "/runs?status=failed&q=run-1"]
    assert all(key.startswith("run-1") for key in rows(page))
    assert page.evaluate("document.activeElement.id") == "filter-q"


def test_the_next_page_begins_at_its_top(visit: Start):
    seen = visit(viewport={"width": 1280, "height": 700})
    page = seen.open("/runs")
    first = rows(page)
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**after=*")
    settle(page, seen.path)
    assert not set(first) & set(rows(page))
    page.wait_for_function("() => scrollY === 0 && document.activeElement.id === 'list'")


def test_without_script_links_and_forms_do_the_same(visit: Start):
    seen = visit(anonymous=True, java_script_enabled=False)
    page = seen.open("/runs?status=failed")
    assert seen.path == "/login?next=%2Fruns%3Fstatus%3Dfailed"
    page.get_by_label("Token").fill("telecine_wrong")
    page.get_by_role("button", name="Log in").click()
    assert page.get_by_role("alert").is_visible()
    page.get_by_label("Token").fill(seen.site.token)
    page.get_by_role("button", name="Log in").click()
    assert seen.path == "/runs?status=failed"
    page.locator("#filter-q").fill("run-1")
    page.get_by_role("button", name="Apply").click()
    assert all(key.startswith("run-1") for key in rows(page))
    page.locator(".active .chosen").first.click()
    page.goto(f"{seen.site.origin}/runs")
    first = rows(page)
    page.get_by_role("link", name="Next page").click()
    assert not set(first) & set(rows(page))
    page.locator("#search").fill("run-119")
    page.locator("#search").press("Enter")
    assert "run-119" in page.locator("main").inner_text()
    page.get_by_role("button", name="Log out").click()
    assert seen.path == "/login"
    assert seen.open("/runs").url.endswith("/login?next=%2Fruns")


def test_keys_alone_reach_and_use_everything(visit: Start):
    seen = visit(viewport={"width": 1280, "height": 900})
    page = seen.open("/runs?limit=4")
    stops = []
    for _ in range(120):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        if stop["name"] == "BODY":
            break
        stops.append(stop)
    names = [stop["name"] for stop in stops]
    assert names[:3] == ["skip", "brand", "search"]
    assert names.index("filter-q") < names.index("status-1") < names.index("sort-created_at") < names.index("next")
    assert sum((stop["href"] or "").startswith("/runs/") for stop in stops) == 4
    assert [stop["name"] for stop in stops if not (stop["ring"] and stop["inView"])] == []
    page.locator("#status-1").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**status=*")
    settle(page, seen.path)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "status-2"


def test_the_skip_link_leads_to_the_content(visit: Start):
    page = visit().open("/runs?limit=10")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUSED)["list"]


def test_slash_focuses_the_search_but_not_while_typing(visit: Start):
    page = visit().open("/runs?limit=10")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    assert page.locator("#search").input_value() == ""
    page.locator("#filter-q").focus()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-q"
    assert page.locator("#filter-q").input_value() == "/"


def test_a_session_that_ended_leads_to_the_login_and_back(visit: Start):
    seen = visit(anonymous=True)
    page = seen.open("/login?next=/runs")
    page.get_by_label("Token").fill(seen.site.token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/runs")
    cookie = page.context.cookies()[0]
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
        *("__Host-telecine", True, True, "Lax"),
    )
    page.context.clear_cookies()
    page.locator("#status-1").click()
    page.wait_for_url("**/login?next=*status*")
    assert page.get_by_label("Token").is_visible()


def test_a_problem_in_a_filter_becomes_a_page_and_the_back_button_leaves_it(visit: Start):
    seen = visit()
    page = seen.open("/runs?limit=10")
    page.evaluate("document.getElementById('status-1').setAttribute('href', '/runs?colour=red')")
    page.locator("#status-1").click()
    page.wait_for_url("**/runs?colour=red")
    assert "'colour' is not a parameter" in page.locator("main").inner_text()
    page.go_back()
    page.wait_for_url("**/runs?limit=10")
    assert rows(page)


def test_hostile_text_stays_text(visit: Start):
    seen = visit()
    page = seen.open("/runs?status=failed")
    assert HOSTILE[:24] in page.locator("#list").inner_text()
    assert page.locator("main img, main script").count() == 0
    assert "\u202e" not in page.content()
    assert seen.said == []


def test_a_phone_has_a_bar_at_the_bottom(visit: Start):
    seen = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = seen.open("/runs?limit=10")
    box = page.get_by_role("navigation", name="Pages").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == pytest.approx(844, abs=1)
    assert page.locator(".cards thead").bounding_box() == {**page.locator(".cards thead").bounding_box(), "height": 1}
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Home").tap()
    page.wait_for_url(f"{seen.site.origin}/")
