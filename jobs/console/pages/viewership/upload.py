"""`/uploads/{upload_id}`: one upload with its phases, the fates of its rows, questions and requested runs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.pages.viewership.rejects import RejectsQuery, listing_of, stored
from jobs.console.tables.runs import ledger
from jobs.console.tables.runs.stage import argo_link
from jobs.console.tables.viewership import phases, uploads
from jobs.console.tables.viewership.fates import FATES, LARGE, differences, fates, lacks
from jobs.console.web.flags import LABELS
from jobs.console.web.paging import count, fetch
from jobs.console.web.state import console
from shared.report.stacked import stacked

if TYPE_CHECKING:
    from jobs.console.tables.viewership.fates import Fates
    from shared.database.session import DatabaseSession

__all__ = ["ANSWER_FLAGS", "READABLE", "answers_of", "review_url", "router"]

router = APIRouter(route_class=GuardedRoute)

_FIRST_REJECTS: Final = 10
_MEANINGS: Final = {
    "final": "in the final table",
    "held": "a deal, a channel or a value is missing; reprocess the upload once the catalogue has it",
    "review": "needs a decision",
    "unmatched": "matches no episode",
    "topline": "a total of a channel",
    "rejected": "has a value that cannot be read",
    "filtered": "a total, a header, or a row without values",
}

ANSWER_FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "platform": (),
    "format": (),
    "map": (),
    "period": (),
    "date-order": ("dmy", "mdy", "ymd"),
    "decimal-mark": (".", ","),
    "clock": ("hh:mm", "mm:ss"),
    "sheet": (),
    "encoding": (),
    "delimiter": (),
    "header-line": (),
    "round-money": ("true",),
    "domain": (),
    "max-rejected": (),
}
"""Flags of `viewership run` that say how a file is read, without dashes -> valid values; empty: any text."""

READABLE: Final = ("needs_choice", "refused")
"""Statuses of uploads of which nothing is stored, so that other choices may help."""


def answers_of(upload: Any) -> list[list[tuple[str, str | None]]]:
    """Return the answers to an upload's question, each as flags without dashes and their values.

    A user fills in a value that is None. Flags that this module does not know are left out.

    Args:
        upload: row of ``viewership.uploads``.
    """
    found = []
    for words in upload.answers if isinstance(upload.answers, list) else []:
        pairs = [(str(flag).removeprefix("--"), value) for flag, value in zip(words[::2], words[1::2], strict=False)]
        if pairs and all(flag in ANSWER_FLAGS for flag, _ in pairs):
            found.append(pairs)
    return found


def review_url(upload: Any) -> str:
    """Return the path of the review of an upload's keys."""
    return f"/review?upload={upload.upload_id}"


@router.get("/uploads/{upload_id:number}")
@allow(Role.VIEWER)
def page(request: Request, upload_id: int) -> HTMLResponse:
    """Show an upload."""
    state = console(request)
    with state.database.read() as database:
        upload, requested, values = _read(request, database, upload_id)
        listing = listing_of(upload_id)
        rejects = fetch(database, listing, RejectsQuery(limit=_FIRST_REJECTS))
        total = count(database, listing, RejectsQuery()) if rejects.rows else None
        run = ledger.run(database, upload.pipeline_run_id)
        argo = None
        if run is not None and state.settings.argo_link:
            argo = argo_link(state.settings.argo_link, run, ledger.stages(database, run.run_id))
        # A run that is going to change the fates is not slowed down by counting them.
        counted = upload.status in uploads.MATCHED and not values["is_running"]
        large = (upload.units or 0) > LARGE
        bars = _bars(fates(database, upload)) if counted and not large else None
    others = differences(upload)
    return state.pages.render(
        request,
        "viewership/upload.html.j2",
        upload=upload,
        requested=requested,
        live=values,
        has_ended=False,
        version=uploads.version(upload, requested),
        run=run,
        argo=argo,
        counted=counted,
        bars=bars,
        meanings=_MEANINGS,
        listing=listing,
        query=RejectsQuery(),
        rejects=rejects,
        rejected=total,
        answers=answers_of(upload) if upload.status == "needs_choice" else [],
        is_readable=upload.status in READABLE,
        is_unfinished=upload.status in (*uploads.UNFINISHED, "partial") and not values["is_running"],
        answer_flags=ANSWER_FLAGS,
        flag_labels=LABELS,
        chosen=uploads.flags(upload.choices),
        others=others,
        lacks=lacks(others),
        review=review_url(upload),
        is_active=upload.status in uploads.ACTIVE,
        is_matched=upload.status in uploads.MATCHED,
        may_change=request.state.principal.role.includes(Role.UPLOADER),
    )


@router.get("/uploads/{upload_id:number}/live")
@allow(Role.VIEWER)
def live(request: Request, upload_id: int) -> Response:
    """Return the part of the page that changes during a run; 304 if it has not changed."""
    with console(request).database.read() as database:
        upload, requested, values = _read(request, database, upload_id)
    headers = {"ETag": f'"{values["etag"]}"', "Cache-Control": "no-cache"}
    if f'"{values["etag"]}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = console(request).pages.fragment(
        request,
        "viewership/upload_live.html.j2",
        upload=upload,
        requested=requested,
        live=values,
        has_ended=not values["is_running"],
    )
    return HTMLResponse(body, headers=headers)


@router.get("/uploads/{upload_id:number}/fates")
@allow(Role.VIEWER)
def fates_page(request: Request, upload_id: int) -> HTMLResponse:
    """Show the fates of an upload's rows, which the page of a large upload loads after it is shown."""
    state = console(request)
    with state.database.read() as database:
        upload = stored(database, upload_id)
        bars = _bars(fates(database, upload)) if upload.status in uploads.MATCHED else None
    # htmx takes the part that it needs; without a script, the link opens this as a page.
    return state.pages.render(
        request,
        "viewership/upload_fates.html.j2",
        upload=upload,
        bars=bars,
        meanings=_MEANINGS,
        review=review_url(upload),
    )


def _read(request: Request, database: DatabaseSession, upload_id: int) -> tuple[Any, list[Any], dict[str, Any]]:
    """Return an upload, its requested runs, and the values of the polled part; equal values have equal tags."""
    upload = stored(database, upload_id)
    requested = uploads.launches(database, upload_id)
    found = phases.live(database, upload, requested)
    values: dict[str, Any] = {
        "phases": found.phases,
        "buckets": found.buckets,
        "is_running": found.is_running,
        "shares_runs": found.shares_runs,
        "etag": "",
    }
    text = console(request).pages.fragment(
        request, "viewership/upload_state.html.j2", upload=upload, requested=requested, live=values
    )
    values["etag"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return upload, requested, values


def _bars(found: Fates) -> dict[str, Any]:
    """Return the values of the reconciliation: a bar of rows, one of hours, and the sums behind them."""
    parts = found.parts
    return {
        "rows": list(zip(FATES, stacked([parts[name].rows for name in FATES]), strict=True)),
        "hours": list(zip(FATES, stacked([parts[name].hours for name in FATES]), strict=True)),
        "parts": parts,
        "codes": found.codes,
        "total": found.total,
        "file": found.file,
        "difference": found.difference,
        "rate": found.rate,
    }
