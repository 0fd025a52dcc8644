"""Users from the headers of proxies, and from nobody else's."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from jobs.console.access.modes import Access
from jobs.console.errors import Refused
from jobs.console.model import Role
from tests.console_app import settings

PROXY = {"access": "proxy", "trusted_proxies": ("10.0.0.0/24", "fd00::/64"), "reviewer_groups": ("editors",)}


def request(*headers: tuple[str, str], peer: str | None = "10.0.0.7") -> Request:
    return Request(
        {
            "type": "http",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "client": None if peer is None else (peer, 1),
        }
    )


def access(**values: object) -> Access:
    chosen = settings(**{**PROXY, **values})
    return Access(chosen, None)


USER = ("X-Forwarded-User", "ada")


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "fd00::7"])
def test_a_trusted_peer_names_the_user(peer):
    found = access().principal(request(USER, peer=peer))
    assert (found.name, found.role, found.method) == ("ada", Role.VIEWER, "proxy")


@pytest.mark.parametrize(
    "peer", ["10.0.1.7", "127.0.0.1", "::ffff:10.0.1.7", "::10.0.0.7", "fd00:0:0:1::7", "x", "", None]
)
def test_headers_of_other_peers_are_ignored(peer):
    assert access().principal(request(USER, ("X-Forwarded-For", "10.0.0.7"), peer=peer)) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Forwarded-User", "")],
        [("X-Forwarded-User", "   ")],
        [USER, USER],
        [USER, ("x-forwarded-user", "root")],
        [("X_Forwarded_User", "ada")],
        [("X-Forwarded-User", "a" * 129)],
        [("X-Forwarded-User", "ada\x1b[31m")],
        [("X-Forwarded-User", "ada\u202e")],
        [("X-Forwarded-User", "ada\u200b")],
        [USER, ("X-Forwarded-Groups", "editors"), ("X-Forwarded-Groups", "viewers")],
    ],
)
def test_missing_repeated_and_unprintable_names_are_nobody(headers):
    assert access().principal(request(*headers)) is None


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "\u00d6mer", "\u674e\u96f7", "a" * 128, "ada@example.com", "<script>"]
)
def test_names_are_utf_8(name):
    assert access().principal(request(("X-Forwarded-User", f" {name} "))).name == name


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("", Role.VIEWER),
        (",,", Role.VIEWER),
        ("Editors", Role.VIEWER),
        ("editorsx,xeditors", Role.VIEWER),
        ("a, editors ,b", Role.REVIEWER),
    ],
)
def test_groups_are_compared_whole(groups, role):
    assert access().principal(request(USER, ("X-Forwarded-Groups", groups))).role is role


def test_viewers_may_need_a_group():
    closed = access(viewer_groups=("staff",))
    for headers in ([USER], [USER, ("X-Forwarded-Groups", "")], [USER, ("X-Forwarded-Groups", "others")]):
        with pytest.raises(Refused, match="the user ada has no group that may view pages") as refused:
            closed.principal(request(*headers))
        assert (refused.value.status, refused.value.code) == (403, "role_missing")
    assert closed.principal(request()) is None
    assert closed.principal(request(USER, ("X-Forwarded-Groups", "staff"))).role is Role.VIEWER


TOKEN = {"access": "token", "public_url": "https://console.example"}


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        ("10.0.0.7", ["203.0.113.9"], "203.0.113.9"),
        # A client writes what it likes in front; the proxy adds what it sees.
        ("10.0.0.7", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.7", ["1.1.1.1", "203.0.113.9, 10.0.0.8"], "203.0.113.9"),
        ("10.0.0.7", ["10.0.0.9"], "10.0.0.7"),
        ("10.0.0.7", ["203.0.113.9, evil"], "10.0.0.7"),
        ("10.0.0.7", [], "10.0.0.7"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
    ],
)
def test_logins_are_limited_by_the_client_behind_a_trusted_proxy(peer, hops, client):
    headers = [("X-Forwarded-For", hop) for hop in hops]
    assert access(**TOKEN).peer(request(*headers, peer=peer)) == client


def test_in_other_modes_the_peer_is_the_peer():
    assert access().peer(request(("X-Forwarded-For", "203.0.113.9"))) == "10.0.0.7"
