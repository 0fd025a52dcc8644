"""The first wrong field of an item: its code, its path, and a message with the value and what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.contract.document import DATE, is_wrapped
from jobs.trakt.contract.pointer import ITEM, pointer
from jobs.trakt.contract.resources import OBJECTS
from shared.text import clean_text, cut

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

    from jobs.trakt.contract.resources import Kind, Resource

__all__ = ["first_problem", "shown"]

_SHOWN_CHARS: Final = 80
_CODES: Final = {
    "required": "FIELD_MISSING",
    "anyOf": "FIELD_MISSING",
    "minimum": "NUMBER_RANGE",
    "maximum": "NUMBER_RANGE",
    "maxLength": "TEXT_TOO_LONG",
    "maxItems": "TEXT_TOO_LONG",
    "pattern": "TIME_INVALID",
    "format": "TIME_INVALID",
}
_EXPECTED: Final = {
    "minimum": "at least {limit:,}",
    "maximum": "at most {limit:,}",
    "maxLength": "at most {limit:,} characters",
    "maxItems": "at most {limit:,} entries",
}
_A_TIME: Final = "a time with a zone, such as 2026-05-02T18:04:11.000Z"
_A_DATE: Final = "a date, such as 2026-05-02"
_KINDS: Final[dict[Kind, str]] = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "text": "text",
    "time": _A_TIME,
    "date": _A_DATE,
    "texts": "a list",
    "integers": "a list",
    "object": "an object",
    "objects": "a list",
}
# In the order of a message.
_NAMES: Final = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def first_problem(
    validator: Draft202012Validator, resource: Resource, item: dict[str, Any]
) -> tuple[str, str, str] | None:
    """Return code, path and message of the first wrong field by path, or None for a valid item."""
    if validator.is_valid(item):
        return None
    _, path, code, message = min(_problem(error, resource, item) for error in validator.iter_errors(item))
    return code, path, message


def _problem(error: Any, resource: Resource, item: dict[str, Any]) -> tuple[int, str, str, str]:
    """Return rank, path, code and message of one error."""
    keyword, where = error.kind.name, list(error.instance_path)
    if keyword == "required":
        where.append(error.kind.property)
    is_feeds = resource.wrapped is not None and is_wrapped(item)
    if is_feeds and where == ["comment"] and keyword in ("required", "type"):
        return 0, ITEM, "COMMENT_MISSING", "the item has no comment; expected an object at /comment"
    path = pointer(where)
    if keyword == "anyOf":
        names = ", ".join(resource.one_of)
        return 1, ITEM, "FIELD_MISSING", f"the item has none of {names}; expected at least one"
    code = _CODES.get(keyword, "FIELD_INVALID")
    if keyword == "required":
        return (
            1,
            path,
            code,
            f"{path} is missing; expected {_kind_at(where, resource.wrapped if is_feeds else resource.object)}",
        )
    value: Any = item
    for key in where:
        # The validator reports the key "10" as a number.
        value = value[str(key) if isinstance(value, dict) else key]
    return 1, path, code, f"{path} is {shown(value)}; expected {_expected(error.kind)}"


def _kind_at(where: list[str | int], kind: str | None) -> str:
    """Return the type of a field in words."""
    field = None
    # A place in a list has the fields of the list's objects.
    for key in (key for key in where if isinstance(key, str)):
        field = next((each for each in OBJECTS[kind or ""] if each.name == key), None)
        kind = field.object if field else None
    return _KINDS[field.kind] if field else "a value"


def _expected(kind: Any) -> str:
    facts = kind.as_dict()
    if kind.name in _EXPECTED:
        return _EXPECTED[kind.name].format(**facts)
    if kind.name in ("pattern", "format"):
        return _A_DATE if facts.get("pattern") == DATE or facts.get("format") == "date" else _A_TIME
    types = facts.get("types") or ()
    return " or ".join(text for name, text in _NAMES.items() if name in types) or "a valid value"


def shown(value: Any) -> str:
    """Return a short text for a value, without walking through large ones."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(cut(value, _SHOWN_CHARS))
    # 2**63 has 19 digits; a longer number is shown by its beginning.
    return clean_text(str(value), _SHOWN_CHARS)
