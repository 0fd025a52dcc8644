"""Every route declares its role, and the role decides."""

from __future__ import annotations

import re

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse

from jobs.console import app as application
from jobs.console.access.guard import GuardedRoute, allow, check_routes
from jobs.console.model import Role
from tests.console_app import BROWSER, ask, settings


def page() -> PlainTextResponse:
    return PlainTextResponse("secret")


async def socket() -> None:
    return None


def guarded() -> APIRouter:
    router = APIRouter(route_class=GuardedRoute)
    router.get("/extra")(allow(Role.VIEWER)(lambda: PlainTextResponse("secret")))
    return router


def included(inner: APIRouter) -> APIRouter:
    outer = guarded()
    outer.include_router(inner, prefix="/inner")
    return outer


def unguarded() -> APIRouter:
    router = APIRouter()
    router.get("/unguarded")(allow(Role.VIEWER)(lambda: PlainTextResponse("secret")))
    return router


def with_socket() -> APIRouter:
    router = guarded()
    router.add_api_websocket_route("/socket", socket)
    return router


def with_mount() -> APIRouter:
    router = guarded()
    router.mount("/mounted", FastAPI())
    return router


@pytest.mark.parametrize("router", [unguarded, with_socket, with_mount, lambda: included(unguarded())])
def test_a_route_without_a_guard_does_not_start(router, monkeypatch):
    module = type("module", (), {"router": router()})
    monkeypatch.setattr(application, "_PAGES", (*application._PAGES, module))
    with pytest.raises(TypeError, match="is not guarded"):
        application.create(settings())


def test_a_route_without_a_role_cannot_even_be_declared():
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="declares no role"):
        router.get("/page")(page)


def test_a_role_that_was_lost_is_found_at_start():
    router = guarded()
    del router.routes[0].endpoint.role
    with pytest.raises(TypeError, match="declares no role"):
        check_routes(included(router))


def test_the_guard_of_an_included_router_holds(monkeypatch):
    module = type("module", (), {"router": included(guarded())})
    monkeypatch.setattr(application, "_PAGES", (*application._PAGES, module))
    app = application.create(settings(access="proxy", trusted_proxies=("10.0.0.1",)))
    for target in ("/extra", "/inner/extra"):
        assert ask(app, target).status == 401
        assert ask(app, target, peer="10.0.0.1", headers={"x-forwarded-user": "ada"}).text == "secret"


def paths(app: FastAPI) -> set[tuple[str, str, Role]]:
    found = set()
    for router in app.routes:
        for route in router.original_router.routes:
            found |= {(method, route.path, route.endpoint.role) for method in route.methods}
    return found


def test_only_these_routes_are_public():
    app = application.create(settings())
    assert {path for _, path, role in paths(app.app) if role is Role.PUBLIC} == {
        *("/healthz", "/readyz", "/metrics", "/static/{digest}/{name:path}", "/login")
    }


def test_anonymous_users_get_401_from_every_other_route():
    app = application.create(settings(access="proxy", trusted_proxies=("10.0.0.1",)))
    known = [(method, path) for method, path, role in paths(app.app) if role is not Role.PUBLIC]
    assert ("POST", "/logout") in known
    for method, path in known:
        answer = ask(app, re.sub(r"\{[^}]*\}", "1", path), method=method, headers=BROWSER)
        assert answer.status == 401, (method, path)


def test_a_role_below_the_needed_one_is_403(monkeypatch):
    router = APIRouter(route_class=GuardedRoute)
    router.post("/decide")(allow(Role.REVIEWER)(lambda: PlainTextResponse("done")))
    monkeypatch.setattr(application, "_PAGES", (*application._PAGES, type("module", (), {"router": router})))
    app = application.create(
        settings(access="proxy", trusted_proxies=("10.0.0.1",), uploader_groups=("up",), reviewer_groups=("re",))
    )

    def decide(groups: str) -> int:
        headers = {"x-forwarded-user": "<b>ada", "x-forwarded-groups": groups, **BROWSER}
        answer = ask(app, "/decide", method="POST", peer="10.0.0.1", headers=headers)
        assert "<b>" not in answer.text
        return answer.status

    assert (decide(""), decide("up"), decide("RE"), decide("re"), decide(" x , re ")) == (403, 403, 403, 200, 200)
