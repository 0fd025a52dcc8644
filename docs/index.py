"""Find the files that read each flag and those that use each error code, from the code's syntax trees."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

__all__ = ["readers", "users"]

ROOT = Path(__file__).parents[1]


@cache
def _trees() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("jobs", "shared")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def _attributes() -> dict[str, list[str]]:
    """The names read from anything called settings, or taken as an argument, and their files."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, tree in _trees().items():
        read = {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_settings(node.value, name)
        }
        # A value that a step reads and passes on takes effect elsewhere. A single word has too many other meanings.
        taken = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg) and "_" in node.arg.strip("_")}
        for attribute in sorted(read | taken):
            found[attribute].append(name)
    return found


def _is_settings(node: ast.expr, file: str) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    # Some fields are read only through a property of their model.
    return name.endswith("settings") or (name == "self" and "settings" in file)


@cache
def _texts() -> dict[str, list[str]]:
    """The string constants of the code, and their files."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, tree in _trees().items():
        for text in sorted({node.value for node in ast.walk(tree) if _is_text(node)}):
            found[text].append(name)
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def readers(field: str, pipeline: str | None) -> list[str]:
    """Return the files that read a field of the settings or are passed it: those of its pipeline, and of shared.

    Args:
        field: the field's name.
        pipeline: the pipeline that has the flag; None for flags of every step.
    """
    return [name for name in _attributes()[field] if _within(name, pipeline)]


def users(code: str, pipeline: str) -> list[str]:
    """Return the files that raise or handle an error code, except the pipeline's list of codes."""
    return [name for name in _texts()[code] if _within(name, pipeline) and name != f"jobs/{pipeline}/errors.py"]


def _within(name: str, pipeline: str | None) -> bool:
    # A field that is named like another one of its pipeline has a prefix of its own for its variable: viewership_infer.
    return pipeline is None or name.startswith(("shared/", f"jobs/{pipeline.partition('_')[0]}/"))
