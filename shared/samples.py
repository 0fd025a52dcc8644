"""Sample sets: choose the kinds to write, and keep a record so that unchanged objects are not written again.

A sample set is a bucket or folder of inputs with known ground truth. Next to them, the record ``sample.json`` contains
the kind and the ground truth of each entry, and what identifies its objects.
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
    """Return the kinds to write: those in ``include``, each once and in that order, or all if it is empty.

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
    """Return the key of the record of a set under a prefix."""
    return f"{prefix}/{RECORD}" if prefix else RECORD


def read_record(store: ObjectStore, field: str, prefix: str = "") -> dict[str, Any]:
    """Return the entries of a set's record; empty if there is no valid record, so that the whole set is written.

    Args:
        store: the set's bucket or folder.
        field: field of the record that contains the entries.
        prefix: prefix of the set.
    """
    try:
        entries = json.loads(store.read(record_key(prefix)))[field]
    except (ObjectMissing, ValueError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def record_body(field: str, entries: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record; the same entries produce the same bytes."""
    return json.dumps({"version": _VERSION, field: entries}, indent=2, sort_keys=True).encode()
