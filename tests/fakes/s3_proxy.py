"""A proxy before a real S3 server that answers otherwise where a test tells it to.

with S3Proxy(s3_server.endpoint_url) as proxy:
    proxy.rule(lambda seen: seen.method == "GET" and "bad.tar" in seen.path, error(503, "SlowDown"))
    proxy.rule(is_put, hook=lambda seen: ..., times=1)   # runs before the request is forwarded
    proxy.clear()                                        # the server is healthy again
"""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.fakes.s3_faults import FaultyS3, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.s3_faults import Seen

__all__ = ["S3Proxy"]

_OF_A_CONNECTION = ("connection", "transfer-encoding", "content-length", "keep-alive", "expect", "server", "date")


@dataclass
class _Rule:
    holds: Callable[[Seen], object]
    reply: Reply | None
    cut: int | None
    hook: Callable[[Seen], object] | None
    left: float


class S3Proxy(FaultyS3):
    """Passes requests on to a server.

    Args:
        endpoint_url: the server's.
    """

    def __init__(self, endpoint_url: str) -> None:
        super().__init__()
        # Headers that do not reach the server, in lower case: one that knows no If-Match, for example.
        self.ignored = {"connection", "expect"}
        self._behind = urlsplit(endpoint_url)
        self._rules: list[_Rule] = []
        self._rules_lock = threading.Lock()
        self.default = self._pass

    def rule(
        self,
        holds: Callable[[Seen], object],
        reply: Reply | None = None,
        *,
        cut: int | None = None,
        hook: Callable[[Seen], object] | None = None,
        times: float = float("inf"),
    ) -> None:
        """Do otherwise for some requests; the first rule that holds counts.

        Args:
            holds: for which.
            reply: given instead of the server's; None passes the request on.
            cut: so many bytes of the server's own body are sent, then the connection is closed.
            hook: called before.
            times: for so many requests.
        """
        with self._rules_lock:
            self._rules.append(_Rule(holds, reply, cut, hook, times))

    def clear(self) -> None:
        """Be well again."""
        with self._rules_lock:
            self._rules.clear()

    def _pass(self, seen: Seen) -> Reply:
        rule = self._find(seen)
        if rule is not None and rule.hook is not None:
            rule.hook(seen)
        if rule is not None and rule.reply is not None:
            return rule.reply
        answer = self._ask(seen)
        return answer if rule is None or rule.cut is None else replace(answer, cut=min(rule.cut, len(answer.body)))

    def _find(self, seen: Seen) -> _Rule | None:
        with self._rules_lock:
            for rule in self._rules:
                if rule.left > 0 and rule.holds(seen):
                    rule.left -= 1
                    return rule
        return None

    def _ask(self, seen: Seen) -> Reply:
        connection = http.client.HTTPConnection(self._behind.hostname or "", self._behind.port, timeout=30)
        try:
            headers = {name: value for name, value in seen.headers.items() if name not in self.ignored}
            connection.request(seen.method, seen.path, seen.body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_CONNECTION}
            body = answer.read()
            if seen.method == "HEAD":
                body = bytes(int(answer.headers.get("content-length") or 0))
            return Reply(answer.status, body, kept)
        finally:
            connection.close()
