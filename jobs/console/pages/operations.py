"""Probes, metrics and static files."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.web.metrics import CONTENT_TYPE
from jobs.console.web.state import console
from shared.errors import TelecineError

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)


@router.get("/healthz")
@allow(Role.PUBLIC)
async def healthz() -> Response:
    """Answer 200 while the process serves requests; a lost database is not a reason to restart."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
@allow(Role.PUBLIC)
def readyz(request: Request) -> Response:
    """Answer 200 if the database is reachable and migrated, else 503 with an error code."""
    state = console(request)
    try:
        with state.database.read() as database:
            database.rows("SELECT FROM console.tokens LIMIT 1")
    except TelecineError as error:
        state.metrics.database(up=False)
        return JSONResponse({"status": "unavailable", "code": error.code}, 503)
    state.metrics.database(up=True)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
@allow(Role.PUBLIC)
def metrics(request: Request) -> Response:
    """Return the metrics of this process; they contain no names, keys or users."""
    state = console(request)
    state.gauges.refresh()
    return Response(state.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/static/{digest}/{name:path}")
@allow(Role.PUBLIC)
async def static(request: Request, digest: str, name: str) -> Response:
    """Return a static file."""
    return console(request).assets.response(digest, name)
