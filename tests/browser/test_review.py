"""Review in the browser: every key, two strokes to accept, undo, the back button, and no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


def start(seen: Visit, word: str) -> Page:
    page = seen.open(f"/review?q={word}")
    assert word in title(page)
    return page


def title(page: Page) -> str:
    return page.locator("#key-title").inner_text()


def press(page: Page, key: str) -> None:
    """Press a key, and wait for the card that it brings, if any."""
    page.keyboard.press(key)
    page.wait_for_timeout(30)
    page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")


def say(page: Page) -> str:
    return page.locator("#said").inner_text()


def decisions(seen: Visit, word: str) -> list[tuple[str, str | None]]:
    """Return the actions and notes of the live decisions on the keys of a word."""
    rows: list[tuple[str, str | None]] = seen.site.database.rows(
        "SELECT d.action, d.note FROM viewership.decisions d JOIN viewership.keys k ON k.key_id = d.keys[1]"
        " WHERE k.content_name LIKE %s AND d.undone_at IS NULL ORDER BY d.decision_id",
        f"%{word}%",
    )
    return rows


def test_j_and_k_turn_the_cards_and_s_skips(visit: Start):
    seen = visit()
    page = start(seen, "held")
    assert "held0" in title(page)
    press(page, "j")
    assert "held1" in title(page)
    press(page, "s")
    assert "held2" in title(page)
    press(page, "k")
    assert "held1" in title(page)
    assert "q=held" in seen.path
    assert decisions(seen, "held") == []
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_choosing_and_accepting_are_two_strokes(visit: Start):
    seen = visit()
    page = start(seen, "choose")
    press(page, "Enter")
    assert "choose0" in title(page)
    assert decisions(seen, "choose") == []
    press(page, "1")
    assert page.locator(".choice :checked").count() == 1
    assert decisions(seen, "choose") == []
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('said').textContent.startsWith('accepted, 1 row, ')")
    assert say(page).endswith("hours; u undoes")
    assert "choose1" in title(page)
    assert decisions(seen, "choose") == [("accept", None)]
    # Nothing is chosen on the next card.
    assert page.locator(".choice :checked").count() == 0
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_a_decision_needs_no_scrolling(visit: Start):
    page = start(visit(viewport={"width": 1280, "height": 900}), "held")
    bar = page.locator(".verdict").bounding_box()
    choices = [choice.bounding_box() for choice in page.locator(".choice").all()[:3]]
    assert bar is not None
    assert choices
    assert bar["y"] + bar["height"] <= 900
    for name in ("Accept Enter", "Accept as alias a"):
        assert page.get_by_role("button", name=name, exact=True).is_visible()
    assert all(box is not None and box["y"] + box["height"] <= bar["y"] for box in choices)
    # The reasons open upwards, within the window.
    press(page, "r")
    bar = page.locator(".verdict").bounding_box()
    assert bar is not None
    assert 0 <= bar["y"] <= bar["y"] + bar["height"] <= 900


def test_a_accepts_with_an_alias(visit: Start):
    seen = visit()
    page = start(seen, "alias")
    press(page, "1")
    press(page, "a")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('alias1')")
    assert decisions(seen, "alias") == [("alias", None)]


def test_r_opens_the_reasons_and_a_digit_rejects(visit: Start):
    seen = visit()
    page = start(seen, "reject")
    press(page, "r")
    press(page, "Escape")
    press(page, "5")
    press(page, "1")
    press(page, "r")
    # An open menu takes all keys.
    for key in ("Enter", "a", "j", "9"):
        press(page, key)
    assert "reject0" in title(page)
    assert decisions(seen, "reject") == []
    press(page, "3")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('reject1')")
    assert decisions(seen, "reject") == [("reject", "several episodes in one row")]
    press(page, "r")
    page.get_by_label("Reason", exact=True).fill("a promo, j 1 s")
    page.get_by_role("button", name="Reject with this reason").click()
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('reject2')")
    assert decisions(seen, "reject")[1:] == [("reject", "a promo, j 1 s")]


def test_u_undoes_the_last_decision_and_the_history_undoes_any(visit: Start):
    seen = visit()
    page = start(seen, "undo")
    for number in (1, 2):
        press(page, "1")
        press(page, "Enter")
        page.wait_for_function(f"() => document.getElementById('key-title').textContent.includes('undo{number}')")
    press(page, "u")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('undo1')")
    assert "undone" in say(page)
    assert decisions(seen, "undo") == [("accept", None)]
    seen.open("/review/history")
    page.get_by_role("row").filter(has_text="undo0").get_by_role("button", name="Undo").click()
    page.wait_for_function("() => document.getElementById('said').textContent.includes('undone')")
    assert decisions(seen, "undo") == []
    assert (seen.said, seen.seen()["violations"]) == ([], [])


def test_keys_are_dead_in_fields_dialogs_and_while_a_request_is_out(visit: Start):
    seen = visit()
    page = start(seen, "dead")
    press(page, "/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("1ajrsu?")
    assert page.locator("#find").input_value() == "1ajrsu?"
    assert "dead0" in title(page)
    page.locator("#find").fill("")
    page.locator("#key-title").click()
    press(page, "?")
    assert page.locator("#sheet").is_visible()
    press(page, "1")
    press(page, "j")
    assert page.locator(".choice :checked").count() == 0
    press(page, "Escape")
    assert not page.locator("#sheet").is_visible()
    waiting = []
    page.route("**/review?*", lambda route: waiting.append(route))  # noqa: PLW0108 - it sets an attribute
    page.keyboard.press("j")
    page.wait_for_function("() => document.querySelector('[aria-busy=true]')")
    page.keyboard.press("1")
    page.keyboard.press("j")
    assert page.locator(".choice :checked").count() == 0
    for _ in range(100):
        if waiting:
            break
        page.wait_for_timeout(100)
    # A second request would come in this time.
    page.wait_for_timeout(100)
    assert len(waiting) == 1
    waiting[0].continue_()
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('dead1')")
    page.unroute("**/review?*")
    # A key that is held down acts once.
    page.keyboard.down("j")
    page.keyboard.down("j")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('dead2')")
    page.keyboard.up("j")
    assert decisions(seen, "dead") == []


def test_a_search_of_the_catalogue_adds_episodes_to_choose(visit: Start):
    seen = visit()
    page = start(seen, "phone")
    press(page, "/")
    page.keyboard.type("outpost chairs")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Found in the catalogue")
    assert "find=outpost" in seen.path
    press(page, "Escape")
    page.locator("#key-title").click()
    press(page, "1")
    assert "Seven Empty Chairs" in page.locator(".choice:has(:checked)").inner_text()
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('phone1')")
    assert "find=" not in seen.path
    assert decisions(seen, "phone") == [("accept", None)]


def test_of_two_reviewers_the_second_sees_the_first_decision_and_keeps_the_choice(visit: Start):
    first, second = visit(), visit()
    one, other = start(first, "twice"), start(second, "twice")
    press(one, "1")
    press(one, "Enter")
    one.wait_for_function("() => document.getElementById('key-title').textContent.includes('twice1')")
    other.get_by_label("Note (optional)").fill("mine")
    other.locator("#key-title").click()
    press(other, "2" if other.locator("[aria-keyshortcuts='2']").count() > 1 else "1")
    press(other, "Enter")
    other.wait_for_selector(".callout.bad")
    assert "has changed since it was shown" in other.locator(".callout.bad").inner_text()
    assert "twice0" in title(other)
    assert other.get_by_label("Note (optional)").input_value() == "mine"
    assert other.locator(".choice :checked").count() == 1
    assert "accepted" in other.get_by_role("region", name="In the files").inner_text()
    assert decisions(second, "twice") == [("accept", None)]


def test_the_back_button_shows_the_card_before_as_it_is_now(visit: Start):
    seen = visit()
    page = start(seen, "back")
    press(page, "j")
    press(page, "1")
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('back2')")
    page.go_back()
    page.wait_for_function("() => document.getElementById('key-title').textContent.includes('back1')")
    page.wait_for_selector("text=No rows of this key are waiting")
    address = page.url
    again = visit()
    again.page.goto(address)
    assert title(again.page) == title(page)


def test_without_script_forms_decide_and_undo(visit: Start):
    seen = visit(java_script_enabled=False)
    page = start(seen, "plain")
    page.locator("input[name=episode]").first.check()
    page.get_by_role("button", name="Accept Enter").click()
    assert "plain1" in title(page)
    assert page.get_by_role("status").first.inner_text().startswith("accepted, 1 row, ")
    page.get_by_text("Reject r", exact=True).click()
    page.get_by_role("button", name="not enough information").click()
    assert decisions(seen, "plain") == [("accept", None), ("reject", "not enough information")]
    page.get_by_role("button", name="Undo").first.click()
    assert "plain1" in title(page)
    assert decisions(seen, "plain") == [("accept", None)]
