"""JSON values as a tree for a page: secrets masked; depth, length and size limited."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from shared.scrub import scrub_data
from shared.text import one_line

__all__ = ["Node", "tree"]

_DEPTH: Final = 8
_NODES: Final = 400
_MEMBERS: Final = 100
_CHARS: Final = 300
_NAME_CHARS: Final = 120


@dataclass(slots=True)
class Node:
    """A value with its name.

    Attributes:
        name: its key, or its position in a list from 1; empty for the root.
        text: the value in one line, or its size if it has members.
        kind: ``text``, ``number``, ``word`` (true, false, null) or ``members``.
        children: the members shown.
        hidden: number of members not shown.
    """

    name: str
    text: str
    kind: str
    children: list[Node] = field(default_factory=list)
    hidden: int = 0


def tree(value: Any) -> Node:
    """Return a JSON value as a tree: at most 400 nodes, 8 levels and 100 members each; long texts are cut.

    Args:
        value: what ``json.loads`` returns.
    """
    left = [_NODES]
    return _node("", _above(value, _DEPTH + 1), 0, left)


def _above(value: Any, levels: int) -> Any:
    """Drop the lower levels, because masking secrets visits all of them."""
    if isinstance(value, dict):
        return {} if levels == 0 else {key: _above(member, levels - 1) for key, member in value.items()}
    if isinstance(value, list):
        return [] if levels == 0 else [_above(member, levels - 1) for member in value]
    return value


def _node(name: str, value: Any, depth: int, left: list[int]) -> Node:
    left[0] -= 1
    if not isinstance(value, dict | list):
        return Node(name, *_plain(value))
    if depth == 0:
        value = scrub_data(value)
    pairs = sorted(value.items()) if isinstance(value, dict) else [(str(i), each) for i, each in enumerate(value, 1)]
    of = "value" if isinstance(value, dict) else "entry"
    plural = "values" if isinstance(value, dict) else "entries"
    node = Node(name, f"{len(pairs):,} {of if len(pairs) == 1 else plural}", "members")
    for key, member in pairs[:_MEMBERS]:
        if depth >= _DEPTH or left[0] <= 0:
            break
        node.children.append(_node(_cut(one_line(key), _NAME_CHARS), member, depth + 1, left))
    node.hidden = len(pairs) - len(node.children)
    return node


def _plain(value: Any) -> tuple[str, str]:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value], "word"
    if isinstance(value, int | float):
        # Python refuses to print integers with very many digits.
        if isinstance(value, int) and value.bit_length() > 1_024:  # noqa: PLR2004 - far above any measured value
            return "a number of more than 300 digits", "number"
        return (f"{value}" if math.isfinite(value) else "not a number"), "number"
    text = _cut(one_line(value), _CHARS)
    return text or '""', "text"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
