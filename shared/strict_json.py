"""Parse JSON strictly by RFC 8259, with exact numbers; no repeated keys or NaN; at most 32 levels deep."""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NoReturn

from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "MAX_VALUES", "parse"]

MAX_DEPTH: Final = 32
# The shortest exact form of a double has at most 24 characters, of a 128-bit float 39.
MAX_DIGITS: Final = 100
# An artifact of 1,000 persons has 20,000. Without a cap, 16 MB of [],[],… take 400 MB of memory.
MAX_VALUES: Final = 1_000_000


def parse(
    body: bytes,
    *,
    what: str,
    code: str,
    reject: Callable[..., Exception],
    floats: bool = False,
    max_digits: int = MAX_DIGITS,
    **data: Any,
) -> Any:
    """Parse one JSON document.

    Integers become ``int``, other numbers :class:`~decimal.Decimal` with the digits of the text. A UTF-8 byte-order
    mark is ignored.

    Args:
        body: the whole document; the caller caps its size.
        what: name of the document for messages, such as ``the manifest``.
        code: the error code for text that is not JSON, such as ``MANIFEST_PARSE``.
        reject: creates the error to raise from ``(code, message, **data)``.
        floats: return numbers with a fraction or exponent as ``float``, however many digits they have.
        max_digits: the length limit for numbers; with ``floats``, for integers only.
        data: named facts for the error.

    Raises:
        Exception: what ``reject`` returns for ``code``, ``ENCODING``, ``DUPLICATE_KEY``, ``NON_FINITE``,
            ``OUT_OF_RANGE``, ``TOO_DEEP`` or ``TOO_MANY``.
    """
    hooks = _Hooks(what, reject, data, max_digits)
    if json.detect_encoding(body) not in ("utf-8", "utf-8-sig"):
        raise hooks.error("ENCODING", f"{what} is encoded as {json.detect_encoding(body)}; expected UTF-8")
    if (values := sum(map(body.count, (b",", b"[", b"{")))) > MAX_VALUES:
        raise hooks.error("TOO_MANY", f"{what} has about {values:,} values; expected at most {MAX_VALUES:,}")
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_constant=hooks.constant,
            parse_float=hooks.double if floats else hooks.decimal,
            parse_int=hooks.integer,
            object_pairs_hook=hooks.object,
        )
        _check_depth(document)
        if b"\\u" in body:  # only an escape can produce a lone surrogate
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # cut off in the middle of a character
            raise hooks.error(code, f"{what} ends in the middle of a character, at byte {error.start}") from error
        raise hooks.error("ENCODING", f"{what} is not valid UTF-8 at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise hooks.error("ENCODING", f"{what} has a lone surrogate (half a character) in a string") from error
    except json.JSONDecodeError as error:
        # Some of json's messages end with "at".
        why = f"{error.msg.removesuffix(' at')} at offset {error.pos} (line {error.lineno}, column {error.colno})"
        raise hooks.error(code, f"{what} is not valid JSON: {why}", offset=error.pos) from error
    except RecursionError as error:
        raise hooks.error("TOO_DEEP", f"{what} is nested too deeply; expected at most {MAX_DEPTH} levels") from error
    return document


class _Hooks:
    """Callbacks of Python's JSON parser for numbers and objects."""

    def __init__(self, what: str, reject: Callable[..., Exception], data: dict[str, Any], max_digits: int) -> None:
        self._what = what
        self._reject = reject
        self._data = data
        self._max_digits = max_digits

    def error(self, code: str, message: str, **more: Any) -> Exception:
        return self._reject(code, message, **self._data, **more)

    def constant(self, name: str) -> NoReturn:
        raise self.error("NON_FINITE", f"{self._what} contains {name}, which is not a JSON number", actual=name)

    def integer(self, digits: str) -> int:
        self._check_length(digits)
        return int(digits)

    def double(self, digits: str) -> float:
        if math.isinf(value := float(digits)):
            raise self._beyond_doubles(digits[: self._max_digits])
        return value

    def decimal(self, digits: str) -> Decimal:
        self._check_length(digits)
        mantissa, exponent, _ = digits.lower().partition("e")
        if not exponent:  # at most MAX_DIGITS: always within a double's range
            return Decimal(digits)
        double, zero = float(digits), not mantissa.strip("-0.")
        # Other parsers would read it as infinity or zero.
        if math.isinf(double) or (not double and not zero):
            raise self._beyond_doubles(digits)
        return Decimal(0) if zero else Decimal(digits)

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = next(key for key, count in counts.items() if count > 1)
            shown = cut(twice, 80)
            message = f"{self._what} has the key {shown!r} more than once in one object"
            raise self.error("DUPLICATE_KEY", message, actual=shown)
        return document

    def _beyond_doubles(self, digits: str) -> Exception:
        message = f"{self._what} contains the number {digits}, which is outside the range of a double"
        return self.error("NON_FINITE", message, actual=digits)

    def _check_length(self, digits: str) -> None:
        if len(digits) > self._max_digits:
            message = f"{self._what} contains a number of {len(digits)} characters; expected at most {self._max_digits}"
            raise self.error("OUT_OF_RANGE", message, actual=f"{digits[:20]}…")


def _check_depth(document: Any) -> None:
    """Raise RecursionError beyond MAX_DEPTH levels; iterates, and stops at the limit."""
    level = [document]
    for _ in range(MAX_DEPTH + 1):
        inner = [value for value in level if isinstance(value, (dict, list))]
        if not inner:
            return
        level = [item for value in inner for item in (value.values() if isinstance(value, dict) else value)]
    raise RecursionError
