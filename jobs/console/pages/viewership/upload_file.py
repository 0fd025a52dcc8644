"""`/uploads/files/{file_id}`: a received file, how it would be read, and the questions to answer before its run."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.intake import choices as choosing
from jobs.console.intake import reading
from jobs.console.intake import receive as receiving
from jobs.console.intake.library import library
from jobs.console.intake.questions import open_questions
from jobs.console.launch import requests
from jobs.console.launch.start import start
from jobs.console.model import Role
from jobs.console.tables import audit
from jobs.console.tables.viewership import files
from jobs.console.web import paths  # noqa: F401 - registers the type `number`
from jobs.console.web.state import console
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.console.model import Principal
    from jobs.console.web.state import Console

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)
_PATH: Final = "/uploads/files/{file_id:number}"
# Waiting pages refresh themselves; this works without script.
_AGAIN_S: Final = "2"
_FIELDS: Final = 1_000
_MOST_ID: Final = 2**63
# Facts of a refusal, in the order of their importance.
_FACTS: Final = ("line", "column", "value", "limit", "size")


@router.get(_PATH)
@allow(Role.VIEWER)
def page(request: Request, file_id: int) -> Response:
    """Show a file: being read, a draft with its questions, or the state of its run."""
    return _page(request, file_id)


@router.post(_PATH)
@allow(Role.UPLOADER)
async def act(request: Request, file_id: int) -> Response:
    """Read the file with other choices, start its run or start it again, open it again, or cancel it."""
    async with request.form(max_fields=_FIELDS, max_files=0) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    action = _actions().get(fields.get("action", ""))
    if action is None:
        raise Refused(400, f"action is not valid; expected one of: {', '.join(_actions())}", code="bad_values")
    return await run_in_threadpool(action, request, file_id, fields)


def _actions() -> dict[str, Callable[[Request, int, Mapping[str, str]], Response]]:
    return {"read": _read, "confirm": _confirm, "cancel": _cancel, "again": _again, "reopen": _reopen}


def _page(request: Request, file_id: int, *, status: int = 200, notice: str | None = None) -> Response:
    state = console(request)
    with state.database.read() as database:
        file = _find(database, file_id)
        launched = files.launch(database, file_id) if file.state == "confirmed" else None
        upload = files.upload(database, file.sha256, file.decided_at) if file.state == "confirmed" else None
    if upload is not None and status == 200:  # noqa: PLR2004 - HTTP
        return RedirectResponse(f"/uploads/{upload}", 303)
    is_read = file.proposal is not None
    waits = (file.state == "draft" and not is_read) or (launched is not None and not launched.has_ended)
    if file.state == "draft" and not is_read:
        reading.begin(state.settings, state.database, file)
    context: dict[str, Any] = {"file": file, "launched": launched, "notice": notice, "found": None}
    context["uploader"] = Role.UPLOADER
    if file.state == "draft" and is_read:
        context["found"] = _found(state, file)
    response = state.pages.render(request, "viewership/upload_file.html.j2", status=status, **context)
    if waits:
        # With its URL: browsers take a reload of a URL with a fragment for a jump within the page.
        response.headers["Refresh"] = f"{_AGAIN_S};url=/uploads/files/{file_id}"
    return response


def _found(state: Console, file: Any) -> SimpleNamespace:
    """Return what the template shows of a draft that was read."""
    read: Mapping[str, Any] = file.proposal
    proposal, preview, problem = read["proposal"], read["preview"], read["problem"]
    units = preview["units"] if preview else []
    # In the order of the fields of a unit.
    named = list(dict.fromkeys(name for unit in units for name in unit["values"]))
    refused = problem if problem is not None and not problem["is_question"] else None
    columns = choosing.listed(proposal["columns"]) if proposal else []
    return SimpleNamespace(
        used=read["used"],
        is_head=read["is_head"],
        proposal=proposal,
        preview=preview,
        refused=refused,
        facts=[(name, refused["data"][name]) for name in _FACTS if refused and name in refused["data"]],
        questions=open_questions(read, file.choices),
        columns=columns,
        left_out=len(proposal["columns"]) - len(columns) if proposal else 0,
        further=choosing.FURTHER,
        units=units,
        named=named,
        library=library(state.settings, state.database),
        sets=choosing.SETS,
    )


def _read(request: Request, file_id: int, fields: Mapping[str, str]) -> Response:
    state = console(request)
    known = library(state.settings, state.database)
    with state.database.write() as database:
        file = _draft(database, file_id, fields)
        if file is not None:
            _choose(database, request.state.principal, file, _chosen(file, fields, known))
    if file is None:
        return _changed(request, file_id)
    return RedirectResponse(f"/uploads/files/{file_id}", 303)


def _confirm(request: Request, file_id: int, fields: Mapping[str, str]) -> Response:
    state, principal = console(request), request.state.principal
    known = library(state.settings, state.database)
    launch_id: int | None = None
    with state.database.write() as database:
        file = _draft(database, file_id, fields)
        if file is None:
            return _changed(request, file_id)
        chosen = _chosen(file, fields, known)
        if file.proposal is None or _read_by(chosen) != _read_by(file.proposal["used"]):
            # The rows of the new choices have not been seen.
            _choose(database, principal, file, chosen)
            return RedirectResponse(f"/uploads/files/{file_id}", 303)
        if chosen.get("dismissed", []) != file.choices.get("dismissed", []):
            files.dismiss(database, file_id, {**file.choices, "dismissed": chosen["dismissed"]})
        problem = _unready(file, chosen)
        if problem is None:
            files.decide(database, file_id, "confirmed", principal.name)
            launch_id = _request(database, principal, file)
    if launch_id is None:
        return _page(request, file_id, status=409, notice=problem)
    start(state, launch_id)
    return RedirectResponse(f"/uploads/files/{file_id}", 303)


def _again(request: Request, file_id: int, fields: Mapping[str, str]) -> Response:
    """Request the run of a confirmed file again, after the last one ended without storing the file."""
    del fields
    state, principal = console(request), request.state.principal
    with state.database.write() as database:
        launch_id = _request(database, principal, _stranded(database, file_id))
    start(state, launch_id)
    return RedirectResponse(f"/uploads/files/{file_id}", 303)


def _reopen(request: Request, file_id: int, fields: Mapping[str, str]) -> Response:
    """Make the file a draft again, with the choices of the run that ended without storing it."""
    del fields
    with console(request).database.write() as database:
        file = _stranded(database, file_id)
        files.reopen(database, file_id)
        audit.record(database, request.state.principal, "file_reopened", file.filename, {"file_id": file_id})
    return RedirectResponse(f"/uploads/files/{file_id}", 303)


def _choose(database: Any, principal: Principal, file: Any, chosen: Mapping[str, Any]) -> None:
    files.choose(database, file.file_id, chosen)
    audit.record(database, principal, "file_choices", file.filename, {"file_id": file.file_id, "choices": chosen})


def _request(database: Any, principal: Principal, file: Any) -> int:
    parameters = {
        **choosing.parameters(file.proposal["used"]),
        "files": file.uri,
        "filename": file.filename,
        "on-overlap": "ask",
    }
    return requests.request(database, principal, step="run", file_id=file.file_id, parameters=parameters)


def _cancel(request: Request, file_id: int, fields: Mapping[str, str]) -> Response:
    state, principal = console(request), request.state.principal
    with state.database.write() as database:
        file = _find(database, file_id, lock=True)
        if _draft(database, file_id, fields) is None and not _is_stranded(database, file):
            return _changed(request, file_id)
        files.decide(database, file_id, "cancelled", principal.name)
        audit.record(database, principal, "file_cancelled", file.filename, {"file_id": file_id})
    # If that fails, `telecine vacuum` deletes it with the row.
    with suppress(TelecineError):
        receiving.discard(state.settings, file.uri)
    return RedirectResponse(f"/uploads/files/{file_id}", 303)


def _find(database: Any, file_id: int, *, lock: bool = False) -> Any:
    file = files.find(database, file_id, lock=lock) if file_id < _MOST_ID else None
    if file is None:
        raise Refused(404, f"there is no file {file_id}; the list of uploads is at /uploads", code="file_missing")
    return file


def _draft(database: Any, file_id: int, fields: Mapping[str, str]) -> Any | None:
    """Return a draft, locked; None if it has changed since the form was shown."""
    file = _find(database, file_id, lock=True)
    return file if file.state == "draft" and str(file.version) == fields.get("version") else None


def _stranded(database: Any, file_id: int) -> Any:
    """Return a file whose run ended without storing it, locked.

    Raises:
        Refused: the file is a draft, is stored, or has a run that has not ended.
    """
    file = _find(database, file_id, lock=True)
    if not _is_stranded(database, file):
        raise Refused(409, "the run of this file has not failed; open the file again", code="not_failed")
    return file


def _is_stranded(database: Any, file: Any) -> bool:
    """Return whether a confirmed file was not stored and no run of it is left; its bytes cannot come in again."""
    if file.state != "confirmed" or files.upload(database, file.sha256, file.decided_at) is not None:
        return False
    launched = files.launch(database, file.file_id)
    return launched is None or bool(launched.has_ended)


def _changed(request: Request, file_id: int) -> Response:
    notice = "The file was changed in another tab or by another user. Your changes were not saved; check it again."
    return _page(request, file_id, status=409, notice=notice)


def _chosen(file: Any, fields: Mapping[str, str], known: Any) -> dict[str, Any]:
    read: Mapping[str, Any] = file.proposal or {}
    columns = (read.get("proposal") or {}).get("columns", [])
    chosen = choosing.chosen(fields, read.get("used", file.choices), columns, known)
    dismissed = {*file.choices.get("dismissed", ()), *chosen.get("dismissed", ())}
    return {**chosen, "dismissed": sorted(dismissed)} if dismissed else chosen


def _read_by(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices that decide how a file is read."""
    return {name: value for name, value in choices.items() if value and name != "dismissed"}


def _unready(file: Any, choices: Mapping[str, Any]) -> str | None:
    """Return why the run of a draft cannot start; None if it can."""
    read: Mapping[str, Any] = file.proposal
    questions = open_questions(read, choices)
    if questions:
        more = f", and {len(questions) - 1} more" if len(questions) > 1 else ""
        return f"The run was not started: a question is open ({questions[0].code}{more}). Answer it below."
    if read["preview"] is None:
        return "The run was not started: the file cannot be read with these choices."
    return None
