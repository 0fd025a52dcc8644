"""Identify the user of a request: the local user, or by a proxy's headers or a token."""

from __future__ import annotations

import getpass
import ipaddress
from typing import TYPE_CHECKING, Final

from jobs.console.access import sessions, tokens
from jobs.console.errors import Refused
from jobs.console.model import Principal, Role

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.requests import HTTPConnection

    from jobs.console.settings import ConsoleSettings
    from jobs.console.tables.database import Database

__all__ = ["Access"]

# A proxy may send arbitrary text; names are shown, logged and stored.
_MOST_CHARS: Final = 128


class Access:
    """Authentication in the configured mode.

    Args:
        settings: the console's settings.
        database: stores tokens and sessions.
    """

    def __init__(self, settings: ConsoleSettings, database: Database) -> None:
        self.settings = settings
        self.mode = settings.mode
        self.database = database
        self._proxies = [ipaddress.ip_network(each) for each in settings.trusted_proxies]
        self._local = Principal(_user(), Role[settings.local_role.upper()], "local")

    def principal(self, request: Request) -> Principal | None:
        """Return the user of a request, or None; may query the database.

        Raises:
            Refused: the proxy names a user whose groups give no role (403).
        """
        if self.mode == "local":
            return self._local
        if self.mode == "proxy":
            return self._of_proxy(request)
        return self._of_token(request)

    def _of_proxy(self, request: Request) -> Principal | None:
        if request.client is None or not self._is_trusted(request.client.host):
            return None
        names = request.headers.getlist(self.settings.user_header)
        # Of two headers, one came from the client: the proxy did not strip it.
        name = _text(names[0]).strip() if len(names) == 1 else ""
        if not _is_name(name):
            return None
        lists = request.headers.getlist(self.settings.groups_header)
        if len(lists) > 1:
            return None
        groups = {group.strip() for group in _text(",".join(lists)).split(",") if group.strip()}
        role = self._role(groups)
        if role is None:
            # Not 401: logging in again changes nothing.
            raise Refused(
                403,
                f"the user {name} has no group that may view pages; ask an administrator of the console for one",
                code="role_missing",
            )
        return Principal(name, role, "proxy")

    def peer(self, request: HTTPConnection) -> str:
        """Return the client's address, by which logins are limited.

        Behind a trusted proxy in mode ``token``, this is the last address in ``X-Forwarded-For`` that is not a trusted
        proxy. A client can forge only the addresses before it.
        """
        host = request.client.host if request.client else ""
        if self.mode != "token" or not self._is_trusted(host):
            return host
        hops = [hop.strip() for hop in ",".join(request.headers.getlist("x-forwarded-for")).split(",")]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return host
            if not self._is_trusted(hop):
                return str(address)
        return host

    def _is_trusted(self, host: str) -> bool:
        peer = _address(host)
        return peer is not None and any(peer in network for network in self._proxies)

    def _role(self, groups: set[str]) -> Role | None:
        if groups & set(self.settings.reviewer_groups):
            return Role.REVIEWER
        if groups & set(self.settings.uploader_groups):
            return Role.UPLOADER
        if not self.settings.viewer_groups or groups & set(self.settings.viewer_groups):
            return Role.VIEWER
        return None

    def _of_token(self, request: Request) -> Principal | None:
        headers = request.headers.getlist("authorization")
        scheme, _, text = (headers[0] if headers else "").partition(" ")
        if len(headers) > 1 or scheme.lower() == "bearer":
            # Never fall back to the cookie: the origin of a request with a bearer token is not checked.
            if len(headers) > 1 or not text.strip():
                return None
            with self.database.write() as session:
                found = tokens.find(session, text.strip())
            return None if found is None else found[1]
        cookie = request.cookies.get(sessions.COOKIE)
        if not cookie:
            return None
        with self.database.write() as session:
            return sessions.find(session, cookie, self.settings.session_hours)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # A dual-stack socket reports IPv4 peers as ::ffff:10.0.0.1.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _text(header: str) -> str:
    """Decode a header as UTF-8, as proxies encode it; ASGI servers decode headers as Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MOST_CHARS and text.isprintable()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # The uid has no entry in /etc/passwd, as in a container.
        return "local"
