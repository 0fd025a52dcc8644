"""`/runs/{run_id}`: one run with its stages."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.tables import ledger
from jobs.console.web.state import console

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)


@router.get("/runs/{run_id}")
@allow(Role.VIEWER)
def run(request: Request, run_id: str) -> HTMLResponse:
    """Show a run."""
    with console(request).database.read() as database:
        found = ledger.run(database, run_id)
        if found is None:
            raise Refused(404, f"there is no run '{run_id[:128]}'; the list of runs is at /runs", code="run_missing")
        stages = ledger.stages(database, run_id)
    return console(request).pages.render(request, "run.html.j2", run=found, stages=stages)
