"""Episodes and persons in a browser: from a list to an episode and its persons, with and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.seed_screen import EPISODE, HOSTILE, PERSONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.console import Visit

    Start = Callable[..., Visit]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", [True, False])
def test_from_the_list_to_an_episode_to_a_person_and_back(visit: Start, script: bool):
    seen = visit(java_script_enabled=script)
    page = seen.open("/episodes")
    page.get_by_label("Show").fill("harborlights")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**show=harborlights*")
    filtered = seen.path
    assert page.get_by_role("link", name="remove this filter").count() == 1
    page.get_by_role("link", name=EPISODE, exact=True).click()
    page.wait_for_url("**/by-id?**")
    assert page.locator("h1").inner_text() == EPISODE
    # Each bar stands in the row of its values.
    assert page.locator("rect.seen").count() == PERSONS + 1
    widths = page.locator("td rect.seen").evaluate_all("all => all.map(one => Number(one.getAttribute('width')))")
    assert widths == sorted(widths, reverse=True)
    page.get_by_role("link", name="Ida Holm").first.click()
    page.wait_for_url("**/persons/by-id?**")
    assert page.locator("h1").inner_text() == "Ida Holm"
    assert page.get_by_role("link", name="harborlights-s01e").count() == 6
    page.go_back()
    page.go_back()
    page.wait_for_url("**show=harborlights*")
    assert seen.path == filtered
    assert seen.said == []


def test_the_replay_command_is_copied(visit: Start):
    seen = visit(permissions=["clipboard-read", "clipboard-write"])
    page = seen.open(f"/episodes/by-id?id={EPISODE}")
    page.locator("#not-ingested").get_by_role("button", name="Copy").click()
    # A function: playwright evaluates an expression again and again, which the page's CSP refuses.
    page.wait_for_function("() => document.getElementById('said').textContent === 'copied'")
    assert page.evaluate("navigator.clipboard.readText()") == (
        "telecine screenalytics replay Attempt2_2 --accept-changed --bucket=s3://media --prefix=derived"
    )


def test_a_hostile_episode_opens_by_its_link_and_runs_nothing(visit: Start):
    seen = visit()
    page = seen.open("/episodes?q=..%2Fa")
    page.get_by_role("link", name=HOSTILE, exact=True).click()
    page.wait_for_url("**/by-id?**")
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    assert (seen.said, seen.seen()["violations"]) == ([], [])
