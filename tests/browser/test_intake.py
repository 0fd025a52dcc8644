"""Uploading a file in a browser: with and without script, by the keyboard, and the same bytes again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.seed_intake import DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import FileChooser, Page

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow

_LONG_MS = 60_000


def choose(page: Page, name: str, body: str) -> None:
    file = {"name": name, "mimeType": "text/csv", "buffer": body.encode()}
    page.get_by_label("Drop a platform's report here").set_input_files(file)  # type: ignore[arg-type]


def report(mark: str) -> str:
    return f"Date,Title,Hours Viewed,Region\n01/02/2025,{mark},1.5,US\n03/04/2025,Bar,2.5,DE\n"


@pytest.mark.parametrize("script", [True, False])
def test_a_file_is_uploaded_asked_about_and_started(visit: Start, script: bool):
    seen = visit(java_script_enabled=script)
    page = seen.open("/uploads/new")
    choose(page, "july.csv", report(f"script {script}"))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/uploads/files/*")
    page.wait_for_selector("#questions", timeout=_LONG_MS)
    assert "ambiguous dates" in page.locator("#questions").inner_text()
    page.get_by_role("link", name="Answer").first.click()
    assert page.url.endswith("#date-order")
    page.get_by_label("Date order").select_option("mdy")
    page.get_by_label("Platform").fill("orbit-tv")
    page.get_by_role("button", name="Read again with these choices").click()
    rows = page.locator("#rows tbody").first
    rows.wait_for(timeout=_LONG_MS)
    assert "2025-01-02" in rows.inner_text()
    assert page.locator("#questions").count() == 0
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_selector("main h2:has-text('Run')")
    assert re.search(r"/uploads/(files/)?\d+", seen.path)
    number, choices = seen.site.database.rows(
        "SELECT f.file_id, l.parameters FROM console.files f JOIN console.launches l USING (file_id)"
        " WHERE f.state = 'confirmed' AND l.step = 'run' ORDER BY l.launch_id DESC LIMIT 1"
    )[0]
    assert (choices["date-order"], choices["platform"], choices["filename"]) == ("mdy", "orbit-tv", "july.csv")
    assert number
    if script:
        assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_the_same_bytes_lead_to_the_first_file(visit: Start):
    seen = visit()
    for name in ("first.csv", "second.csv"):
        page = seen.open("/uploads/new")
        choose(page, name, report("same bytes"))
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(re.compile(r"/uploads/(files/\d+|new\?file=\d+)$"))
    assert "This file is already stored" in page.locator(".callout").inner_text()
    page.locator(".callout a").click()
    page.wait_for_url("**/uploads/files/*")
    assert page.locator("h1").inner_text() == "first.csv"
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_a_file_over_the_limit_is_named_before_it_is_sent(visit: Start):
    seen = visit()
    page = seen.open("/uploads/new")
    asked = len(seen.requests)
    page.locator("#file").evaluate("each => (each.dataset.most = 10)")
    choose(page, "large.csv", report("large"))
    said = page.locator("#file").evaluate("each => each.validationMessage")
    assert said == "The file has more than 536 MB; split it by date."
    page.get_by_role("button", name="Upload").click()
    assert [each.method for each in seen.requests[asked:]] == []
    choose(page, "small.csv", "a\n1\n")
    assert page.locator("#file").evaluate("each => each.validationMessage") == ""


def test_a_refused_name_is_a_page_with_its_reason(visit: Start):
    seen = visit()
    page = seen.open("/uploads/new")
    choose(page, "{{inputs}}.csv", report("name"))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_selector(".problem")
    assert "which a workflow would replace" in page.locator(".problem").inner_text()
    page.go_back()
    assert page.get_by_role("button", name="Upload").is_visible()


def test_a_file_is_chosen_by_the_keyboard(visit: Start):
    seen = visit()
    page = seen.open("/uploads/new")
    chosen: list[FileChooser] = []
    page.on("filechooser", lambda chooser: chosen.append(chooser))  # noqa: PLW0108 - it sets an attribute
    page.locator("#file").focus()
    # On a busy machine Chromium may drop the first key, or open the chooser before playwright listens.
    for _ in range(5):
        page.keyboard.press("Space")
        page.wait_for_timeout(200)
        if chosen:
            break
        page.wait_for_timeout(2_000)
    file = {"name": "keys.csv", "mimeType": "text/csv", "buffer": report("keys").encode()}
    chosen[0].set_files(file)  # type: ignore[arg-type]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/uploads/files/*")


def test_a_stale_tab_changes_nothing(visit: Start):
    first, second = visit(), visit()
    pages = [each.open(f"/uploads/files/{DRAFT}") for each in (first, second)]
    # The bytes of the seeded draft are gone, so it stays as it is after this.
    pages[0].get_by_role("checkbox").check()
    pages[0].get_by_role("button", name="Start the run").click()
    pages[0].wait_for_selector("[role=alert]")
    pages[1].get_by_label("Platform").fill("roku")
    pages[1].get_by_role("button", name="Read again with these choices").click()
    pages[1].wait_for_selector("[role=alert]")
    assert "changed in another tab" in pages[1].locator("[role=alert]").inner_text()
    rows = first.site.database.rows("SELECT choices->>'platform' FROM console.files WHERE file_id = %s", DRAFT)
    assert rows == [(None,)]
