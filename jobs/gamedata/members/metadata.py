"""Parse metadata.json, one JSON object, with the strict rules of :mod:`shared.strict_json`."""

from __future__ import annotations

from typing import Any, Final

from jobs.gamedata.errors import item_error
from shared import strict_json

__all__ = ["MAX_METADATA", "parse_metadata"]

# Recorders write 1 to 20 kB.
MAX_METADATA: Final = 1_000_000
# A 128-bit integer, such as a hardware identifier, has up to 39 digits.
_MAX_DIGITS: Final = 40


def parse_metadata(content: bytes) -> dict[str, Any]:
    """Return the object in metadata.json; a byte-order mark is skipped.

    Python's ``json`` accepts NaN, infinities, repeated keys, huge integers and lone surrogates, and writes some of them
    back as invalid JSON. They are rejected here.

    Args:
        content: the member's bytes.

    Raises:
        ItemError: ``metadata_invalid`` for anything except one JSON object of at most :data:`MAX_METADATA` bytes, in
            UTF-8, nested at most 32 levels deep.
    """
    if len(content) > MAX_METADATA:
        raise _reject("", f"metadata.json has {len(content)} bytes, more than the limit of {MAX_METADATA}")
    document = strict_json.parse(
        content, what="metadata.json", code="", reject=_reject, floats=True, max_digits=_MAX_DIGITS
    )
    if not isinstance(document, dict):
        raise _reject("", f"metadata.json is a JSON {type(document).__name__}")
    return document


def _reject(_code: str, message: str, **_data: Any) -> Exception:
    return item_error("metadata_invalid", f"{message}; expected one JSON object")
