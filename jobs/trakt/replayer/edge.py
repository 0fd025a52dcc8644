"""The edge in front of the API: its cache, and the bans that it imposes."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jobs.trakt.replayer.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from jobs.trakt.replayer.answer import Answer

__all__ = ["Bans", "Cache"]

_MAX_AGE: Final = re.compile(r"max-?age=([0-9]+)")
_BYTES: Final = 64 * 1024 * 1024
_BAN: Final = 300 * SECOND
_LONGER: Final = 10 * SECOND
_LONGEST: Final = 900 * SECOND


@dataclass(slots=True)
class _Cached:
    made: int
    state: Hashable
    answer: Answer


class Cache:
    """Answers kept for as long as their Cache-Control says, up to 64 MB of them.

    A request with ``Cache-Control: no-cache`` gets the current state. If that is the one in the cache, the body is not
    built again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Cached] = OrderedDict()
        self._bytes = 0

    def answer(self, key: Hashable, *, now: int, state: Hashable, fresh: bool, build: Callable[[], Answer]) -> Answer:
        """Return an answer from the cache, or build it.

        Args:
            key: of the request.
            now: of the site's clock.
            state: of the world; while it does not change, neither does the answer.
            fresh: whether the client refuses cached answers.
            build: computes the answer.
        """
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            if not fresh and now - kept.made < _age(kept.answer):
                return _with(kept.answer, ("Age", str((now - kept.made) // SECOND)), ("cf-cache-status", "HIT"))
            if kept.state == state:
                kept.made = now
                return _with(kept.answer, ("Age", "0"), ("cf-cache-status", "MISS"))
        answer = build()
        if answer.status != 200 or answer.fault:  # noqa: PLR2004 - only right answers are kept
            return answer
        if _shared(answer):
            # Newer servers send neither an ETag nor proof that the API itself has answered.
            answer.from_api = False
        else:
            digest = hashlib.md5(answer.body, usedforsecurity=False).hexdigest()
            answer.headers = [*answer.headers, ("ETag", f'W/"{digest}"')]
        self._keep(key, _Cached(now, state, answer))
        return _with(answer, ("Age", "0"), ("cf-cache-status", "MISS"))

    def _keep(self, key: Hashable, cached: _Cached) -> None:
        old = self._kept.pop(key, None)
        self._bytes += len(cached.answer.body) - (len(old.answer.body) if old else 0)
        self._kept[key] = cached
        while self._bytes > _BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1].answer.body)


def _age(answer: Answer) -> int:
    for name, value in answer.headers:
        if name == "Cache-Control" and (found := _MAX_AGE.search(value)):
            return int(found[1]) * SECOND
    return 0


def _shared(answer: Answer) -> bool:
    return any(name == "Cache-Control" and value.startswith("s-maxage") for name, value in answer.headers)


def _with(answer: Answer, *headers: tuple[str, str]) -> Answer:
    return replace(answer, headers=[*answer.headers, *headers])


class Bans:
    """Bans of 300 s after a number of requests; every request during a ban makes it 10 s longer, up to 900 s.

    Args:
        every: requests between two bans; 0: never.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0
        self._since = 0
        self._until = 0

    def fault(self, now: int) -> str:
        """Count a request, and return the fault that it gets; empty if it passes."""
        if not self._every:
            return ""
        if now < self._until:
            self._until = min(self._until + _LONGER, self._since + _LONGEST)
            return "403-edge"
        self._count += 1
        if self._count <= self._every:
            return ""
        self._count, self._since, self._until = 0, now, now + _BAN
        return "429-edge"
