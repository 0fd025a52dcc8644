"""metadata.json: one JSON object as RFC 8259 means it, and nothing that a table or another reader could not hold."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from jobs.gamedata.errors import item_error

__all__ = ["MAX_METADATA", "parse_metadata"]

# Recorders write 1 to 20 kB.
MAX_METADATA: Final = 1_000_000
_MAX_DEPTH: Final = 32
# 128 bits, such as a hardware identifier, have 39.
_MAX_DIGITS: Final = 40


def parse_metadata(content: bytes) -> dict[str, Any]:
    """Parse metadata.json; a byte-order mark is passed over.

    Args:
        content: the member's bytes.

    Raises:
        ItemError: ``metadata_invalid`` for anything but one JSON object of at most :data:`MAX_METADATA` bytes, in
            UTF-8, no deeper than 32 levels, without NaN, infinities, repeated keys, huge integers and lone surrogates.
            Python's ``json`` would take all of these, and write some of them out as invalid JSON.
    """
    if len(content) > MAX_METADATA:
        raise _invalid(f"{len(content)} bytes; at most {MAX_METADATA} are read")
    try:
        document = json.loads(
            content.decode("utf-8-sig"),
            parse_constant=_no_number,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_object,
        )
        if _depth(document) > _MAX_DEPTH:
            raise _invalid(f"more than {_MAX_DEPTH} levels")
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise _invalid(f"no UTF-8 at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise _invalid("a lone surrogate (half a character) in a string") from error
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _invalid(f"more than {_MAX_DEPTH} levels") from error
    if not isinstance(document, dict):
        raise _invalid(f"a JSON {type(document).__name__}")
    return document


def _invalid(found: str) -> Exception:
    return item_error("metadata_invalid", f"metadata.json: {found}; valid is one JSON object")


def _no_number(name: str) -> NoReturn:
    raise _invalid(f"{name}, which is no JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _invalid(f"the number {digits[:_MAX_DIGITS]}, which is out of range")
    return value


def _int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _invalid(f"an integer of {len(digits)} digits; at most {_MAX_DIGITS} are read")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in document if keys.count(key) > 1)
        raise _invalid(f"the key {twice[:80]!r} stands twice in one object")
    return document


def _depth(document: Any) -> int:
    """Count levels without recursion."""
    depth, level = 0, [document]
    while level and depth <= _MAX_DEPTH:
        inner = [value for value in level if isinstance(value, (dict, list))]
        level = [item for value in inner for item in (value.values() if isinstance(value, dict) else value)]
        depth += bool(inner)
        if not inner:
            break
    return depth
