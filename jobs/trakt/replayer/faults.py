"""Faults: each is a function of the time and of the right answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from jobs.trakt.replayer.answer import Answer, edge_page, html
from jobs.trakt.replayer.clock import SECOND, http_date, iso

__all__ = ["ACCOUNT", "COUNTS", "FAULTS", "Fault", "account"]

Fault = Callable[[int, Answer], Answer]
"""Now and the right answer -> the answer."""

_WAIT: Final = 2
_BAN: Final = 300


def _limited(now: int, *headers: tuple[str, str]) -> Answer:
    fact = {"name": "UNAUTHED_API_GET_LIMIT", "period": 300, "limit": 500, "remaining": 0}
    until = ("X-Ratelimit", json.dumps({**fact, "until": iso(now + _WAIT * SECOND)}, separators=(",", ":")))
    return Answer(429, b'{"error":"rate limit exceeded"}', headers=[*headers, until])


def _seconds(now: int, _right: Answer) -> Answer:
    return _limited(now, ("Retry-After", str(_WAIT)))


def _date(now: int, _right: Answer) -> Answer:
    return _limited(now, ("Retry-After", http_date(now + (_WAIT + 1) * SECOND)))


def _nonsense(now: int, _right: Answer) -> Answer:
    return _limited(now, ("Retry-After", "soon"))


def _absent(now: int, _right: Answer) -> Answer:
    return _limited(now)


def _edge_limit(_now: int, _right: Answer) -> Answer:
    return edge_page(429, "Access denied", ("Retry-After", str(_BAN)))


def _edge_limit_bare(_now: int, _right: Answer) -> Answer:
    return edge_page(429, "Access denied")


def _edge_refusal(_now: int, _right: Answer) -> Answer:
    return edge_page(403, "Attention Required! | Cloudflare")


def _interstitial(_now: int, _right: Answer) -> Answer:
    return edge_page(200, "Just a moment...")


def _not_found(_now: int, _right: Answer) -> Answer:
    return html(404, "404 Not Found")


def _not_found_edge(_now: int, _right: Answer) -> Answer:
    return edge_page(404, "Not Found")


def _api_error(_now: int, _right: Answer) -> Answer:
    return Answer(500, b'{"error":"internal server error"}')


def _gateway(status: int) -> Fault:
    def answer(_now: int, _right: Answer) -> Answer:
        return edge_page(status, f"api.trakt.tv | {status}")

    return answer


def _cut(_now: int, right: Answer) -> Answer:
    return replace(right, manner="cut", close=True)


def _cut_headless(_now: int, right: Answer) -> Answer:
    # A body that ends with the connection: without a Content-Length, only the JSON shows that it is cut.
    return replace(right, manner="cut-open", close=True)


def _drop(_now: int, right: Answer) -> Answer:
    return replace(right, status=0, manner="drop", close=True)


def _hang(_now: int, right: Answer) -> Answer:
    return replace(right, status=0, manner="hang", close=True)


def _empty(_now: int, right: Answer) -> Answer:
    return replace(right, body=b"", rows=0)


FAULTS: Final[Mapping[str, Fault]] = {
    "429-seconds": _seconds,
    "429-date": _date,
    "429-nonsense": _nonsense,
    "429-absent": _absent,
    "429-edge": _edge_limit,
    "429-edge-bare": _edge_limit_bare,
    "403-edge": _edge_refusal,
    "200-html": _interstitial,
    "404-html": _not_found,
    "404-edge": _not_found_edge,
    "500": _api_error,
    **{str(status): _gateway(status) for status in (502, 503, 504, 520, 521, 522)},
    "cut": _cut,
    "cut-without-length": _cut_headless,
    "drop": _drop,
    "hang": _hang,
    "empty-body": _empty,
}
"""Name -> fault."""

ACCOUNT: Final[Mapping[int, tuple[str, tuple[tuple[str, str], ...]]]] = {
    401: ("unauthorized", ()),
    403: ("invalid API key or unapproved app", ()),
    420: (
        "account limit exceeded",
        (("X-Upgrade-URL", "https://trakt.tv/vip"), ("X-VIP-User", "false"), ("X-Account-Limit", "100")),
    ),
    423: ("locked user account", (("X-Account-Locked", "true"), ("X-Account-Deactivated", "false"))),
    426: ("VIP only", (("X-Upgrade-URL", "https://trakt.tv/vip"),)),
}
"""Status -> message and headers of a refusal that no retry resolves."""


def account(status: int) -> Answer:
    """Return a refusal of the account or the key, by the API."""
    text, headers = ACCOUNT[status]
    return Answer(status, json.dumps({"error": text}).encode(), headers=list(headers))


def _set(headers: list[tuple[str, str]], name: str, change: Callable[[int], int]) -> list[tuple[str, str]]:
    return [(each, str(change(int(value))) if each == name else value) for each, value in headers]


def _items_off(_now: int, right: Answer) -> Answer:
    headers = _set(right.headers, "X-Pagination-Item-Count", lambda count: count + 1)
    return replace(right, headers=[*headers, ("x-trakt-server", "rails")])


def _items_low(_now: int, right: Answer) -> Answer:
    return replace(right, headers=_set(right.headers, "X-Pagination-Item-Count", lambda count: max(count - 3, 0)))


def _pages_high(_now: int, right: Answer) -> Answer:
    return replace(right, headers=_set(right.headers, "X-Pagination-Page-Count", lambda count: count + 1))


def _pages_low(_now: int, right: Answer) -> Answer:
    # The page itself is always counted: a count below it would contradict itself.
    here = next((int(value) for name, value in right.headers if name == "X-Pagination-Page"), 1)
    return replace(right, headers=_set(right.headers, "X-Pagination-Page-Count", lambda count: max(count - 1, here)))


def _no_headers(_now: int, right: Answer) -> Answer:
    kept = [(name, value) for name, value in right.headers if not name.startswith("X-Pagination-")]
    return replace(right, headers=kept)


COUNTS: Final[Mapping[str, Fault]] = {
    "item-count-high": _items_off,
    "item-count-low": _items_low,
    "page-count-high": _pages_high,
    "page-count-low": _pages_low,
    "no-page-headers": _no_headers,
}
"""Name -> fault that falsifies the page headers of a list; applied only if the list has them."""
