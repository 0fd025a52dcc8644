"""Validate a document against its model; the first error becomes the error of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from jobs.screenalytics.errors import CODES, reject
from jobs.screenalytics.model import RunWarning
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["pointer", "shown", "unknown_fields", "validated"]

_Model = TypeVar("_Model", bound=BaseModel)

# pydantic's own error types. Custom types are error codes already.
_TYPES: Final = {"missing": "FIELD_MISSING", "too_long": "TOO_MANY"}
_SHOWN_CHARS: Final = 80
_SHOWN_NAMES: Final = 10


def validated(model: type[_Model], document: Any, *, what: str) -> _Model:
    """Validate a document, and return its model.

    Args:
        model: a strict pydantic model; its validators may raise custom errors with an error code as type.
        document: as parsed by :mod:`shared.strict_json`.
        what: name of the document in messages, such as ``the manifest``.

    Raises:
        Rejected: the document is invalid; with ``json_pointer`` and ``actual``.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        first = errors[0]
        kind = first["type"]
        code = kind if kind in CODES else _TYPES.get(kind, "FIELD_INVALID")
        place = pointer(first["loc"])
        more = f" ({len(errors) - 1} more invalid fields)" if len(errors) > 1 else ""
        if code == "FIELD_MISSING":
            raise reject(code, f"{what} lacks {place}, which is required{more}", json_pointer=place) from None
        actual = shown(first["input"])
        message = f"{what} has {actual} at {place}: {first['msg']}{more}"
        raise reject(code, message, json_pointer=place, actual=actual) from None


def unknown_fields(what: str, names: Iterable[str]) -> tuple[RunWarning, ...]:
    """Return one warning for all unknown fields, or an empty tuple."""
    found = sorted(set(names))
    if not found:
        return ()
    shown_names = ", ".join(clean_text(name, 60) for name in found[:_SHOWN_NAMES])
    more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
    return (RunWarning("UNKNOWN_FIELD", f"{what} has unknown fields, which are ignored: {shown_names}{more}"),)


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def shown(value: Any) -> str:
    """Return a short text for a value in a message, without walking through large ones."""
    if isinstance(value, dict | list | tuple):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"{kind} of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value[: _SHOWN_CHARS + 1]) if isinstance(value, str) else str(value)
    return clean_text(text, _SHOWN_CHARS)
