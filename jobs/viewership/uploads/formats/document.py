"""Read a format from its YAML file; errors name the line and the nearest known word."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import BaseModel, ValidationError

from jobs.viewership.uploads.formats import model
from jobs.viewership.uploads.formats.strict_yaml import EXPECTED, find_value, load_yaml
from shared.errors import ConfigurationError
from shared.text import one_line

if TYPE_CHECKING:
    import yaml
    from pydantic_core import ErrorDetails

__all__ = ["FormatInvalid", "parse_format"]

_SHOWN: Final = 10
_KEYS: Final = "platform, version and columns"

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


class FormatInvalid(ConfigurationError):
    """A format's file is not valid."""

    default_code: ClassVar[str] = "format_invalid"


def parse_format(text: str, *, source: str) -> model.Format:
    """Return the format of a YAML file.

    Args:
        text: content of the file.
        source: name of the file, for messages.

    Raises:
        FormatInvalid: the text is not YAML, or not a format; each problem has a line of its own.
    """
    node, content = load_yaml(text, source=source, keys=_KEYS, error=FormatInvalid)
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


def _explain(detail: ErrorDetails, node: yaml.Node) -> tuple[int, str]:
    """Return the line of a problem and its message."""
    location = [part for part in detail["loc"] if part != "[key]"]
    line, value = find_value(node, location, on_key=detail["type"] == "extra_forbidden" or "[key]" in detail["loc"])
    return line, _message(detail, location, value)


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
    expected = EXPECTED.get(kind)
    message = one_line(detail["msg"].removeprefix("Value error, "))
    message = f"expected {expected.format(**context)}" if expected else message
    return f"{name}{shown} is not valid; {message}" if message.startswith("expected ") else message
