"""Ids from outside in URLs: query parameters, taken literally, next to the parameters of the list that links here.

Browsers and proxies normalise ``..`` and ``//`` in paths, even percent-encoded, so that a path cannot contain every id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from jobs.console.errors import BadQuery
from jobs.console.web.query import ListQuery, parse

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["identity"]

_Q = TypeVar("_Q", bound=ListQuery)


def identity(
    request: Request, model: type[_Q], *, required: str, optional: str | None = None, most_bytes: int = 1_024
) -> tuple[str, str, _Q]:
    """Return the required id, the optional one or an empty text, and the query of the list.

    Args:
        request: the request.
        model: parameters of the list.
        required: name of the id's parameter.
        optional: name of a second id's parameter.
        most_bytes: maximum length of an id in UTF-8.

    Raises:
        BadQuery: an id is missing, given twice, too long or contains NUL; or the query of the list is invalid.
    """
    pairs = request.query_params.multi_items()
    found = {}
    for name in filter(None, (required, optional)):
        values = [value for key, value in pairs if key == name]
        is_missing = name == required and not any(values)
        if is_missing or len(values) > 1 or any(not _is_id(value, most_bytes) for value in values):
            raise BadQuery([f"'{name}' is missing, given twice or too long; expected one id, as in the list"])
        found[name] = values[0] if values else ""
    rest = [(key, value) for key, value in pairs if key not in found]
    return found[required], found.get(optional or "", ""), parse(model, rest)


def _is_id(value: str, most_bytes: int) -> bool:
    return "\0" not in value and len(value.encode("utf-8", "replace")) <= most_bytes
