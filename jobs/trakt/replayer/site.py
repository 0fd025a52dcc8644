"""The site: from a request to its answer, by the clock, the edge, the key, the quota and the scenario."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs.trakt.replayer.answer import Answer, html
from jobs.trakt.replayer.clock import SECOND, START, Clock, iso, parse_iso
from jobs.trakt.replayer.draw import mix
from jobs.trakt.replayer.edge import Bans, Cache
from jobs.trakt.replayer.faults import COUNTS, FAULTS, account
from jobs.trakt.replayer.journal import Entry, Journal
from jobs.trakt.replayer.quota import WINDOW, Quota
from jobs.trakt.replayer.routes import Routes
from jobs.trakt.replayer.scenarios import scenario
from jobs.trakt.replayer.tmdb import ROOT, metadata_answer
from jobs.trakt.replayer.truth import Truth
from jobs.trakt.replayer.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.trakt.replayer.scenarios import Scenario

__all__ = ["Request", "Site"]

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_MAX_FIELDS: Final = 32
_JOURNAL_PAGE: Final = 1_000
_TARGET_KEPT: Final = 300
_KEYS: Final = 1_000
_ADMIN: Final = "_replayer"
_PRIVATE: Final = ("Cache-Control", "no-store")
_TOO_MANY: Final = 429
_OK: Final = 200
_HUNDRED: Final = 100
# Half of all feeds of a drifting site come without the subject around each comment, in turn.
_BARE_EVERY: Final = 2


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived: names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


class Site:
    """A seeded site. The same requests in the same order get the same answers, unless ``speed`` lets real time in.

    Args:
        name: of the scenario.
        seed: of the world and of the faults.
        speed: virtual seconds per real second.
        quota: GETs per key in any 300 s; 0 lifts it.
        step: milliseconds that a request moves the clock.
        wall: the real clock, read only if ``speed`` is not 0.
        plan: served instead of the scenario with that name, such as the same one with a larger world.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        *,
        speed: float = 0.0,
        quota: int = 500,
        step: int = 200,
        wall: Callable[[], float] = time.monotonic,
        plan: Scenario | None = None,
    ) -> None:
        self.name = name
        self.seed = seed
        self.scenario = plan or scenario(name)
        self.clock = Clock(step=step, speed=speed, wall=wall)
        self.world = World(seed, self.scenario.habits)
        self.quota = Quota(quota)
        self.journal = Journal()
        self._routes = Routes(self.world, self.scenario)
        self._cache = Cache()
        self._bans = Bans(self.scenario.ban_every)
        self._waits: OrderedDict[str, int] = OrderedDict()
        self._faults = 0
        self._struck: tuple[int, frozenset[int]] = (-1, frozenset())
        self._feeds = 0

    def truth(self, at: int | None = None) -> Truth:
        """Return the truth at a time of the site's clock; without one, at the time of the last request."""
        return Truth(self.name, self.scenario, self.seed, self.world.now if at is None else at)

    def handle(self, request: Request) -> Answer:
        """Return the answer to a request, and record both."""
        try:
            # An absolute target is valid in a request to a proxy, and answered the same.
            url = urlsplit(request.target)
            parts = [unquote(part) for part in url.path.split("/")[1:]]
            pairs = parse_qsl(url.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            return Answer(400, b'{"error":"malformed path or query"}')
        if parts and parts[-1] == "":
            parts.pop()
        query = dict(pairs)
        if parts[:1] == [_ADMIN]:
            return self._admin(request.method, parts[1:], query)
        if parts == ["health"]:
            return _json({"status": "ok"})
        return self._recorded(request, parts, query)

    def _recorded(self, request: Request, parts: list[str], query: Mapping[str, str]) -> Answer:
        now = self.clock.tick()
        self.world.advance_to(now)
        number = self.journal.requests + 1
        key = request.headers.get("trakt-api-key", "")
        name = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:12] if key else ""
        early = now < self._waits.get(name, 0)
        admitted = False
        if parts[:1] == [ROOT]:
            # Another site, with neither the key, the quota nor the bans of Trakt.
            answer = self._faulty(number, now, metadata_answer(self.world, request.method, request.headers, parts[1:]))
        elif fault := self._bans.fault(now):
            answer = FAULTS[fault](now, Answer(_OK))
            answer.fault = fault
        elif request.method not in ("GET", "HEAD"):
            answer = html(405, "405 Method Not Allowed")
            answer.headers = [("Allow", "GET, HEAD")]
        elif not _KEY.fullmatch(key):
            answer = account(403)
        elif self.scenario.account:
            answer = replace(account(self.scenario.account), fault=str(self.scenario.account))
        elif wait := self.quota.admit(name, now):
            headers = self.quota.headers(wait, now)
            answer = Answer(_TOO_MANY, b'{"error":"rate limit exceeded"}', headers=headers)
        else:
            admitted = True
            answer = self._faulty(number, now, self._right(request, parts, query, now))
        self._note_wait(name, now, answer)
        target = request.target[:_TARGET_KEPT]
        self.journal.add(
            Entry(
                number=number,
                at=now,
                method=request.method,
                target=target,
                key=name,
                status=answer.status,
                fault=answer.fault,
                rows=answer.rows,
                bytes=len(answer.body),
                early=early,
                admitted=admitted,
            )
        )
        answer.headers = [*answer.headers, *self._marks(number, answer)]
        return answer

    def _right(self, request: Request, parts: list[str], query: Mapping[str, str], now: int) -> Answer:
        """Return what the API answers, from the edge's cache if the client lets it."""
        bare = False
        if self.scenario.drifts and len(parts) > 1 and parts[0] == "comments" and not parts[1].isdecimal():
            self._feeds += 1
            bare = self._feeds % _BARE_EVERY == 0
        away = sum(self.world.away(title) for title in self.scenario.habits.away)
        answer = self._cache.answer(
            (request.target, bare),
            now=now,
            state=(self.world.version, away),
            fresh="no-cache" in request.headers.get("cache-control", ""),
            build=lambda: self._routes.answer(parts, query, bare=bare),
        )
        tags = [value for name, value in answer.headers if name == "ETag"]
        if tags and request.headers.get("if-none-match") == tags[0]:
            return replace(answer, status=304, body=b"", rows=0)
        return answer

    def _faulty(self, number: int, now: int, right: Answer) -> Answer:
        """Return the answer after the scenario's fault, if this request gets one."""
        plan = self.scenario
        is_down = now - START < plan.down_for
        if not plan.faults or not (is_down or self._is_struck(number)):
            return right
        fault = plan.faults[self._faults % len(plan.faults)]
        if fault in COUNTS:
            if not any(name == "X-Pagination-Page" for name, _ in right.headers):
                return right
            answer = COUNTS[fault](now, right)
        elif right.status != _OK and fault.startswith("cut"):
            return right
        else:
            answer = FAULTS[fault](now, right)
        self._faults += 1
        return replace(answer, fault=fault)

    def _is_struck(self, number: int) -> bool:
        """Return whether a request gets a fault: of each hundred, exactly the scenario's share, in a seeded order.

        Drawn one by one, a share of 15 % was 24 % of the first hundred requests, and 17 % of the first thousand.
        """
        hundred, at = divmod(number, _HUNDRED)
        if hundred != self._struck[0]:
            order = sorted(range(_HUNDRED), key=lambda each: mix(self.seed + 70, hundred * _HUNDRED + each))
            self._struck = hundred, frozenset(order[: self.scenario.share])
        return at in self._struck[1]

    def _note_wait(self, name: str, now: int, answer: Answer) -> None:
        if answer.status == _TOO_MANY:
            seconds = next((value for header, value in answer.headers if header == "Retry-After"), "")
            if seconds.isdecimal():
                self._waits[name] = now + int(seconds) * SECOND
                self._waits.move_to_end(name)
                if len(self._waits) > _KEYS:
                    self._waits.popitem(last=False)

    def _marks(self, number: int, answer: Answer) -> list[tuple[str, str]]:
        """Return the headers that say who has answered."""
        bits = mix(self.seed + 71, number)
        marks = [("Server", "cloudflare"), ("cf-ray", f"{bits:016x}-ORD")]
        if answer.from_api:
            more = mix(self.seed + 72, number)
            identifier = (
                f"{bits >> 32:08x}-{bits >> 16 & 0xFFFF:04x}-4{bits & 0xFFF:03x}-8{more & 0xFFF:03x}-{more >> 16:012x}"
            )
            marks += [("x-request-id", identifier), ("x-runtime", f"0.{(more >> 8) % 90_000 + 3_000:06d}")]
        return marks

    # The replayer's own paths

    def _admin(self, method: str, parts: list[str], query: Mapping[str, str]) -> Answer:
        try:
            return self._own(method, parts, query)
        except ValueError as error:
            return Answer(400, json.dumps({"error": str(error)}).encode())

    def _own(self, method: str, parts: list[str], query: Mapping[str, str]) -> Answer:
        found: object
        match method, parts:
            case (("GET" | "HEAD"), ["health" | "status"]):
                found = self._status()
            case (("GET" | "HEAD"), ["journal"]):
                entries = self.journal.after(_whole(query, "after"), _JOURNAL_PAGE)
                found = [entry.document() for entry in entries]
            case (("GET" | "HEAD"), ["truth"]):
                found = self.truth(self._moment(query)).summary()
            case "GET", ["truth", "comments"]:
                lines = self.truth(self._moment(query)).lines()
                return Answer(_OK, kind="application/x-ndjson", headers=[_PRIVATE], from_api=False, stream=lines)
            case "POST", ["advance"]:
                self.world.advance_to(self.clock.advance(_whole(query, "seconds") * SECOND))
                found = self._status()
            case _, ["health" | "status" | "journal" | "truth" | "advance", *_]:
                return Answer(405, b'{"error":"method is not allowed here"}', headers=[("Allow", "GET, POST")])
            case _:
                return Answer(404, b'{"error":"no such path of the replayer"}')
        return _json(found)

    def _status(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "scenario": self.name,
            "seed": self.seed,
            "now": iso(self.clock.now),
            "quota": self.quota.limit,
            "comments": len(self.world.recent),
            **self.journal.summary(WINDOW),
        }

    def _moment(self, query: Mapping[str, str]) -> int | None:
        if "at" not in query:
            return None
        moment = parse_iso(query["at"])
        if not START <= moment <= self.clock.now:
            raise ValueError(f"at is not a past time; expected {iso(START)} to {iso(self.clock.now)}")
        return moment


def _whole(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "0")
    if not re.fullmatch("[0-9]{1,12}", text, re.ASCII):
        raise ValueError(f"{name} is not a number; expected 0 or more")
    return int(text)


def _json(document: object) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(_OK, body, headers=[_PRIVATE], from_api=False)
