"""`/uploads/{upload_id}/retract` and `/reprocess`: remove the rows of an upload, or match them again."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.launch.requests import request as request_run
from jobs.console.model import Role
from jobs.console.pages.viewership.confirm import Fields, confirmation, held, said, shown, started
from jobs.console.tables.viewership import uploads
from jobs.console.tables.viewership.fates import FATES, fates, final, totals
from jobs.console.web.state import console
from shared.text import clean_text

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

_WAITING: Final = ("held", "review", "unmatched")
_REASON_CHARS: Final = 1_000


@router.get("/uploads/{upload_id:number}/retract")
@allow(Role.UPLOADER)
def confirm_retract(request: Request, upload_id: int) -> HTMLResponse:
    """Show what retracting an upload removes."""
    with console(request).database.read() as database:
        upload, requested = shown(database, upload_id, uploads.ACTIVE, "be retracted")
        removed = final(database, [upload_id])
    notes = ["The raw file and its rows are kept. You can upload the same file again."]
    if upload.replaces:
        numbers = ", ".join(map(str, upload.replaces))
        notes.append(f"Uploads that it replaced are not restored: {numbers}.")
    return confirmation(
        request,
        upload,
        requested,
        title=f"Retract upload {upload_id}",
        effect=(f"{said(removed)} are removed from the final table. Rows of this upload also leave the review queue."),
        figures=[("final rows removed", removed)],
        notes=notes,
        button="Retract",
        asks_reason=True,
    )


@router.post("/uploads/{upload_id:number}/retract")
@allow(Role.UPLOADER)
def retract(request: Request, upload_id: int, fields: Fields) -> Response:
    """Start the run that retracts an upload."""
    reason = fields.get("reason", "").strip()
    if not reason:
        raise Refused(422, "reason is empty; expected why the upload is retracted", code="reason_missing")
    if len(reason) > _REASON_CHARS:
        raise Refused(
            422, f"reason has {len(reason):,} characters; expected at most {_REASON_CHARS:,}", code="reason_too_long"
        )
    with console(request).database.write() as database:
        held(database, upload_id, uploads.ACTIVE, "be retracted", fields)
        launch = request_run(
            database,
            request.state.principal,
            step="retract",
            upload_id=upload_id,
            parameters={"reason": clean_text(reason, _REASON_CHARS)},
        )
    return started(request, upload_id, launch)


@router.get("/uploads/{upload_id:number}/reprocess")
@allow(Role.UPLOADER)
def confirm_reprocess(request: Request, upload_id: int) -> HTMLResponse:
    """Show the rows that matching an upload again may change."""
    with console(request).database.read() as database:
        upload, requested = shown(database, upload_id, uploads.MATCHED, "be matched again")
        parts = fates(database, upload).parts
    waiting = totals([parts[name] for name in _WAITING])
    return confirmation(
        request,
        upload,
        requested,
        title=f"Reprocess upload {upload_id}",
        effect=(
            f"Keys affected by changes in the catalogue are matched again. Up to {said(waiting)} in review or unmatched"
            f" may become final. {said(parts['final'])} are final, and change only if the catalogue requires it."
        ),
        figures=[(name, parts[name]) for name in FATES if parts[name]],
        notes=["Other uploads with the same keys change, too. Decisions of reviewers are kept."],
        button="Reprocess",
    )


@router.post("/uploads/{upload_id:number}/reprocess")
@allow(Role.UPLOADER)
def reprocess(request: Request, upload_id: int, fields: Fields) -> Response:
    """Start the run that matches an upload again."""
    with console(request).database.write() as database:
        held(database, upload_id, uploads.MATCHED, "be matched again", fields)
        launch = request_run(database, request.state.principal, step="reprocess", upload_id=upload_id, parameters={})
    return started(request, upload_id, launch)
