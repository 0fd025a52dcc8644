"""Deny by default: every route declares the role it requires; without one, the app does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.routing import Router

from jobs.console.access.origin import check_origin
from jobs.console.errors import Refused
from jobs.console.model import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response

__all__ = ["GuardedRoute", "allow", "check_routes", "role_of"]

_F = TypeVar("_F", bound="Callable[..., Any]")


def allow(role: Role) -> Callable[[_F], _F]:
    """Declare the role that a route requires; place it directly above the function, below ``@router.get``."""

    def declare(endpoint: _F) -> _F:
        endpoint.__dict__["role"] = role
        return endpoint

    return declare


def role_of(endpoint: Callable[..., Any]) -> Role:
    """Return the role that an endpoint declares.

    Raises:
        TypeError: it declares none.
    """
    role = getattr(endpoint, "role", None)
    if not isinstance(role, Role):
        raise TypeError(f"{endpoint.__module__}.{endpoint.__qualname__} declares no role; add @allow(Role.…)")
    return role


def check_routes(router: Router) -> None:
    """Check that every route, also in included routers, declares its role.

    Args:
        router: the app's router.

    Raises:
        TypeError: a route declares no role or is not guarded: a mounted app, a WebSocket or another class.
    """
    # FastAPI keeps low-priority routes in a separate list.
    for route in (*router.routes, *getattr(router, "_low_priority_routes", ())):
        included = getattr(route, "original_router", None)
        if isinstance(included, Router):
            check_routes(included)
        elif isinstance(route, GuardedRoute):
            role_of(route.endpoint)
        else:
            where = getattr(route, "path", None) or type(route).__name__
            raise TypeError(f"the route {where} is not guarded; its router needs route_class=GuardedRoute")


class GuardedRoute(APIRoute):
    """A route that admits a request only if its user has the declared role."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that authenticates the user first.

        Raises:
            TypeError: the endpoint declares no role.
        """
        handle = super().get_route_handler()
        needed = role_of(self.endpoint)

        async def guarded(request: Request) -> Response:
            console = request.app.state.console
            if needed is Role.PUBLIC:
                check_origin(request, console.settings, bearer=False)
                return await handle(request)
            access = console.access
            principal = await run_in_threadpool(access.principal, request)
            if principal is None:
                return _anonymous(request)
            if not principal.role.includes(needed):
                raise Refused(
                    403,
                    f"this needs the role {needed.word}; {principal.name} has {principal.role.word}. Ask an"
                    " administrator of the console for it",
                    code="role_missing",
                )
            check_origin(request, console.settings, bearer=principal.method == "bearer")
            request.state.principal = principal
            return await handle(request)

        return guarded


def _anonymous(request: Request) -> Response:
    """Redirect a browser to the login form; reject everything else."""
    mode = request.app.state.console.access.mode
    is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if mode == "token" and is_page and "authorization" not in request.headers:
        # The raw path: quoting the decoded one could change it.
        raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
        target = raw.decode("ascii") + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)
    expected = {
        "token": "log in at /login, or send the header Authorization: Bearer TOKEN",
        "proxy": "open the console through its proxy, which authenticates you",
    }.get(mode, "open the console on the machine that serves it")
    headers = {"WWW-Authenticate": 'Bearer realm="telecine"'} if mode == "token" else {}
    raise Refused(401, f"this request has no user; {expected}", code="unauthenticated", headers=headers)
