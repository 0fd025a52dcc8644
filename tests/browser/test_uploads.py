"""Uploads in use: the list, a question, confirmations, the polled part; a question also without a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.seed_uploads import ASKS, LOADED, OVERLAP, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


def launches(seen: Visit, upload: int) -> list[tuple[str, dict[str, str]]]:
    statement = "SELECT step, parameters FROM console.launches WHERE upload_id = %s ORDER BY launch_id"
    return [(step, found) for step, found in seen.site.database.rows(statement, upload)]


def forget(seen: Visit, upload: int) -> None:
    seen.site.database.rows("DELETE FROM console.launches WHERE upload_id = %s", upload)


def test_a_filter_of_uploads_is_one_request_and_the_back_button_undoes_it(visit: Start):
    seen = visit()
    page = seen.open("/uploads")
    assert "Received, not stored yet" in page.locator("#list").inner_text()
    page.locator(".facets [id^=status-]", has_text="overlap").click()
    page.wait_for_url("**/uploads?status=overlap")
    page.wait_for_function("() => document.querySelector('#list h1').textContent.trim().startsWith('Uploads')")
    assert page.locator(".active .chosen").inner_text().startswith("status overlap")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#list').textContent.includes('Received')")
    assert (seen.said, seen.seen()["violations"]) == ([], [])


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_question_is_answered(visit: Start, script: bool):
    seen = visit(java_script_enabled=script)
    page = seen.open(f"/uploads/{ASKS}")
    page.get_by_role("button", name="Read the file with these choices").click()
    assert launches(seen, ASKS) == [], "an answer must be chosen"
    page.get_by_label("date order mdy").check()
    page.get_by_role("button", name="Read the file with these choices").click()
    page.wait_for_url(f"**/uploads/{ASKS}")
    page.get_by_text("run by Dana").wait_for()
    try:
        [(step, found)] = launches(seen, ASKS)
        assert (step, found["date-order"], found["filename"]) == ("run", "mdy", "days.csv")
    finally:
        forget(seen, ASKS)


def test_a_retraction_is_confirmed_by_keyboard_alone(visit: Start):
    seen = visit()
    page = seen.open(f"/uploads/{LOADED}")
    page.get_by_role("link", name="Retract").press("Enter")
    page.wait_for_url(f"**/uploads/{LOADED}/retract")
    page.get_by_label("Reason").focus()
    page.keyboard.type("wrong file / j k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/uploads/{LOADED}")
    try:
        assert [(step, found["reason"]) for step, found in launches(seen, LOADED)] == [("retract", "wrong file / j k")]
        page.get_by_text("retract by Dana").wait_for()
    finally:
        forget(seen, LOADED)


def test_an_overlap_is_replaced_after_its_effect_was_read(visit: Start):
    seen = visit(viewport={"width": 390, "height": 844})
    page = seen.open(f"/uploads/{OVERLAP}")
    assert re.search(r"\+14", page.locator("#others").inner_text())
    page.get_by_role("link", name="Replace the others").click()
    page.wait_for_url("**/overlap?choice=replace")
    assert "14 rows with 40 hours of this file are stored" in page.locator("form.confirm").inner_text()
    page.get_by_role("button", name="Replace").click()
    page.wait_for_url(f"**/uploads/{OVERLAP}")
    try:
        assert [(step, found["on-overlap"]) for step, found in launches(seen, OVERLAP)] == [("run", "replace")]
    finally:
        forget(seen, OVERLAP)


def test_a_running_upload_polls_one_fragment_and_stops_by_itself(visit: Start):
    seen = visit()
    page = seen.open(f"/uploads/{RUNNING}")
    assert page.locator("#fates").count() == 0
    with page.expect_response("**/live") as polled:
        pass
    assert polled.value.status == 304
    change = "UPDATE console.launches SET state = %s, message = %s, started_at = CASE WHEN %s THEN now() END"
    seen.site.database.rows(f"{change} WHERE upload_id = %s", "failed", "no", False, RUNNING)
    page.get_by_text("could not be started: no").wait_for()
    page.get_by_role("link", name="Show the result").wait_for()
    number = len(seen.requests)
    page.wait_for_timeout(2_500)
    assert len(seen.requests) == number
    page.get_by_role("link", name="Show the result").click()
    page.locator("#fates").wait_for()
    seen.site.database.rows(f"{change} WHERE upload_id = %s", "started", None, True, RUNNING)
    assert (seen.said, seen.seen()["violations"]) == ([], [])
