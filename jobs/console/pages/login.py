"""`/login` and `/logout`: exchange a token for a browser session, and end it."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from jobs.console.access import sessions, tokens
from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.access.limit import Limit
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables import audit
from jobs.console.web.state import console

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)
# A path on this host: browsers treat `//host` and `/\host` as other hosts.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_limit = Limit(per_peer=10, all_peers=100, seconds=60)


def _target(text: str) -> str:
    return text if len(text) <= 2_000 and _LOCAL.fullmatch(text) else "/"  # noqa: PLR2004 - a URL's usual limit


@router.get("/login")
@allow(Role.PUBLIC)
def form(request: Request, next: str = "/", failed: str = "") -> Response:  # noqa: A002 - name in the URL
    """Show the form, which exists in mode token only."""
    if console(request).access.mode != "token":
        return RedirectResponse("/", 303)
    return console(request).pages.render(request, "login.html.j2", target=_target(next), failed=bool(failed))


@router.post("/login")
@allow(Role.PUBLIC)
def login(
    request: Request,
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/",  # noqa: A002 - name in the form
) -> Response:
    """Start a session, or show the form again."""
    state = console(request)
    if state.access.mode != "token":
        raise Refused(404, "this console has no login")
    wait = _limit.wait(request.client.host if request.client else "")
    if wait:
        state.metrics.login("limited")
        raise Refused(
            429, f"too many logins; try again in {wait} s", code="too_many_logins", headers={"Retry-After": str(wait)}
        )
    target = _target(next)
    with state.database.write() as database:
        found = tokens.find(database, token.strip())
        if found is not None:
            cookie = sessions.start(database, found[0])
            audit.record(database, found[1], "login", found[1].name)
    if found is None:
        state.metrics.login("refused")
        return RedirectResponse(f"/login?{urlencode({'next': target, 'failed': '1'})}", 303)
    state.metrics.login("accepted")
    response = RedirectResponse(target, 303)
    # The server ends idle sessions; the cookie ends when the browser closes.
    response.set_cookie(sessions.COOKIE, cookie, path="/", secure=True, httponly=True, samesite="lax")
    return response


@router.post("/logout")
@allow(Role.VIEWER)
def logout(request: Request) -> Response:
    """End the session on the server."""
    state = console(request)
    cookie = request.cookies.get(sessions.COOKIE)
    if state.access.mode == "token" and cookie:
        with state.database.write() as database:
            sessions.end(database, cookie)
            audit.record(database, request.state.principal, "logout", request.state.principal.name)
    response = RedirectResponse("/login" if state.access.mode == "token" else "/", 303)
    response.delete_cookie(sessions.COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
