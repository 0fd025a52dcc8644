"""Text reaches a terminal through one of three modules only, which hide secrets and show escapes as text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STREAMS = {"shared/streams.py", "shared/logs.py"}
RICH = {"shared/report/terminal.py", "shared/progress.py"}
FILES = sorted(
    path.relative_to(ROOT).as_posix() for package in ("jobs", "shared") for path in (ROOT / package).rglob("*.py")
)
HARMLESS = {"isatty", "flush", "fileno"}
PRINTING = {"print", "input"}
METHODS = {"echo", "secho", "print_exc", "print_exception", "print_tb", "print_stack", "basicConfig", "from_markup"}


def offences(name: str, source: str) -> list[str]:  # noqa: C901 - one rule after the other
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


@pytest.mark.parametrize("name", FILES)
def test_no_other_module_writes_to_a_terminal(name):
    assert offences(name, (ROOT / name).read_text(encoding="utf-8")) == []


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
    assert set(printed) <= {"table", "Text(safe_text(text))"}
    texts = [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "Text"]
    assert all(text.startswith("safe_text(") for text in texts)
