"""Forms of other sites are refused."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from jobs.console.access.limit import Limit
from jobs.console.access.origin import check_origin
from jobs.console.errors import Refused
from tests.console_app import settings

PUBLIC = "https://console.example"


def passes(headers: dict[str, str], *, public_url: str | None = PUBLIC, method: str = "POST", bearer: bool = False):
    given = {"host": "localhost:8080", **headers}
    request = Request(
        {
            "type": "http",
            "method": method,
            "path": "/login",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
    )
    chosen = settings(access="token", public_url=public_url) if public_url else settings()
    try:
        check_origin(request, chosen, bearer=bearer)
    except Refused as error:
        return (error.status, error.code) != (403, "other_origin")
    return True


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "SAME-ORIGIN"},
        {"sec-fetch-site": "cross-site", "origin": PUBLIC},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://console.example"},
        {"origin": "https://console.example:8443"},
        {"origin": "https://console.example.evil.example"},
        {"origin": "http://localhost:8080"},
        {"referer": f"{PUBLIC}/login"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_forms_from_elsewhere_are_refused(headers, method):
    assert not passes(headers, method=method)


def test_forms_of_our_pages_pass():
    assert passes({"sec-fetch-site": "same-origin"})
    assert passes({"origin": PUBLIC})
    assert passes({"origin": "HTTPS://Console.Example"})
    assert passes({"origin": "http://localhost:8080"}, public_url=None)
    assert not passes({"origin": "http://localhost:8081"}, public_url=None)


def test_safe_methods_and_bearer_tokens_pass():
    assert all(passes({"sec-fetch-site": "cross-site"}, method=method) for method in ("GET", "HEAD", "OPTIONS"))
    assert passes({}, bearer=True)


def test_a_limit_holds_per_peer_and_in_all_and_ends():
    now = [0.0]
    limit = Limit(per_peer=2, all_peers=3, seconds=60, clock=lambda: now[0])
    assert [limit.wait("a"), limit.wait("a"), limit.wait("a")] == [0, 0, 60]
    now[0] = 30.0
    assert [limit.wait("b"), limit.wait("c")] == [0, 30]
    now[0] = 59.5
    assert limit.wait("a") == 1
    now[0] = 60.0
    assert [limit.wait("a"), limit.wait("a"), limit.wait("c")] == [0, 0, 30]
