"""Check a page with axe: WCAG 2.2 AA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["faults", "prepare"]

_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# Of axe's time, half goes into the contrast of each text. A text is not looked at again if one that differs in nothing
# that its contrast depends on was found good, on this page or an earlier one: the same font, colours, layers and
# backgrounds. What may lie over or under something else, is cut off, hidden or disabled, or is in a drawing, is looked
# at each time.
_RUN: Final = """async ([rules, good]) => {
  const known = new Set(good);
  const styles = new Map();
  const style = (element) => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };
  const all = [...document.body.querySelectorAll("*")];
  const over = all.filter((element) => ["absolute", "fixed", "sticky"].includes(style(element).position));
  const boxes = over.map((element) => element.getBoundingClientRect());
  const touch = (one, two) =>
    one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom;
  const looks = (element) => {
    const box = element.getBoundingClientRect();
    if (element.closest("svg, :disabled, [aria-disabled=true], label") || !element.checkVisibility() || box.width < 4) {
      return null;
    }
    if (boxes.some((each, index) => touch(each, box) && !over[index].contains(element))) return null;
    const {color, fontSize, fontWeight, textShadow} = style(element);
    const found = [color, fontSize, fontWeight, textShadow];
    for (let each = element; each !== null; each = each.parentElement) {
      const {backgroundColor, backgroundImage, opacity, position, filter, overflowX, overflowY} = style(each);
      if (position === "absolute" || position === "fixed") return null;
      if (overflowX !== "visible" || overflowY !== "visible") {
        const room = each.getBoundingClientRect();
        if (each.parentElement !== null && (box.right > room.right || box.bottom > room.bottom)) return null;
      }
      found.push(`${backgroundColor} ${backgroundImage} ${opacity} ${position} ${filter}`);
    }
    return found.filter((each, index) => index < 4 || each !== "rgba(0, 0, 0, 0) none 1 static none").join("|");
  };
  const fresh = new Map();
  for (const element of all) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    const look = hasText ? looks(element) : null;
    if (look !== null && known.has(look)) continue;
    if (look !== null) known.add(look);
    fresh.set(element, look);
    element.setAttribute("data-fresh", "");
  }
  axe.configure({rules: [{id: "color-contrast", selector: "[data-fresh]"}]});
  try {
    const {violations} = await axe.run(document, {elementRef: true, resultTypes: ["violations"], runOnly: rules});
    const bad = new Set(violations.flatMap(({id, nodes}) => id === "color-contrast" ? nodes : []).map(
      ({element}) => fresh.get(element)));
    return {
      faults: violations.flatMap(({id, nodes}) =>
        nodes.map(({html, failureSummary}) => `${id}: ${html.slice(0, 200)} ${failureSummary}`)),
      good: [...fresh.values()].filter((look) => look !== null && !bad.has(look)),
    };
  } finally {
    for (const element of fresh.keys()) element.removeAttribute("data-fresh");
  }
}"""

_good: set[str] = set()


def prepare(page: Page) -> None:
    """Load axe with all that a page opens from now on: sent for each, it takes 0.07 s of processor time."""
    page.add_init_script(AXE_SCRIPT)


def faults(page: Page) -> list[str]:
    """Return what axe finds: rule, element and the reason."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_RUN, [_RULES, sorted(_good)])
    _good.update(found["good"])
    return list(found["faults"])
