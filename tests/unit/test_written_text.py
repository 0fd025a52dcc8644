"""Text reaches a terminal through one of three modules only; it is cut for a message only once secrets are hidden."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STREAMS = {"shared/streams.py", "shared/logs.py"}
RICH = {"shared/report/terminal.py", "shared/progress.py"}
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("jobs", "shared", "charts/telecine")
    for path in (ROOT / package).rglob("*.py")
)
HARMLESS = {"isatty", "flush", "fileno"}
PRINTING = {"print", "input"}
METHODS = {"echo", "secho", "print_exc", "print_exception", "print_tb", "print_stack", "basicConfig", "from_markup"}
# Every offence has one of these words in its source: most of the 900 files have none, and are not parsed.
_WORDS = re.compile("|".join(("std", "rich", "click", r"os\.write", "print", *PRINTING, *METHODS)))


def offences(name: str, source: str) -> list[str]:  # noqa: C901 - one rule after the other
    if not _WORDS.search(source):
        return []
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("sys.__").removeprefix("sys.") in {
            *("stdout", "stderr", "stdout__", "stderr__"),
        }:
            parent = parents[node]
            if name not in STREAMS and not (isinstance(parent, ast.Attribute) and parent.attr in HARMLESS):
                found.append(f"{name}:{node.lineno} uses {ast.unparse(node)}")
        if isinstance(node, ast.ImportFrom) and node.module == "sys" and name not in STREAMS:
            found += [f"{name}:{node.lineno} imports {each.name}" for each in node.names if each.name.startswith("std")]
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in (PRINTING if isinstance(node.func, ast.Name) else METHODS):
                found.append(f"{name}:{node.lineno} calls {called}")
            if called == "print" and name not in RICH:
                found.append(f"{name}:{node.lineno} prints on a console")
            if ast.unparse(node.func) == "os.write" and ast.unparse(node.args[0]) in {"1", "2"}:
                found.append(f"{name}:{node.lineno} writes to a terminal's descriptor")
        if isinstance(node, ast.Import | ast.ImportFrom) and name not in RICH:
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            inside = parents[node]
            checking = isinstance(inside, ast.If) and "TYPE_CHECKING" in ast.unparse(inside.test)
            if not checking and {module.partition(".")[0] for module in modules} & {"rich", "click"}:
                found.append(f"{name}:{node.lineno} imports {', '.join(modules)}")
    return found


def test_no_other_module_writes_to_a_terminal():
    assert [each for name in FILES for each in offences(name, (ROOT / name).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "console.print('x')",
        "import sys\nsys.stderr.write('x')",
        "import sys\nout = sys.stdout",
        "from sys import stderr",
        "from rich.text import Text",
        "def f():\n    import rich",
        "import traceback\ntraceback.print_exc()",
        "import typer\ntyper.echo('x')",
        "import os\nos.write(2, b'x')",
        "import logging\nlogging.basicConfig()",
    ],
)
def test_writing_to_a_terminal_is_found(source):
    assert offences("shared/x.py", source)


def test_a_console_prints_only_text_and_tables():
    """Rich parses a plain string as markup, and replaces ``:skull:`` in it."""
    tree = ast.parse((ROOT / "shared/report/terminal.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    printed = [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "console.print"]
    assert printed
    assert set(printed) <= {"table", "Text(safe_text(text), style=style)"}
    texts = [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "Text"]
    assert all(text.startswith("safe_text(") for text in texts)


# The decoder process knows no secrets; these modules run in it, and their messages are about the TAR's own names.
UNSECRET = ("jobs/gamedata/members/", "jobs/gamedata/session/child_main.py")


# A slice that ends at a number of two digits at least.
_CUT = re.compile(r":\s*\d\w")


def cuts(source: str) -> list[str]:
    """Return the slices of at least 40 characters in f-strings: a secret at the end would be cut in half."""
    if not _CUT.search(source):
        return []
    return [
        ast.unparse(piece)
        for text in ast.walk(ast.parse(source))
        if isinstance(text, ast.FormattedValue)
        for piece in ast.walk(text.value)
        if isinstance(piece, ast.Subscript) and isinstance(piece.slice, ast.Slice)
        if isinstance(piece.slice.upper, ast.Constant) and piece.slice.upper.value >= 40
        if "scrub(" not in ast.unparse(piece) and "hide_known(" not in ast.unparse(piece)
    ]


def test_no_message_cuts_text_before_secrets_are_hidden():
    secret = [name for name in FILES if not name.startswith(UNSECRET)]
    found = [f"{name}: {piece}" for name in secret for piece in cuts((ROOT / name).read_text(encoding="utf-8"))]
    assert found == [], "use shared.text.cut"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("f'{key[:200]!r} is not a key'", ["key[:200]"]),
        ("f'is {str(actual)[:80]}'", ["str(actual)[:80]"]),
        ("f'{digest[:12]} {names[:5]} {cut(key, 200)}'", []),
    ],
)
def test_the_rule_finds_cuts(source, found):
    assert cuts(source) == found
