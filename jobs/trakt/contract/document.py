"""The JSON Schema (draft 2020-12) of a resource's items, derived from the table of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.contract.resources import OBJECTS, RESOURCES, SUBJECTS, Field

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DATE", "TIME", "document", "is_wrapped"]

_DAY: Final = "-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_OFFSET: Final = "[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_YEAR: Final = "(?:000[2-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
TIME: Final = f"^(?:{_YEAR}{_DAY}{_CLOCK}(?:Z|{_OFFSET})|(?:0001|9999){_DAY}{_CLOCK}Z)$"
"""Pattern of a time. Leap seconds pass the format but are NULL in DuckDB; an offset could leave the first or last year.

The format refuses days that a month does not have.
"""
DATE: Final = f"^(?:{_YEAR}|0001|9999){_DAY}$"

_TYPES: Final = {
    "text": "string",
    "time": "string",
    "date": "string",
    "texts": "array",
    "integers": "array",
    "objects": "array",
}
_SOURCES: Final = {
    "answers": "Seen in recorded answers.",
    "contract": "Only in the published contract.",
    "older": "Only in old answers.",
}
_MAX_ENTRIES: Final = 1000

# An item of a feed holds its comment as an object; one whose comment is absent has a type, but no id of its own.
_WRAPPED: Final[dict[str, Any]] = {
    "anyOf": [
        {"required": ["comment"], "properties": {"comment": {"type": "object"}}},
        {"required": ["type"], "not": {"required": ["id"]}},
    ]
}


def is_wrapped(item: dict[str, Any]) -> bool:
    """Return whether an item of comments is a feed's, with the comment inside; the schema decides likewise."""
    return isinstance(item.get("comment"), dict) or ("type" in item and "id" not in item)


def document(resource: str, *, closed: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a resource's items.

    Args:
        resource: name in :data:`~jobs.trakt.contract.resources.RESOURCES`.
        closed: permit no unknown field and no unknown type; an item that passes has nothing to count.

    Raises:
        KeyError: the resource is unknown.
    """
    made = RESOURCES[resource]
    definitions: dict[str, Any] = {}
    for name in (made.object, made.wrapped):
        if name is not None:
            _define(name, definitions, closed=closed)
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": made.title or f"Trakt {resource}",
        "description": f"{made.about} Unknown fields are accepted and counted. The formats are asserted.",
        "type": "object",
    }
    if made.wrapped is None:
        schema["$ref"] = _reference(made.object)
    else:
        schema |= {
            "if": _WRAPPED,
            "then": {"$ref": _reference(made.wrapped)},
            "else": {"$ref": _reference(made.object)},
        }
    if made.one_of:
        schema["anyOf"] = [{"required": [name]} for name in made.one_of]
    return {**schema, "$defs": definitions}


def _define(name: str, definitions: dict[str, Any], *, closed: bool) -> None:
    """Add an object and those inside it to the definitions."""
    if name in definitions:
        return
    fields = OBJECTS[name]
    made: dict[str, Any] = {"properties": {field.name: _field(field) for field in fields}}
    definitions[name] = made
    if required := [field.name for field in fields if field.required]:
        made["required"] = required
    if closed:
        made["additionalProperties"] = False
    if name == "feed_item":
        made["allOf"] = [_subject(kind, needed) for kind, needed in SUBJECTS.items()]
        if closed:
            made["properties"]["type"] = {"enum": list(SUBJECTS)}
    for field in fields:
        if field.object is not None:
            _define(field.object, definitions, closed=closed)


def _subject(kind: str, needed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "if": {"required": ["type"], "properties": {"type": {"const": kind}}},
        "then": {"required": list(needed), "properties": {name: {"type": "object"} for name in needed}},
    }


def _field(field: Field) -> dict[str, Any]:
    kind = _TYPES.get(field.kind, field.kind)
    made: dict[str, Any] = {"type": [kind, "null"] if field.nullable else kind}
    if field.kind in _ENTRIES:
        made |= {"maxItems": _MAX_ENTRIES, "items": _ENTRIES[field.kind](field)}
    elif field.object is not None:
        made["$ref"] = _reference(field.object)
    elif field.kind == "time":
        made |= {"format": "date-time", "pattern": TIME}
    elif field.kind == "date":
        made |= {"format": "date", "pattern": DATE}
    elif field.kind == "text":
        made["maxLength"] = field.maximum
    elif field.kind in ("integer", "number"):
        made |= {"minimum": field.minimum, "maximum": field.maximum}
    if field.about:
        made["description"] = field.about
    if field.source != "answers":
        made["$comment"] = _SOURCES[field.source]
    return made


def _reference(name: str) -> str:
    return f"#/$defs/{name}"


_ENTRIES: Final[dict[str, Callable[[Field], dict[str, Any]]]] = {
    "texts": lambda _: {"type": "string", "maxLength": 100},
    "integers": lambda field: {"type": "integer", "minimum": field.minimum, "maximum": field.maximum},
    "objects": lambda field: {"type": "object", "$ref": _reference(field.object or "")},
}
