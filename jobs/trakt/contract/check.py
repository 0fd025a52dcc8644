"""Check an answer against the contract: accepted items as they are stored, bad items with reasons, unknown fields."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jsonschema_rs import Draft202012Validator

from jobs.trakt.contract.checked import RAW_CHARS, BadItem, Checked, Item
from jobs.trakt.contract.document import document, is_wrapped
from jobs.trakt.contract.parse import MAX_DEPTH, Unreadable, depth_exceeded, parse
from jobs.trakt.contract.pointer import ITEM, pointer
from jobs.trakt.contract.problem import first_problem, shown
from jobs.trakt.contract.resources import MAX_ITEM_BYTES, OBJECTS, RESOURCES, SUBJECTS, Resource
from jobs.trakt.contract.text import repair
from jobs.trakt.contract.unknown import unknown_fields
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_ITEMS", "check", "trakt_rating"]

# A hostile answer could have a million unknown names; past this many, they are counted together.
_MAX_PATHS: Final = 200
_OTHER_PATHS: Final = "…"

MAX_ITEMS: Final = 10_000
"""Items of an answer. The API grants 250; 8 MiB of empty lists would be 2.8 million dead letters, and take 76 s."""

# The site began in September 2010.
_EARLIEST: Final = "2010"
# A server's clock may be fast, and a page may be checked some time after it was fetched.
_TOLERANCE: Final = timedelta(days=1)
_DEFAULT_LATEST: Final = "2100"
_FLAGGED_TIMES: Final = ("created_at", "updated_at")

# Sorted keys: an answer whose fields come in another order is the same observation.
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False, check_circular=False
).encode


def check(resource: str, raw: Any, *, single: bool | None = None, now: datetime | None = None) -> Checked:
    """Check an answer of the API; never raise, whatever its bytes.

    Args:
        resource: a name in :data:`~jobs.trakt.contract.resources.RESOURCES`.
        raw: the body as bytes, or a JSON value.
        single: whether the answer is one item instead of a list, such as that of /comments/{id}; None takes what is
            usual for the resource.
        now: when the answer was fetched, with a zone; later times are flagged. None flags those after 2100.

    Raises:
        KeyError: the resource is unknown.

    Example:
        >>> found = check("stats", b'{"plays": 3, "watchers": 2, "new": 1}')
        >>> found.items[0].payload, dict(found.unknown)
        (b'{"new":1,"plays":3,"watchers":2}', {'/new': 1})
        >>> [(bad.code, bad.path, bad.message) for bad in check("stats", b'{"plays": -1, "watchers": 2}').bad]
        [('NUMBER_RANGE', '/plays', '/plays is -1; expected at least 0')]
    """
    made = RESOURCES[resource]
    is_single = not made.many if single is None else single
    checked = Checked(resource)
    try:
        body = bytes(raw) if isinstance(raw, bytes | bytearray | memoryview) else _serialized(raw)
        answer = parse(body)
        checked.notes = answer.notes
        items = _items(answer.value, is_single=is_single)
    except Unreadable as error:
        start = body[:RAW_CHARS] if isinstance(raw, bytes | bytearray | memoryview) else repr(type(raw)).encode()
        checked.failure = BadItem(
            None, error.code, ITEM, error.message, clean_text(start.decode(errors="replace"), RAW_CHARS)
        )
        return checked
    _Check(made, checked, now, needs_repair=answer.may_need_repair).all(items)
    return checked


def trakt_rating(item: dict[str, Any]) -> dict[str, Any]:
    """Return the site's own rating of a valid item: all of it, or the part under ``trakt`` (extended=all)."""
    own: dict[str, Any] = item.get("trakt", item)
    return own


def _items(value: Any, *, is_single: bool) -> list[Any]:
    if is_single and isinstance(value, list):
        raise Unreadable("NOT_AN_OBJECT", f"the answer is {shown(value)}; expected an object")
    if not (is_single or isinstance(value, list)):
        raise Unreadable("NOT_A_LIST", f"the answer is {shown(value)}; expected a list")
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise Unreadable("TOO_LARGE", f"the answer has {len(value):,} items; expected at most {MAX_ITEMS:,}")
    return [value] if is_single else value


def _serialized(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except RecursionError as error:
        message = f"the value is nested too deeply; expected at most {MAX_DEPTH} levels"
        raise Unreadable("TOO_DEEP", message) from error
    except (TypeError, ValueError) as error:
        raise Unreadable("NOT_JSON", f"the value is not JSON: {clean_text(str(error), 200)}") from error


@functools.cache
def _validators(resource: str) -> tuple[Draft202012Validator, Draft202012Validator]:
    """Return the validator of one item, and that of a list whose items have no unknown field."""
    # mask: a message would copy a text of megabytes; ours are made from the item.
    schema, closed = document(resource), document(resource, closed=True)
    page = {"$defs": closed.pop("$defs"), "type": "array", "items": closed}
    del closed["$schema"]
    return (
        Draft202012Validator(schema, validate_formats=True, mask="…"),
        Draft202012Validator(page, validate_formats=True, mask="…"),
    )


class _Check:
    """The check of one answer's items."""

    def __init__(self, resource: Resource, checked: Checked, now: datetime | None, *, needs_repair: bool) -> None:
        self._resource = resource
        self._checked = checked
        self._needs_repair = needs_repair
        self._item, self._page = _validators(resource.name)
        self._times = [
            field.name for field in OBJECTS[resource.object] if field.kind == "time" and field.name in _FLAGGED_TIMES
        ]
        self._latest = _DEFAULT_LATEST if now is None else f"{(now.astimezone(UTC) + _TOLERANCE).isoformat()[:19]}Z"

    def all(self, items: list[Any]) -> None:
        """Check all items: at once if they are as usual, otherwise one by one."""
        are_usual = self._is_usual(items)
        for index, item in enumerate(items):
            if not (are_usual or self._is_usual([item])) or not self._accept_usual(index, item):
                self._one(index, item)

    def _is_usual(self, items: list[Any]) -> bool:
        """Return whether all items are valid, with known fields only and no text to repair."""
        try:
            return not self._needs_repair and self._page.is_valid(items)
        except ValueError:
            # A limit of the validator's recursion.
            return False

    def _accept_usual(self, index: int, item: Any) -> bool:
        # A nullable number that is NaN or infinite passes the validator as null.
        payload = _payload(item)
        if payload is None or len(payload) > MAX_ITEM_BYTES:
            return False
        self._accept(index, item, payload, ())
        return True

    def _one(self, index: int, item: Any) -> None:
        if not isinstance(item, dict):
            self._refuse(index, item, "NOT_AN_OBJECT", ITEM, f"the item is {shown(item)}; expected an object")
            return
        if depth_exceeded(item):
            message = f"the item is nested too deeply; expected at most {MAX_DEPTH} levels"
            self._refuse(index, item, "TOO_DEEP", ITEM, message)
            return
        found: Counter[str] = Counter()
        if self._needs_repair:
            item = repair(item, lambda code: found.update((code,)))
        if (payload := _payload(item)) is None:
            path = pointer(next(_not_finite(item), ()))
            message = f"{path} is a number that is not finite or cannot be kept exactly; expected a 64-bit number"
            self._refuse(index, item, "NUMBER_RANGE", path, message)
            return
        if wrong := first_problem(self._item, self._resource, item):
            self._refuse(index, item, *wrong)
            return
        if len(payload) > MAX_ITEM_BYTES:
            message = f"the item has {len(payload):,} bytes; expected at most {MAX_ITEM_BYTES:,}"
            self._refuse(index, item, "ITEM_TOO_LARGE", ITEM, message)
            return
        notes = self._checked.notes
        for code, times in found.items():
            notes[code, ITEM] += times
        wrapped = self._resource.wrapped if self._resource.wrapped and is_wrapped(item) else None
        if wrapped and item["type"] not in SUBJECTS:
            found["UNKNOWN_TYPE"] += 1
            notes["UNKNOWN_TYPE", "/type"] += 1
        for path in unknown_fields(item, wrapped or self._resource.object):
            unknown = self._checked.unknown
            unknown[path if path in unknown or len(unknown) < _MAX_PATHS else _OTHER_PATHS] += 1
        self._accept(index, item, payload, found)

    def _accept(self, index: int, item: dict[str, Any], payload: bytes, found: Any) -> None:
        """Add an item, and flag its times."""
        inner = item.get("comment") if self._resource.wrapped else None
        dated, prefix = (inner, "/comment/") if isinstance(inner, dict) else (item, "/")
        flags = set(found)
        for name in self._times:
            value = dated.get(name)
            if value is not None and not _EARLIEST <= _in_utc(value) <= self._latest:
                flags.add("TIME_OUT_OF_RANGE")
                self._checked.notes["TIME_OUT_OF_RANGE", prefix + name] += 1
        self._checked.items.append(Item(index, item, payload, tuple(sorted(flags)) if flags else ()))

    def _refuse(self, index: int, item: Any, code: str, path: str, message: str) -> None:
        self._checked.bad.append(BadItem(index, code, path, clean_text(message), _raw(item)))


def _payload(item: Any) -> bytes | None:
    """Return an item as it is stored, or None if it has a number that JSON cannot express."""
    try:
        return _ENCODE(item).encode()
    except ValueError:
        return None


def _not_finite(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of numbers that are NaN or infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(member, (*path, key))


def _in_utc(time: str) -> str:
    """Return a valid time in UTC, in a form that sorts as text; Python reads at most six digits of a fraction."""
    if time.endswith("Z"):
        return time
    sign, offset = time[-6], time[-5:]
    shift = timedelta(hours=int(offset[:2]), minutes=int(offset[3:]))
    local = datetime.fromisoformat(time[:19]).replace(tzinfo=UTC)
    return (local - shift if sign == "+" else local + shift).isoformat()[:19]


def _raw(item: Any) -> str:
    """Return the beginning of an item as ASCII JSON, in which half a surrogate pair and NUL are escapes."""
    try:
        return json.dumps(item)[:RAW_CHARS]
    except RecursionError:
        return ""
