"""Validate a document against its model; one error lists all wrong fields, with their values and what is expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from jobs.screenalytics.errors import CODES, Rejected, reject
from jobs.screenalytics.model import RunWarning
from shared.text import clean_text, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["WrongField", "check", "pointer", "refuse", "refuse_all", "shown", "unknown_fields"]

_Model = TypeVar("_Model", bound=BaseModel)

# pydantic's own error types. Custom types already are error codes, or the reason why a field is invalid.
_TYPES: Final = {"missing": "FIELD_MISSING", "too_long": "TOO_MANY"}
_SHOWN_CHARS: Final = 80
_SHOWN_NAMES: Final = 10
# A message has at most 2000 characters, including advice; the ledger stores 50 entries of a list.
_SHOWN_FIELDS: Final = 20
_MESSAGE_CHARS: Final = 1500


@dataclass(frozen=True, slots=True)
class WrongField:
    """A field that is missing or invalid.

    Attributes:
        code: its error code.
        json_pointer: its location in the document.
        problem: location, value and what is expected, such as ``/attempt is '3'; expected a whole number``.
        data: further facts, such as ``expected`` and ``actual``.
    """

    code: str
    json_pointer: str
    problem: str
    data: Mapping[str, Any]


def check(model: type[_Model], document: Any, *, expected: Mapping[str, str]) -> _Model | list[WrongField]:
    """Validate a document, and return its model or all wrong fields.

    Args:
        model: a strict pydantic model; its validators may raise custom errors with an error code as type.
        document: as parsed by :mod:`shared.strict_json`.
        expected: field -> description of its valid values.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        return [_wrong(each, expected) for each in error.errors(include_url=False, include_context=False)]


def refuse(wrong: Sequence[WrongField], *, what: str) -> Rejected:
    """Return the error for a document with wrong fields; the first field determines its code.

    Args:
        wrong: at least one.
        what: name of the document in messages, such as ``the manifest``.
    """
    first = wrong[0]
    data = {"json_pointer": first.json_pointer, **first.data}
    if len(wrong) == 1:
        return reject(first.code, f"{what}: {first.problem}", **data)
    problems, fields, length = [], [], 0
    for each in wrong[:_SHOWN_FIELDS]:
        length += len(each.problem)
        if length > _MESSAGE_CHARS:
            break
        problems.append(each.problem)
        fields.append({"code": each.code, "json_pointer": each.json_pointer, **each.data})
    rest = len(wrong) - len(problems)
    if rest:
        problems.append(f"and {rest} more")
    message = f"{what} has {len(wrong)} wrong fields: {'; '.join(problems)}"
    return reject(first.code, message, **data, fields=fields, fields_omitted=rest)


def refuse_all(errors: Sequence[Rejected], *, what: str) -> Rejected:
    """Merge the errors of a document into one; a single error is returned as it is."""
    if len(errors) == 1:
        return errors[0]
    return refuse(
        [
            WrongField(
                error.code,
                error.data.get("json_pointer", ""),
                error.message,
                {name: value for name, value in error.data.items() if name != "json_pointer"},
            )
            for error in errors
        ],
        what=what,
    )


def _wrong(error: Any, expected: Mapping[str, str]) -> WrongField:
    kind, path = error["type"], error["loc"]
    code = kind if kind in CODES else _TYPES.get(kind, "FIELD_INVALID")
    place = pointer(path)
    name = path[-1] if path else ""
    valid = expected.get(name, "a valid value") if isinstance(name, str) and path else "an object"
    if code == "FIELD_MISSING":
        return WrongField(code, place, f"{place} is missing; expected {valid}", {"expected": valid})
    actual = shown(error["input"])
    # A custom error's message is the reason, in a few words.
    why = f" ({error['msg']})" if kind in ("text", "time", "NAIVE_TIMESTAMP") else ""
    return WrongField(code, place, f"{place} is {actual}{why}; expected {valid}", {"expected": valid, "actual": actual})


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
    text = repr(cut(value, _SHOWN_CHARS + 1)) if isinstance(value, str) else str(value)
    return clean_text(text, _SHOWN_CHARS)
