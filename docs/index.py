"""Find the files that read each flag and those that use each error code, from the code's syntax trees."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["readers", "users", "walk"]

ROOT = Path(__file__).parents[1]


@cache
def _found() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return two indexes of files, from one walk over the code.

    The first has the names read from anything called settings, or taken as an argument; the second the string
    constants.
    """
    attributes: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    for folder in ("jobs", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            read, constants = _names(name, path.read_text(encoding="utf-8"))
            for attribute in read:
                attributes[attribute].append(name)
            for text in constants:
                texts[text].append(name)
    return attributes, texts


def _names(file: str, source: str) -> tuple[set[str], set[str]]:
    """Return the attributes and arguments, and the string constants, of one file."""
    read: set[str] = set()
    constants: set[str] = set()
    for node in walk(ast.parse(source)):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                constants.add(node.value)
        elif isinstance(node, ast.Attribute):
            if _is_settings(node.value, file):
                read.add(node.attr)
        # A value that a step reads and passes on takes effect elsewhere. A single word has too many other meanings.
        elif isinstance(node, ast.arg) and "_" in node.arg.strip("_"):
            read.add(node.arg)
    return read, constants


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, except contexts and operators, in any order: four times as fast as ``ast.walk``."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        for value in node.__dict__.values():
            kind = value.__class__
            if kind is list:
                nodes += [each for each in value if isinstance(each, ast.AST)]
            elif kind not in _LEAVES and isinstance(value, ast.AST):
                nodes.append(value)


_LEAVES = frozenset({int, str, type(None), ast.Load, ast.Store, ast.Del})


def _is_settings(node: ast.expr, file: str) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    # Some fields are read only through a property of their model.
    return name.endswith("settings") or (name == "self" and "settings" in file)


def readers(field: str, pipeline: str | None) -> list[str]:
    """Return the files that read a field of the settings or are passed it: those of its pipeline, and of shared.

    Args:
        field: the field's name.
        pipeline: the pipeline that has the flag; None for flags of every step.
    """
    return [name for name in _found()[0][field] if _within(name, pipeline)]


def users(code: str, pipeline: str) -> list[str]:
    """Return the files that raise or handle an error code, except the pipeline's list of codes."""
    return [name for name in _found()[1][code] if _within(name, pipeline) and name != f"jobs/{pipeline}/errors.py"]


def _within(name: str, pipeline: str | None) -> bool:
    # A field that is named like another one of its pipeline has a prefix of its own for its variable: viewership_infer.
    return pipeline is None or name.startswith(("shared/", f"jobs/{pipeline.partition('_')[0]}/"))
