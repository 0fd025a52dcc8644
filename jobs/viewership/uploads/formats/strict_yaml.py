"""Read YAML files strictly: plain values only, no duplicate keys, a line number for every problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXPECTED", "find_value", "load_yaml"]

_MOST_CHARS: Final = 256 * 1024
_DEEPEST: Final = 12
_VALUE_CHARS: Final = 60

# Type of pydantic's error -> what is expected.
EXPECTED: Final = {
    "dict_type": "keys with values",
    "greater_than_equal": "a number of at least {ge}",
    "int_type": "a whole number",
    "less_than_equal": "a number of at most {le}",
    "model_type": "keys with values",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


class _Line(yaml.YAMLError):
    """A problem of the file with its line, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def load_yaml(
    text: str, *, source: str, keys: str, error: Callable[[str], Exception]
) -> tuple[yaml.Node, dict[Any, Any]]:
    """Return the nodes of a document, with their line numbers, and its content.

    Args:
        text: content of the file.
        source: name of the file, for messages.
        keys: some keys that are expected, for messages, such as ``name and cut``.
        error: creates the error to raise from its message.

    Raises:
        Exception: what ``error`` returns, if the text is not a mapping of plain values.
    """
    if len(text) > _MOST_CHARS:
        raise error(f"{source}: the file has {len(text)} characters; expected at most {_MOST_CHARS}")
    try:
        node, content = _load(text, keys)
    except _Line as problem:
        raise error(f"{source}: line {problem.line}: {problem}") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise error(f"{source}: {where}not YAML: {one_line(problem.problem)}; expected key: value") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as problem:
        raise error(f"{source}: not YAML: {one_line(problem)}") from None
    if not isinstance(content, dict):
        raise error(f"{source}: line 1: expected keys such as {keys}")
    return node, content


def _load(text: str, keys: str) -> tuple[yaml.Node, object]:
    """Return the document's nodes, with line numbers, and its content; only plain values are accepted."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Line(line, "anchors and aliases are not allowed; expected the value itself")
        if getattr(event, "tag", None) is not None:
            raise _Line(line, "tags are not allowed; expected a plain value")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _Line(line, f"values are nested deeper than {_DEEPEST} levels")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise _Line(1, f"the file is empty; expected keys such as {keys}")
        _check_keys(node)
        return node, loader.construct_document(node)
    finally:
        loader.dispose()


def _check_keys(node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            _check_keys(member)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _Line(line, "expected text as a key")
        if key.value in seen:
            raise _Line(line, f"the key '{one_line(key.value)}' is set twice; the first is in line {seen[key.value]}")
        seen[key.value] = line
        _check_keys(value)


def find_value(node: yaml.Node, location: list[int | str], *, on_key: bool) -> tuple[int, str]:
    """Return the line of a value, or of its key, and the text of a plain value."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            node = found[1]
            line = (found[0] if on_key or not isinstance(node, yaml.ScalarNode) else node).start_mark.line + 1
    return line, cut(node.value, _VALUE_CHARS) if isinstance(node, yaml.ScalarNode) else ""
