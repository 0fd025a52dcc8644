"""Read a format from its YAML file; errors name the line and the nearest known word."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import yaml
from pydantic import BaseModel, ValidationError

from jobs.viewership.uploads.formats import model
from shared.errors import ConfigurationError
from shared.text import cut, one_line

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FormatInvalid", "parse_format"]

_MOST_CHARS: Final = 256 * 1024
_DEEPEST: Final = 12
_SHOWN: Final = 10
_VALUE_CHARS: Final = 60

# Key of a YAML mapping or list -> the model of its members, for the names that are known there.
_MODELS: Final[dict[str, type[BaseModel]]] = {
    "columns": model.ColumnRule,
    "conventions": model.Conventions,
    "extract": model.Extract,
    "filters": model.Filter,
    "header": model.HeaderHint,
    "identify": model.Condition,
    "metrics": model.Metric,
    "split": model.Split,
    "steps": model.Step,
    "wide": model.Wide,
}

# Type of pydantic's error -> what is expected.
_EXPECTED: Final = {
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


class FormatInvalid(ConfigurationError):
    """A format's file is not valid."""

    default_code: ClassVar[str] = "format_invalid"


class _Line(yaml.YAMLError):
    """A problem of the file with its line, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse_format(text: str, *, source: str) -> model.Format:
    """Return the format of a YAML file.

    Args:
        text: content of the file.
        source: name of the file, for messages.

    Raises:
        FormatInvalid: the text is not YAML, or not a format; each problem has a line of its own.
    """
    if len(text) > _MOST_CHARS:
        raise FormatInvalid(f"{source}: the file has {len(text)} characters; expected at most {_MOST_CHARS}")
    try:
        node, content = _load(text)
    except _Line as error:
        raise FormatInvalid(f"{source}: line {error.line}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise FormatInvalid(f"{source}: {where}not YAML: {one_line(error.problem)}; expected key: value") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise FormatInvalid(f"{source}: not YAML: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise FormatInvalid(f"{source}: line 1: expected keys such as platform, version and columns")
    try:
        return model.Format.model_validate(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose only entry is wrong is also too short.
        inner = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        problems = sorted({_explain(detail, node) for detail in details if detail["loc"] not in inner})
        lines = [f"{source}: line {line}: {message}" for line, message in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"{source}: {len(problems) - _SHOWN} further problems")
        raise FormatInvalid("\n".join(lines)) from None


def _load(text: str) -> tuple[yaml.Node, object]:
    """Return the document's nodes, which know their lines, and its content; only plain values are accepted."""
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
            raise _Line(1, "the file is empty; expected keys such as platform, version and columns")
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


def _explain(detail: ErrorDetails, node: yaml.Node) -> tuple[int, str]:
    """Return the line of a problem and its message."""
    location = [part for part in detail["loc"] if part != "[key]"]
    line, value = _find(node, location, on_key=detail["type"] == "extra_forbidden" or "[key]" in detail["loc"])
    return line, _message(detail, location, value)


def _find(node: yaml.Node, location: list[int | str], *, on_key: bool) -> tuple[int, str]:
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


def _unknown_key(names: list[str]) -> str:
    parent = next((part for part in reversed(names[:-1]) if part in _MODELS), "")
    fields = _MODELS.get(parent, model.Format).model_fields
    known = [field.alias or key for key, field in fields.items()]
    guess = model.near_miss(names[-1], known) or f"; expected one of {', '.join(known)}"
    return f"unknown key '{one_line(names[-1])}'{guess}"


def _message(detail: ErrorDetails, location: list[int | str], value: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    names = [part for part in location if isinstance(part, str)]
    name = one_line(names[-1]) if names else "the format"
    shown = f" '{one_line(value)}'" if value else ""
    if kind == "extra_forbidden":
        return _unknown_key(names)
    if kind == "missing":
        return f"the key '{name}' is missing"
    if kind == "invalid_key" or (kind == "string_type" and "[key]" in detail["loc"]):
        return f"a key of {name} is not text; put keys such as no, on and 12 in quotes"
    if kind == "string_type":
        return f"{name}{shown} is not text; expected text, in quotes if it looks like a number, a date or yes/no"
    if kind == "literal_error":
        literals = str(context.get("expected", "")).replace(" or ", ", ")
        words = [word.strip("'") for word in literals.split(", ")]
        return f"{name}{shown} is not valid; expected one of {', '.join(words)}{model.near_miss(value, words)}"
    expected = _EXPECTED.get(kind)
    message = one_line(detail["msg"].removeprefix("Value error, "))
    message = f"expected {expected.format(**context)}" if expected else message
    return f"{name}{shown} is not valid; {message}" if message.startswith("expected ") else message
