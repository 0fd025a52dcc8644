"""Probes, metrics and static files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.viewership.waiting import queue
from jobs.console.web.metrics import CONTENT_TYPE
from jobs.console.web.state import console
from shared.errors import TelecineError

if TYPE_CHECKING:
    from jobs.console.web.state import Console

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
    _measure(state)
    return Response(state.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/static/{digest}/{name:path}")
@allow(Role.PUBLIC)
async def static(request: Request, digest: str, name: str) -> Response:
    """Return a static file."""
    return console(request).assets.response(digest, name)


def _measure(state: Console) -> None:
    """Set the gauges of the review queue from its copy, at most every 30 s; without a database, they stay."""
    if not state.metrics.is_due():
        return
    try:
        with state.database.read() as database:
            found = queue(database)
    except TelecineError:
        return
    state.metrics.queue(found.keys, float(found.hours))
