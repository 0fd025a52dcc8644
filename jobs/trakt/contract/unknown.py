"""Count fields that the contract does not know, by path: they are stored with their item, and promoted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.contract.pointer import pointer
from jobs.trakt.contract.resources import OBJECTS, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unknown_fields"]

_FIELDS: Final[dict[str, dict[str, Field]]] = {
    name: {field.name: field for field in fields} for name, fields in OBJECTS.items()
}


def unknown_fields(item: dict[str, Any], kind: str, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the JSON pointer of each field that the contract does not know; those inside it are not listed.

    ``*`` stands for each place in a list of objects.

    Args:
        item: a valid object.
        kind: its name in :data:`~jobs.trakt.contract.resources.OBJECTS`.
        path: the keys that lead to it.
    """
    known = _FIELDS[kind]
    for name, value in item.items():
        field = known.get(name)
        if field is None:
            yield pointer((*path, name))
        elif field.object is not None and isinstance(value, dict):
            yield from unknown_fields(value, field.object, (*path, name))
        elif field.object is not None and isinstance(value, list):
            for each in value:
                yield from unknown_fields(each, field.object, (*path, name, "*"))
