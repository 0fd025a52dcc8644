"""Checks of a page by axe: texts that it found good before are left out, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

_GOOD = "<p>words</p>"
_UNDER = "<i style='position: absolute; z-index: -1; inset: 0; height: 99px; background: #222'></i>"
_FAINT = "style='color: #aaa; background: white'>words</button>"
_TINY = "<button style='all: unset; font-size: 9px'>b</button>"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        (_GOOD, f"{_GOOD * 2}<p style='color: #aaa'>words</p>", "color-contrast"),
        (_GOOD, f"{_GOOD}<p style='background: #555'>words</p>", "color-contrast"),
        (_GOOD, f"{_GOOD}<div style='opacity: 0.3'>{_GOOD}</div>", "color-contrast"),
        (_GOOD, _GOOD + _UNDER, "color-contrast"),
        ("<p style='color: #888; font-size: 40px'>words</p>", "<p style='color: #888'>words</p>", "color-contrast"),
        (f"<button disabled {_FAINT}", f"<button {_FAINT}", "color-contrast"),
        ("<p style='color: #ccc' hidden>words</p>", "<p style='color: #ccc'>words</p>", "color-contrast"),
        ("<ul><li>1<li>2</ul>", "<ul><li>1<li>2<li><button></button></ul>", "button-name"),
        ("<button>b</button>", _TINY * 3, "target-size"),
    ],
)
def test_a_fault_is_found_after_a_page_that_differs_in_one_thing(page: Page, good: str, bad: str, rule: str):
    head = "<!doctype html><html lang=en><title>t</title>"
    page.set_content(f"{head}<body>{good}")
    assert faults(page) == []
    page.set_content(f"{head}<body>{bad}")
    # What was found bad stays bad.
    for _ in range(2):
        assert {fault.partition(":")[0] for fault in faults(page)} == {rule}
