"""Check a page with axe: WCAG 2.2 AA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["faults"]

_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# Two rules take nine tenths of axe's time, since they look at the place and the styles of every element. They run
# without elements that repeat: after two siblings that differ only in text and in attributes that select no style.
# Elements with links and fields stay, except rows of tables, so that each keeps its neighbours. All other rules run on
# the whole page.
_RUN: Final = """async (rules) => {
  const free = new Set(["id", "href", "name", "value", "title", "for", "aria-label", "aria-labelledby",
    "aria-describedby", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points",
    "transform"]);
  const places = ["color-contrast", "target-size"];
  const targets = "a, button, input, select, summary, textarea, [tabindex]";
  const stays = (element) => element.tagName !== "TR" && (element.matches(targets) || element.querySelector(targets));
  const shapes = new Map();
  const shape = (element) => {
    const attributes = [...element.attributes].map(({name, value}) => free.has(name) ? name : `${name}=${value}`);
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    const inside = [...element.children].map(shape).join();
    const made = `${element.tagName} ${attributes.sort().join()} ${hasText} (${inside})`;
    shapes.set(element, made);
    return made;
  };
  const left = [];
  const thin = (parent) => {
    const seen = {};
    for (const element of [...parent.children]) {
      const name = shapes.get(element);
      seen[name] = (seen[name] ?? 0) + 1;
      if (seen[name] > 2 && !stays(element)) {
        left.push([parent, element, element.nextSibling]);
        element.remove();
      } else {
        thin(element);
      }
    }
  };
  const without = Object.fromEntries(places.map((name) => [name, {enabled: false}]));
  const most = {resultTypes: ["violations"], rules: without, runOnly: rules};
  const {violations} = await axe.run(document, most);
  shape(document.body);
  thin(document.body);
  try {
    const rest = {resultTypes: ["violations"], runOnly: {type: "rule", values: places}};
    violations.push(...(await axe.run(document, rest)).violations);
  } finally {
    for (const [parent, element, next] of left.reverse()) parent.insertBefore(element, next);
  }
  return violations;
}"""


def faults(page: Page) -> list[str]:
    """Return what axe finds: rule, element and the reason."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in page.evaluate(_RUN, _RULES)
        for node in violation["nodes"]
    ]
