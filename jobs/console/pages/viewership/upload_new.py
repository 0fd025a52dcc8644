"""`/uploads/new`: choose and upload a file."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.access.limit import Limit
from jobs.console.errors import Refused
from jobs.console.intake import receive as receiving
from jobs.console.model import Role
from jobs.console.tables import audit
from jobs.console.tables.viewership import files
from jobs.console.web.state import console
from shared.errors import TelecineError

if TYPE_CHECKING:
    from jobs.console.intake.receive import Received
    from jobs.console.model import Principal
    from jobs.console.tables.viewership.files import Same
    from jobs.console.web.state import Console

__all__ = ["PATH", "router"]

PATH: Final = "/uploads/new"

router = APIRouter(route_class=GuardedRoute)
_LOG: Final = logging.getLogger("telecine.console")
_WINDOW_S: Final = 600
_DRAIN_S: Final = 30.0
# Code of a refusal -> result in the metrics.
_RESULTS: Final = {"uploads_busy": "busy", "too_many_uploads": "limited"}
# A person uploads the files of a quarter one by one; each costs a copy in the store and a process.
_limit = Limit(per_peer=60, all_peers=300, seconds=_WINDOW_S)


@router.get(PATH)
@allow(Role.UPLOADER)
def form(
    request: Request,
    upload: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    file: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Show the form; with the number of an upload or file, say that it has the same bytes."""
    return console(request).pages.render(
        request,
        "viewership/upload_new.html.j2",
        same=_same(console(request), upload, file),
        most_mb=console(request).settings.max_upload_mb,
        most_bytes=console(request).settings.max_upload_bytes,
    )


@router.post(PATH)
@allow(Role.UPLOADER)
async def receive(request: Request) -> Response:
    """Store the file of the form and open its draft, or link to what the same bytes became."""
    state, principal = console(request), request.state.principal
    try:
        _check_rate(principal)
        with receiving.slot(principal.name):
            received = await receiving.receive(
                state.settings, request.headers.get("content-type", ""), request.stream()
            )
    except ClientDisconnect:
        state.metrics.upload("cut")
        # Nobody reads it; the log has the status.
        return Response(status_code=400)
    except Refused as error:
        state.metrics.upload(_RESULTS.get(error.code, "refused"))
        if error.code != "body_too_slow":
            await _drain(request)
        raise
    except TelecineError:
        state.metrics.upload("failed")
        raise
    file_id, known = await run_in_threadpool(_record, state, principal, received)
    state.metrics.upload("stored" if known is None else "same_bytes")
    if known is None:
        return RedirectResponse(f"/uploads/files/{file_id}", 303)
    name, number = ("upload", known.upload_id) if known.upload_id is not None else ("file", known.file_id)
    return RedirectResponse(f"{PATH}?{name}={number}", 303)


def _check_rate(principal: Principal) -> None:
    wait = _limit.wait(principal.name)
    if wait:
        raise Refused(
            429,
            f"too many uploads in {_WINDOW_S // 60} minutes; try again in {wait} s",
            code="too_many_uploads",
            headers={"Retry-After": str(wait)},
        )


async def _drain(request: Request) -> None:
    """Read the rest of a refused body: a browser that is still sending would show a lost connection instead of why."""
    with suppress(TimeoutError, ClientDisconnect, Refused, RuntimeError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in request.stream():
                pass


def _record(state: Console, principal: Principal, received: Received) -> tuple[int | None, Same | None]:
    """Write the row of a received file, or delete its bytes if they are known."""
    try:
        with state.database.write() as database:
            file_id, known = files.add(
                database,
                filename=received.filename,
                sha256=received.sha256,
                size_bytes=received.size_bytes,
                uri=received.uri,
                by=principal.name,
            )
            if known is None:
                audit.record(
                    database,
                    principal,
                    "file_received",
                    received.filename,
                    {"file_id": file_id, "sha256": received.sha256, "size_bytes": received.size_bytes},
                )
    except TelecineError:
        # The commit may have happened, so the bytes stay; `telecine vacuum` deletes what no row names.
        state.metrics.upload("failed")
        raise
    if known is not None:
        try:
            receiving.discard(state.settings, received.uri)
        except TelecineError as error:
            _LOG.warning("%s stays until telecine vacuum: %s", received.uri, error, extra={"code": error.code})
    return file_id, known


def _same(state: Console, upload: int | None, file: int | None) -> Any:
    if upload is None and file is None:
        return None
    with state.database.read() as database:
        return files.named(database, upload, file)
