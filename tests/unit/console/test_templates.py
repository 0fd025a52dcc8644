"""Templates and the script: nothing that the Content Security Policy would refuse, and nothing that needs eval."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[3] / "jobs" / "console"
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.j2"))
SCRIPTS = [path for path in (CONSOLE / "static").rglob("*.js") if "vendor" not in path.parts]

FORBIDDEN = {
    "a handler in an attribute": r"\bon[a-z]+\s*=|hx-on\b|data-hx-on\b",
    "a style attribute": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "an inline script": r"<script\b(?![^>]*\bsrc=)",
    "a script in a URL": r"javascript:|vbscript:|data:text/html",
    "JavaScript in a value of htmx": r"\bjs:|\bhx-vars\b",
    "a filter of a trigger": r"hx-trigger(?::[a-z]+)?=[\"'][^\"']*\[",
    "a resource of another host": r"(?:src|href|action|content|hx-[a-z:-]+)\s*=\s*[\"']?(?:https?:)?//",
    "autoescape switched off": r"\|\s*safe\b|autoescape\s+false",
}
IN_SCRIPTS = {
    "eval": r"\beval\s*\(|\bnew\s+Function\b|setTimeout\s*\(\s*[\"'`]",
    "HTML from text": r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write",
    "another host": r"https?://",
}


def found(rules: dict[str, str], text: str) -> list[str]:
    plain = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    return [name for name, pattern in rules.items() if re.search(pattern, plain, re.IGNORECASE)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_that_the_policy_refuses(path: Path):
    assert found(FORBIDDEN, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_evaluates_nothing(path: Path):
    assert found(IN_SCRIPTS, path.read_text(encoding="utf-8")) == []


def test_the_own_script_is_small():
    assert sum(path.stat().st_size for path in SCRIPTS) <= 6_000


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('<a onclick="x()">', "a handler in an attribute"),
        ('<a hx-on:click="x()">', "a handler in an attribute"),
        ('<p style="color: red">', "a style attribute"),
        ("<style>p{}</style>", "a style element"),
        ("<script>x()</script>", "an inline script"),
        ('<a href="javascript:x()">', "a script in a URL"),
        ("<a hx-vals='js:{a: 1}'>", "JavaScript in a value of htmx"),
        ('<a hx-trigger="click[ctrlKey]">', "a filter of a trigger"),
        ('<script src="//cdn.example/x.js"></script>', "a resource of another host"),
        ('<img src="https://cdn.example/x.png">', "a resource of another host"),
        ("{{ value | safe }}", "autoescape switched off"),
    ],
)
def test_a_rule_finds_its_offence(text: str, rule: str):
    assert found(FORBIDDEN, text) == [rule]
