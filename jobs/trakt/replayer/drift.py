"""Comments that break or extend the contract: each kind was found in real answers or in public reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.draw import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "drifted", "kind_of", "serialized"]

_SHARE: Final = 10
# json.dumps would make an encoder for every comment.
_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ESCAPED: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_OLD: Final = ("updated_at", "language", "user_stats", "user_rating")


def _added(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "sentiment": {"label": "good", "score": 0.7}, "pinned": False}


def _oldest(document: dict[str, Any]) -> dict[str, Any]:
    user = {name: value for name, value in document["user"].items() if name != "ids"}
    return {**{name: value for name, value in document.items() if name not in _OLD}, "user": user}


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {each: value for each, value in document.items() if each != name}


def _with(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {**document, name: change(document[name])}


KINDS: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "unknown-field": _added,
    "oldest-shape": _oldest,
    "no-text": _without("comment"),
    "likes-text": _with("likes", lambda value: f"{value}x"),
    "likes-fraction": _with("likes", lambda value: value + 0.9),
    "likes-64-bit": _with("likes", lambda _: 2**63),
    "rating-11": _with("user_rating", lambda _: 11),
    "no-zone": _with("updated_at", lambda value: value.removesuffix("Z")),
    "leap-second": _with("created_at", lambda _: "2016-12-31T23:59:60.000Z"),
    "no-such-day": _with("created_at", lambda _: "2026-02-30T00:00:00.000Z"),
    "year-1": _with("created_at", lambda _: "0001-01-01T00:00:00.000Z"),
    "updated-before-created": _with("updated_at", lambda _: "2010-01-01T00:00:00.000Z"),
    "nul": _with("comment", lambda value: f"{value[:9]}\0{value[9:]}"),
    "half-surrogate": _with("comment", lambda value: f"{value}\ud83c"),
    "user-null": _with("user", lambda _: None),
    "duplicate-key": dict,
    # Feeds only: the item of a wrapped feed has no comment.
    "no-comment": dict,
}
"""Name -> what it does to a document; ``duplicate-key`` and ``no-comment`` are applied when it is written."""

_NAMES: Final = tuple(KINDS)


def kind_of(seed: int, number: int) -> str:
    """Return how a comment drifts; empty for most."""
    bits = mix(seed + 60, number)
    return _NAMES[(bits >> 8) % len(_NAMES)] if bits % 100 < _SHARE else ""


def drifted(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return a comment with a kind of drift."""
    return KINDS[kind](document)


def serialized(kind: str, document: dict[str, Any]) -> bytes:
    """Return an item, bare or wrapped, as JSON with a kind of drift, or with none."""
    if not kind:
        return _PLAIN.encode(document).encode()
    inner = document.get("comment")
    if isinstance(inner, dict):
        rest = {name: value for name, value in document.items() if name != "comment"}
        changed = rest if kind == "no-comment" else {**rest, "comment": drifted(kind, inner)}
    else:
        changed = drifted(kind, document)
    # Half a surrogate pair has no UTF-8: it can only be sent as an escape.
    text = (_ESCAPED if kind == "half-surrogate" else _PLAIN).encode(changed)
    if kind == "duplicate-key":
        text = text.replace('"spoiler":', '"likes":999999,"spoiler":', 1)
    return text.encode()
