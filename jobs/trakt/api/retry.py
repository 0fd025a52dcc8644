"""The retry policy: what an answer, or the lack of one, means for its request, for others and for the run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from jobs.trakt.api.answer import http_time

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EDGE_S",
    "LONGEST_S",
    "STOPS",
    "Verdict",
    "is_from_api",
    "judge",
    "judge_failure",
    "longest_waits",
    "wait_demanded",
]

EDGE_S: Final = 300.0
"""Seconds that all requests wait after the edge has refused one: each further request makes a ban longer."""
LONGEST_S: Final = 900.0
"""The longest wait, in seconds. A longer one that the API demands ends the run; the schedule starts the next."""
STOPS: Final[Mapping[int, str]] = {
    401: "UNAUTHORIZED",
    403: "KEY_REFUSED",
    420: "ACCOUNT_LIMIT",
    423: "ACCOUNT_LOCKED",
    426: "VIP_ONLY",
}
"""Status -> code of a refusal that no retry fixes."""

_LONGEST_BACKOFF_S: Final = 60.0
# The API's documentation asks for 30 s after 502, 503 and 504, with the default backoff of 1 s.
_OVERLOAD: Final = 30.0
_OVERLOADED: Final = frozenset({502, 503, 504, *range(520, 531)})
_JITTER_S: Final = 10.0
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_OK, _NOT_FOUND, _FORBIDDEN, _TOO_MANY = 200, 404, 403, 429
# The first status of each class.
_REDIRECTED, _CLIENT, _SERVER = 300, 400, 500
_SLOW: Final = frozenset({408, 425})

Action = Literal["accept", "retry", "fail", "stop"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about an answer.

    Attributes:
        action: accept it; retry after ``wait_s``; let the request fail; or stop the run.
        code: a code of :data:`jobs.trakt.errors.PAGE_CODES`; for ``stop``, that of the error; empty for ``accept``.
        wait_s: seconds before the next attempt, from 0 to :data:`LONGEST_S`, never less than the API demands.
        everyone: why all requests with the key wait: ``pause`` after a 429 by the API, ``ban`` by the edge; or empty.
    """

    action: Action
    code: str = ""
    wait_s: float = 0.0
    everyone: Literal["", "pause", "ban"] = ""


def judge(
    status: int,
    headers: Mapping[str, str],
    start: bytes,
    *,
    attempt: int,
    backoff_s: float,
    now: datetime,
    draw: float,
) -> Verdict:
    """Return what to do with an answer; a pure function.

    Args:
        status: HTTP status.
        headers: by name in lower case.
        start: the beginning of the body; 4 KiB are enough.
        attempt: from 1.
        backoff_s: wait before the first retry.
        now: this machine's time, for an answer without a Date.
        draw: a random number of at least 0 and less than 1, for the jitter.
    """
    backoff = _backoff(attempt, backoff_s, draw)
    proven = is_from_api(headers, start)
    if (status == _OK and _looks_like_json(start)) or (status == _NOT_FOUND and proven):
        return Verdict("accept")
    if (status == _FORBIDDEN and not proven) or (status == _TOO_MANY and _is_edge_limit(headers, start, proven=proven)):
        return _ban(headers, now, draw)
    if status in STOPS:
        return Verdict("stop", STOPS[status])
    if status == _TOO_MANY:
        return _limited(wait_demanded(headers, now), backoff, draw)
    if status >= _SERVER or status in _SLOW:
        overload = min(_OVERLOAD * backoff_s * (1 + draw / 4), _LONGEST_BACKOFF_S) if status in _OVERLOADED else 0.0
        return _failed(status, wait_demanded(headers, now), max(backoff, overload), draw)
    return _refused(status, backoff, proven=proven)


def _limited(demanded: float | None, backoff: float, draw: float) -> Verdict:
    if demanded is not None and demanded > LONGEST_S:
        return Verdict("stop", "RATE_LIMITED", LONGEST_S, "pause")
    return Verdict("retry", "RATE_LIMITED", _jittered(demanded, backoff, draw), "pause")


def _failed(status: int, demanded: float | None, backoff: float, draw: float) -> Verdict:
    code = "OVERLOADED" if status in _OVERLOADED else "TIMEOUT" if status in _SLOW else "SERVER_ERROR"
    if demanded is not None and demanded > LONGEST_S:
        return Verdict("fail", code)
    return Verdict("retry", code, _jittered(demanded, backoff, draw))


def _refused(status: int, backoff: float, *, proven: bool) -> Verdict:
    if status < _REDIRECTED:
        return Verdict("retry", "NOT_JSON", backoff)
    if status < _CLIENT:
        return Verdict("fail", "REDIRECTED")
    return Verdict("fail", "REQUEST_REFUSED") if proven else Verdict("retry", "EDGE_ANSWER", backoff)


def judge_failure(code: str, *, attempt: int, backoff_s: float, draw: float) -> Verdict:
    """Return what to do with a request that got no complete answer.

    Args:
        code: such as TIMEOUT or BODY_INCOMPLETE; TOO_LARGE is not retried.
        attempt: from 1.
        backoff_s: wait before the first retry.
        draw: as for :func:`judge`.
    """
    if code == "TOO_LARGE":
        return Verdict("fail", code)
    return Verdict("retry", code, _backoff(attempt, backoff_s, draw))


def _backoff(attempt: int, backoff_s: float, draw: float) -> float:
    """Return an exponential backoff; half of it is jitter, so that requests that failed together spread out."""
    return min(backoff_s * 2.0 ** min(attempt - 1, 16), _LONGEST_BACKOFF_S) * (0.5 + draw / 2)


def longest_waits(code: str, *, retries: int, backoff_s: float) -> float:
    """Return the longest sum of a request's waits in seconds, if each attempt fails in the same way.

    Args:
        code: code of the failure, which must not be one that the API or the edge demands a wait for.
        retries: how often the request is sent again.
        backoff_s: wait before the first retry.
    """
    first = backoff_s * _OVERLOAD if code == "OVERLOADED" else backoff_s
    return sum(_backoff(attempt, first, 1.0) for attempt in range(1, retries + 1))


def is_from_api(headers: Mapping[str, str], start: bytes) -> bool:
    """Return whether the answer comes from the API itself, not from the edge in front of it.

    Neither HTML nor ``server: cloudflare`` proves the edge: 404 and 405 of the API have both. An x-request-id or
    x-runtime proves the API, and so does JSON, except the edge's own problem documents.
    """
    if "x-request-id" in headers or "x-runtime" in headers:
        return True
    return _looks_like_json(start) and not _is_problem(headers, start)


def wait_demanded(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wait in seconds that an answer demands; None if there is none, or it cannot be parsed.

    Retry-After (RFC 9110, section 10.2.3) is in seconds or a date. A date counts from the answer's own Date, since this
    machine's clock may be wrong. Without Retry-After, ``until`` of X-Ratelimit is read in the same way.

    Args:
        headers: by name in lower case.
        now: this machine's time, for an answer without a Date.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = http_time(text) or _until(headers.get("x-ratelimit", ""))
    if until is None:
        return None
    return max((until - (http_time(headers.get("date")) or now)).total_seconds(), 0.0)


def _until(text: str) -> datetime | None:
    try:
        found = json.loads(text)["until"]
        moment = datetime.fromisoformat(found)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return None


def _ban(headers: Mapping[str, str], now: datetime, draw: float) -> Verdict:
    demanded = max(wait_demanded(headers, now) or 0.0, EDGE_S)
    if demanded > LONGEST_S:
        return Verdict("stop", "EDGE_BLOCKED", LONGEST_S, "ban")
    return Verdict("retry", "EDGE_LIMIT", _jittered(demanded, 0.0, draw), "ban")


def _jittered(demanded: float | None, backoff: float, draw: float) -> float:
    """Return at least the demanded wait, plus jitter, but at most :data:`LONGEST_S`."""
    if demanded is None:
        return backoff
    return min(max(demanded + draw * min(1.0 + demanded / 10, _JITTER_S), backoff), LONGEST_S)


def _is_edge_limit(headers: Mapping[str, str], start: bytes, *, proven: bool) -> bool:
    if proven or "x-ratelimit" in headers:
        return False
    return (
        "html" in headers.get("content-type", "").lower() or start.lstrip()[:1] == b"<" or _is_problem(headers, start)
    )


def _is_problem(headers: Mapping[str, str], start: bytes) -> bool:
    """Return whether the body is the edge's problem document (RFC 9457), which it sends to clients that accept JSON."""
    return "problem+json" in headers.get("content-type", "").lower() or b'"cloudflare_error"' in start


def _looks_like_json(start: bytes) -> bool:
    return start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"[")
