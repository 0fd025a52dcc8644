"""`/runs/{run_id}`: one run with its stages, counts, parameters and reports."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.runs.errors import RunErrorsQuery, counted, listing_of
from jobs.console.tables.runs import ledger
from jobs.console.tables.runs.stage import EXIT_CODES, argo_link, counts, report_uri, started
from jobs.console.web.paging import fetch
from jobs.console.web.state import console
from shared.errors import ObjectMissing
from shared.report.format import label, number, size
from shared.report.timeline import timeline
from shared.storage import read_uri, stat_uri
from shared.text import cut

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

_FIRST_ERRORS: Final = 10
# Counts that indicate a problem if they are not zero.
_BAD: Final = frozenset({"failed", "failed_before", "errors", "rejected", "broken_parts"})
# A report with pictures is a few megabytes.
_REPORT_BYTES: Final = 32 * 1024 * 1024
_REPORT_HEADERS: Final = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


@router.get("/runs/{run_id}")
@allow(Role.VIEWER)
def run(request: Request, run_id: str) -> HTMLResponse:
    """Show a run."""
    state = console(request)
    with state.database.read() as database:
        found, stages = _read(database, run_id)
        listing, query = listing_of(run_id), RunErrorsQuery(limit=_FIRST_ERRORS)
        failed = fetch(database, listing, query)
        facets = (
            [each for each in counted(database, listing, query)[1] if each[0].name != "stage"] if failed.rows else []
        )
    places = state.settings.report_places
    reports: dict[str, list[str]] = {}
    for row in stages:
        uri = report_uri(row, places)
        if uri is not None and row.finished_at is not None:
            # The stages of one command share its report.
            reports.setdefault(uri, []).append(row.stage)
    return state.pages.render(
        request,
        "runs/run.html.j2",
        run=found,
        live=_live(request, found, stages),
        started=started(stages),
        argo=argo_link(state.settings.argo_link, found, stages),
        listing=listing,
        query=RunErrorsQuery(),
        errors=failed,
        facets=facets,
        reports=[
            (", ".join(of), f"/runs/{quote(run_id, safe='')}/stages/{quote(of[0], safe='')}/report")
            for of in reports.values()
        ],
        manifests=[(row.stage, row.manifest_key) for row in stages if row.manifest_key],
    )


@router.get("/runs/{run_id}/live")
@allow(Role.VIEWER)
def live(request: Request, run_id: str) -> Response:
    """Return the part of the page that changes during a run; 304 if it has not changed."""
    with console(request).database.read() as database:
        found, stages = _read(database, run_id)
    body = _live(request, found, stages)
    headers = {"ETag": f'"{body["etag"]}"', "Cache-Control": "no-cache"}
    if f'"{body["etag"]}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    page = console(request).pages.fragment(request, "runs/run_live.html.j2", run=found, live=body)
    return HTMLResponse(page, headers=headers)


@router.get("/runs/{run_id}/stages/{stage}/report")
@router.get("/runs/{run_id}/stages/{stage}/report.html")
@allow(Role.VIEWER)
def report(request: Request, run_id: str, stage: str) -> Response:
    """Return the stored report of a stage, for a sandboxed frame without scripts.

    It has a second path because reports link to each other as ``../STAGE/report.html``.
    """
    settings = console(request).settings
    with console(request).database.read() as database:
        _, stages = _read(database, run_id)
    row = next((each for each in stages if each.stage == stage), None)
    uri = None if row is None else report_uri(row, settings.report_places)
    if uri is None:
        raise Refused(404, f"stage '{cut(stage, 63)}' of this run has no report here", code="report_missing")
    try:
        size = stat_uri(uri, settings).size
        body = read_uri(uri, settings) if size <= _REPORT_BYTES else b""
    except (ObjectMissing, ValueError):
        raise Refused(404, "the report was deleted or never written", code="report_missing") from None
    if max(size, len(body)) > _REPORT_BYTES:
        raise Refused(413, f"the report is {size:,} bytes long; the console shows up to {_REPORT_BYTES:,}")
    return HTMLResponse(body, headers=_REPORT_HEADERS)


def _read(database: DatabaseSession, run_id: str) -> tuple[Any, list[Any]]:
    found = ledger.run(database, run_id)
    if found is None:
        raise Refused(404, f"there is no run '{cut(run_id, 128)}'; the list of runs is at /runs", code="run_missing")
    return found, ledger.stages(database, run_id)


def _live(request: Request, run: Any, stages: list[Any]) -> dict[str, Any]:
    """Return the values of the polled part; equal values have equal tags.

    Durations of running stages end at the last heartbeat, so a tag stays valid for the ten seconds between two.
    """
    values: dict[str, Any] = {
        "stages": stages,
        "timeline": timeline([(row.started_at, row.ended_at) for row in stages]),
        "counts": [(stage, [_figure(*each) for each in found]) for stage, found in counts(stages)],
        "ends": run.status not in ("pending", "running"),
        "exit_codes": EXIT_CODES,
        "etag": "",
    }
    text = console(request).pages.fragment(request, "runs/run_state.html.j2", run=run, live=values)
    values["etag"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return values


def _figure(name: str, value: Any) -> tuple[str, str, str]:
    """Return the label, the value with its unit, and the tone of a count."""
    tone = "none" if not value else "bad" if name.rpartition(".")[2] in _BAD else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and name.rpartition(".")[2].startswith("bytes_"):
        return label(name).replace("bytes ", "data "), size(value), tone
    return label(name), number(value) if is_number else str(value), tone
