"""Sample sets: which kinds to write, and the record that makes a second write cheap.

A sample set is a bucket or folder with inputs of known ground truth. The record ``sample.json`` next to them holds, for
each entry, its kind, its ground truth, and what identifies the objects: an object that is as recorded is not written
again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ObjectMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from shared.storage import ObjectStore

__all__ = ["RECORD", "choose_kinds", "read_record", "record_body", "record_key"]

RECORD: Final = "sample.json"
_VERSION: Final = 1


def choose_kinds(include: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the kinds to write: those included, each once, in their order; all known ones if there are none.

    Args:
        include: names of kinds, from ``--include``.
        known: names of all kinds.

    Raises:
        UsageError: a name is unknown.
    """
    wanted = list(dict.fromkeys(include))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"--include: '{unknown[0]}' is not a kind of sample; expected one of {', '.join(known)}")
    return wanted or list(known)


def record_key(prefix: str = "") -> str:
    """Return the key of the record of a set below a prefix."""
    return f"{prefix}/{RECORD}" if prefix else RECORD


def read_record(store: ObjectStore, field: str, prefix: str = "") -> dict[str, Any]:
    """Read the entries of a set's record; empty if there is none, or it is not a record: then all is written again.

    Args:
        store: the set's bucket or folder.
        field: the record's field that holds the entries.
        prefix: of the set.
    """
    try:
        entries = json.loads(store.read(record_key(prefix)))[field]
    except (ObjectMissing, ValueError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def record_body(field: str, entries: Mapping[str, Any]) -> bytes:
    """Return the record's bytes, the same for the same entries."""
    return json.dumps({"version": _VERSION, field: entries}, indent=2, sort_keys=True).encode()
