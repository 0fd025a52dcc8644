"""Parse an answer once, with exact numbers; what cannot be kept exactly becomes infinity, which no field accepts."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from decimal import Decimal
from typing import Any, Final

from jobs.trakt.contract.pointer import ITEM, key_text
from jobs.trakt.errors import ANSWER_CODES

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_MARKS", "Answer", "Unreadable", "depth_exceeded", "is_sprawling", "parse"]

MAX_BYTES: Final = 64 * 2**20
MAX_MARKS: Final = 1_000_000
"""Commas and opening brackets of an answer, each of which can be a value in memory. A page of 250 comments has some
15,000; 51 MiB of short keys, which gzip sends as 15 MiB, took 5.8 GB and 81 s before there was a limit."""
MAX_DEPTH: Final = 32
# Converting a number takes time that grows with the square of its length; Python refuses 4,300 digits.
_MAX_DIGITS: Final = 1000
_EXACT: Final = 2**53
# More than any 64-bit integer has, so that a larger double is out of range without being converted.
_LARGEST: Final = 1e20
# Escapes of NUL and of surrogates. Others are harmless and frequent: one server writes & as an escape.
_SUSPECT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_MAX_NOTES: Final = 200


class Unreadable(Exception):
    """An answer that is not JSON; its code is one of :data:`~jobs.trakt.errors.ANSWER_CODES`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        if code not in ANSWER_CODES:
            raise KeyError(code)


class Answer:
    """A parsed answer.

    Attributes:
        value: the JSON value; texts may have half surrogate pairs, numbers may be NaN or infinite.
        notes: (code, path) -> how often.
        may_need_repair: whether a text can have NUL or half a surrogate pair.
    """

    def __init__(self, raw: bytes) -> None:
        self.notes: Counter[tuple[str, str]] = Counter()
        text = self._decode(raw)
        self.may_need_repair = _SUSPECT.search(text) is not None or ("INVALID_UTF8", ITEM) in self.notes
        try:
            self.value = self._load(text)
        except json.JSONDecodeError as error:
            where = f"{error.msg.removesuffix(' at')} at offset {error.pos}"
            raise Unreadable("NOT_JSON", f"the answer is not JSON: {where}; expected a JSON document") from error
        except RecursionError as error:
            message = f"the answer is nested too deeply to be parsed; expected at most {MAX_DEPTH} levels"
            raise Unreadable("TOO_DEEP", message) from error

    def _load(self, text: str) -> Any:
        before = self.notes.copy()
        try:
            return json.loads(text, object_pairs_hook=self._object, parse_float=_real)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses an integer of more than 4,300 digits. A hook for every integer would cost 1 us an item.
            self.notes = before
            return json.loads(text, object_pairs_hook=self._object, parse_float=_real, parse_int=_int)

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("utf-8-sig", "surrogateescape")
            self.notes["INVALID_UTF8", ITEM] += sum("\udc80" <= character <= "\udcff" for character in text)
            return text

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            for name, times in Counter(name for name, _ in pairs).items():
                if times > 1:
                    note = ("DUPLICATE_KEY", key_text(name))
                    is_counted = note in self.notes or len(self.notes) < _MAX_NOTES
                    self.notes[note if is_counted else ("DUPLICATE_KEY", "…")] += times - 1
        return value


def parse(raw: bytes) -> Answer:
    """Parse the body of an answer.

    Args:
        raw: any bytes; a byte-order mark is ignored.

    Raises:
        Unreadable: the body has too many bytes or values, is not JSON, or nested beyond what the parser can follow.
    """
    if is_sprawling(raw):
        raise Unreadable("TOO_LARGE", f"the answer has too many values; expected at most {MAX_MARKS:,}")
    if len(raw) > MAX_BYTES:
        message = f"the answer has {len(raw):,} bytes; expected at most {MAX_BYTES:,}"
        raise Unreadable("TOO_LARGE", message)
    return Answer(raw)


def is_sprawling(raw: bytes) -> bool:
    """Return whether a body may have more values than :data:`MAX_MARKS`: parsing it could take gigabytes."""
    return len(raw) > MAX_MARKS and sum(map(raw.count, (b",", b"[", b"{"))) > MAX_MARKS


def depth_exceeded(value: Any) -> bool:
    """Return whether a value has more than :data:`MAX_DEPTH` levels of objects and lists; stops at the limit."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            member
            for each in level
            for member in (each.values() if isinstance(each, dict) else each)
            if isinstance(member, dict | list)
        ]
        if not level:
            return False
    return bool(level)


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _real(digits: str) -> int | float:
    """Return a number with a fraction or exponent, as an integer if it is whole: DuckDB would round 1.9 to 2.

    >>> _real("5.0"), _real("7.25"), _real("9007199254740993.0"), _real("1e400")
    (5, 7.25, 9007199254740993, inf)
    """
    value = float(digits)
    if not value.is_integer() or abs(value) >= _LARGEST:
        return value
    if abs(value) < _EXACT:
        return int(value)
    exact = Decimal(digits) if len(digits) <= _MAX_DIGITS else Decimal("0.5")
    return int(exact) if exact == exact.to_integral_value() else math.inf
