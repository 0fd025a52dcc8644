"""Read fields of an artifact without coercion: seconds to milliseconds, rounded half up; confidences, ids, names."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.run_manifest import MAX_MS
from jobs.screenalytics.contract.validated import pointer, shown
from jobs.screenalytics.model import canonical_uuid

if TYPE_CHECKING:
    from jobs.screenalytics.contract.kinds.artifact import ArtifactContext

__all__ = ["MAX_ID_BYTES", "Row", "to_ms"]

# Precise enough for every number that strict_json accepts (100 characters), so that no value is rounded twice.
_EXACT: Final = Context(prec=500, rounding=ROUND_HALF_UP)
_THOUSANDTH: Final = Decimal("0.001")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
MAX_ID_BYTES: Final = 255
_MAX_NAME_CHARS: Final = 1000


def to_ms(seconds: Decimal | int) -> int:
    """Return whole milliseconds, rounded half up: 2.01 s is 2010 ms, although ``int(2.01 * 1000)`` is 2009."""
    return int(Decimal(seconds).scaleb(3, _EXACT).to_integral_value(ROUND_HALF_UP, _EXACT))


class Row:
    """A JSON object of an artifact.

    Args:
        value: the JSON value.
        context: the artifact.
        path: path of the object in the document.

    Raises:
        Rejected: the value is not an object.
    """

    __slots__ = ("_context", "_path", "_value")

    def __init__(self, value: Any, context: ArtifactContext, *path: str | int) -> None:
        self._value = value
        self._context = context
        self._path = path
        if not isinstance(value, dict):
            code = "FIELD_INVALID" if path else "NOT_AN_OBJECT"
            raise context.error(
                code, f"{self.at() or 'its top level'} is {shown(value)}; expected an object", self.at()
            )

    def at(self, *names: str) -> str:
        """Return the JSON pointer of a field."""
        return pointer((*self._path, *names))

    def has(self, name: str) -> bool:
        """Return whether a field exists and is not null."""
        return self._value.get(name) is not None

    def get(self, name: str) -> Any:
        """Return the value of a field without checking it."""
        return self._value.get(name)

    def names(self) -> set[str]:
        """Return the names of all fields."""
        return set(self._value)

    def inner(self, name: str) -> Row | None:
        """Return the object in a field, or None if the field is missing or null."""
        return Row(self._value[name], self._context, *self._path, name) if self.has(name) else None

    def seconds(self, name: str, *, required: bool = False) -> Decimal | int | None:
        """Return a number of seconds; None if it is missing and not required.

        Raises:
            Rejected: ``FIELD_MISSING``, ``FIELD_INVALID``, ``NEGATIVE`` or ``OUT_OF_RANGE``.
        """
        value = self._value.get(name)
        if value is None and not required:
            return None
        if not _is_number(value):
            raise self._wrong(name, "a number of seconds")
        if value < 0:
            raise self._error("NEGATIVE", name, "0 or more")
        if value * 1000 > MAX_MS:
            raise self._error("OUT_OF_RANGE", name, "a bigint of milliseconds")
        number: Decimal | int = value
        return number

    def ms(self, name: str, *, required: bool = False) -> int | None:
        """Return a number of seconds as milliseconds."""
        value = self.seconds(name, required=required)
        return None if value is None else to_ms(value)

    def count(self, name: str) -> None:
        """Check a count, whose value is not used."""
        value = self._value.get(name)
        if value is None:
            return
        # JSON Schema also counts 24.0 as an integer.
        if not _is_number(value) or value != value // 1:
            raise self._wrong(name, "a whole number")
        if value < 0:
            raise self._error("NEGATIVE", name, "0 or more")

    def flag(self, name: str) -> bool | None:
        """Return a boolean, or None if it is missing or null."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def confidence(self, name: str, *, required: bool) -> Decimal | None:
        """Return a number from 0 to 1, rounded half up to three decimals.

        Raises:
            Rejected: ``FIELD_MISSING`` or ``CONFIDENCE_INVALID``.
        """
        value = self._value.get(name)
        if value is None and not (required and name in self._value):
            if required:
                raise self._wrong(name, "a number from 0 to 1")
            return None
        if not _is_number(value) or not 0 <= value <= 1:
            raise self._error("CONFIDENCE_INVALID", name, "a number from 0 to 1")
        return abs(Decimal(value)).quantize(_THOUSANDTH, ROUND_HALF_UP, _EXACT)

    def identifier(self, name: str, *, max_bytes: int = MAX_ID_BYTES) -> str | None:
        """Return an identifier verbatim, or None if it is missing or null.

        Raises:
            Rejected: ``PERSON_ID_INVALID`` if it is blank, too long, or has control characters.
        """
        value = self._value.get(name)
        if value is None:
            return None
        is_valid = isinstance(value, str) and value.strip() and not _CONTROLS.search(value)
        if not is_valid or len(value.encode()) > max_bytes:
            raise self._error("PERSON_ID_INVALID", name, f"text of 1 to {max_bytes} bytes without control characters")
        text: str = value
        return text

    def person_id(self) -> str | None:
        """Return the identifier ``person_id``, or None if it is missing or null.

        A UUID has one spelling, so that a person with two spellings is one person.
        """
        text = self.identifier("person_id")
        return text if text is None else canonical_uuid(text) or text

    def name(self, name: str) -> str | None:
        """Return a display name verbatim, or None if it is blank or missing."""
        value = self._value.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > _MAX_NAME_CHARS or _CONTROLS.search(value):
            raise self._wrong(name, f"text of at most {_MAX_NAME_CHARS} characters without control characters")
        return value if value.strip() else None

    def _wrong(self, name: str, valid: str) -> Exception:
        if name in self._value:
            return self._error("FIELD_INVALID", name, valid)
        return self._context.error(
            "FIELD_MISSING", f"{self.at(name)} is missing; expected {valid}", self.at(name), expected=valid
        )

    def _error(self, code: str, name: str, valid: str) -> Exception:
        actual = shown(self._value.get(name))
        message = f"{self.at(name)} is {actual}; expected {valid}"
        return self._context.error(code, message, self.at(name), expected=valid, actual=actual)


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal | int) and not isinstance(value, bool)
