"""Runs that read the file of an upload again: answers to its question, copies and overlaps, and unfinished phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.launch.requests import request as request_run
from jobs.console.model import Role
from jobs.console.pages.viewership.confirm import Fields, confirmation, held, said, shown, started
from jobs.console.pages.viewership.upload import ANSWER_FLAGS, READABLE, answers_of
from jobs.console.tables.viewership import phases, uploads
from jobs.console.tables.viewership.fates import Sums, differences, final, lacks, totals
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from shared.settings.base import join_list, split_list
from shared.text import cut

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["OverlapQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

_VALUE_CHARS: Final = 2_000
_CHOICES: Final = ("skip", "replace", "append")
_OVERLAPPING: Final = ("copy", "overlap", "skipped")
_RESUMABLE: Final = (*uploads.UNFINISHED, "partial")


class OverlapQuery(ListQuery):
    """Parameters of the confirmation of a copy or an overlap."""

    choice: Literal["skip", "replace", "append"] = "skip"
    sort: Literal[""] = ""


_Query = Annotated[OverlapQuery, Depends(query_of(OverlapQuery))]


@router.get("/uploads/{upload_id:number}/resume")
@allow(Role.UPLOADER)
def confirm_resume(request: Request, upload_id: int) -> HTMLResponse:
    """Show the remaining phases of an upload whose run ended early."""
    with console(request).database.read() as database:
        upload, requested = _idle(database, upload_id)
    file = Sums(upload.units or 0, upload.hours or Sums().hours, upload.revenue or Sums().revenue)
    left = [word.partition(":")[0] for word in phases.phase_words(upload.status, upload.code) if "done" not in word]
    return confirmation(
        request,
        upload,
        requested,
        title=f"Resume upload {upload_id}",
        effect=f"The remaining phases are run: {', '.join(left)}."
        + (f" The file has {said(file)}." if upload.units is not None else ""),
        figures=[],
        notes=["The same run also finishes other unfinished uploads."],
        button="Resume",
    )


@router.post("/uploads/{upload_id:number}/resume")
@allow(Role.UPLOADER)
def resume(request: Request, upload_id: int, fields: Fields) -> Response:
    """Start a run that finishes an upload."""
    with console(request).database.write() as database:
        upload = held(database, upload_id, _RESUMABLE, "be resumed", fields)
        _idle(database, upload_id)
        launch = _read_again(request, database, upload, {})
    return started(request, upload_id, launch)


def _idle(database: DatabaseSession, upload_id: int) -> tuple[Any, list[Any]]:
    """Return an upload that is unfinished, and its requested runs.

    Raises:
        Refused: it is finished, or a run works on it (409).
    """
    upload, requested = shown(database, upload_id, _RESUMABLE, "be resumed")
    if phases.live(database, upload, requested).is_running:
        raise Refused(409, f"run {upload.pipeline_run_id} of upload {upload_id} has not ended", code="upload_busy")
    return upload, requested


@router.get("/uploads/{upload_id:number}/overlap")
@allow(Role.UPLOADER)
def confirm_overlap(request: Request, upload_id: int, query: _Query) -> HTMLResponse:
    """Show the effect of skipping a file, of replacing the uploads that it overlaps, or of keeping both."""
    with console(request).database.read() as database:
        upload, requested = shown(database, upload_id, _OVERLAPPING, "be skipped, replace others or be added")
        others = differences(upload)
        _check_choice(query.choice, upload)
        numbers = [other.upload_id for other in others]
        removed = final(database, numbers) if query.choice == "replace" else Sums()
    file = Sums(upload.units or 0, upload.hours or Sums().hours, upload.revenue or Sums().revenue)
    one, names = len(numbers) == 1, ", ".join(map(str, numbers))
    theirs, own = totals([other.theirs for other in others]), totals([other.own for other in others])
    effects = {
        "skip": f"Rows of this file are not stored: {said(file)}. The stored rows stay.",
        "replace": (
            f"{said(file)} of this file are stored and matched. Once they are loaded,"
            f" {'upload' if one else 'uploads'} {names} {'is' if one else 'are'} replaced: {said(removed)} are"
            " removed from the final table."
        ),
        "append": (
            f"{said(file)} of this file are stored and matched in addition. For the same days, {said(theirs)} are"
            " stored already, so both count."
        ),
    }
    figures = {
        "skip": [("this file, not stored", file)],
        "replace": [
            ("this file", file),
            ("final rows removed", removed),
            ("same days: this file minus the others", own - theirs),
        ],
        "append": [("this file", file), ("stored for the same days", theirs)],
    }
    notes = ["Replaced rows are kept in viewership.replaced_details."] if query.choice == "replace" else []
    if query.choice == "replace" and upload.others_left_out:
        notes.append(f"{upload.others_left_out:,} more uploads, not listed here, are also replaced.")
    titles = {"skip": "Skip", "replace": "Replace the others by", "append": "Keep both: add"}
    return confirmation(
        request,
        upload,
        requested,
        title=f"{titles[query.choice]} upload {upload_id}",
        effect=effects[query.choice],
        figures=figures[query.choice],
        notes=notes,
        button=titles[query.choice].partition(" ")[0],
        choice=query.choice,
    )


@router.post("/uploads/{upload_id:number}/overlap")
@allow(Role.UPLOADER)
def overlap(request: Request, upload_id: int, fields: Fields) -> Response:
    """Start the run that settles a copy or an overlap."""
    choice = fields.get("choice", "")
    with console(request).database.write() as database:
        upload = held(database, upload_id, _OVERLAPPING, "be skipped, replace others or be added", fields)
        _check_choice(choice, upload)
        launch = _read_again(request, database, upload, {"on-overlap": choice})
    return started(request, upload_id, launch)


@router.post("/uploads/{upload_id:number}/answer")
@allow(Role.UPLOADER)
def answer(request: Request, upload_id: int, fields: Fields) -> Response:
    """Start a run that reads the same bytes with the user's answers."""
    with console(request).database.write() as database:
        upload = held(database, upload_id, READABLE, "be read with other choices", fields)
        launch = _read_again(request, database, upload, _answers(upload, fields))
    return started(request, upload_id, launch)


def _answers(upload: Any, fields: dict[str, str]) -> dict[str, str]:
    """Return the flags of a form: the fields of other choices, then those of the chosen answer, which win.

    Raises:
        Refused: a value is missing or not valid (422).
    """
    chosen = {flag: fields.get(flag, "").strip() for flag in ANSWER_FLAGS}
    for flag, valid in ANSWER_FLAGS.items():
        if chosen[flag] and valid and chosen[flag] not in valid:
            raise _bad_choice(f"{flag} '{cut(chosen[flag], 100)}' is not valid; expected {' or '.join(valid)}")
    offered = answers_of(upload)
    if offered and fields.get("answer") != "none":
        answers = _answer(offered, fields)
        # A map names several fields; every other flag has one value.
        named = [*split_list(chosen["map"]), *split_list(answers.get("map", ""))]
        chosen |= answers | {"map": join_list(named)}
    elif upload.status == "needs_choice" and not any(chosen.values()):
        raise _bad_choice("no choice was made; expected a value that answers the question")
    for flag, text in chosen.items():
        if len(text) > _VALUE_CHARS:
            raise _bad_choice(f"{flag} has {len(text):,} characters; expected at most {_VALUE_CHARS:,}")
    return chosen


def _answer(offered: list[list[tuple[str, str | None]]], fields: dict[str, str]) -> dict[str, str]:
    """Return the flags of the answer that a form chooses; several values of a flag are joined by commas."""
    number = fields.get("answer", "")
    if not (number.isascii() and number.isdigit() and int(number[:4]) < len(offered)):
        raise _bad_choice(f"answer '{cut(number, 20)}' is not offered; expected a number below {len(offered)}")
    found: dict[str, str] = {}
    for flag, value in offered[int(number[:4])]:
        text = fields.get(f"value-{int(number[:4])}-{flag}", "").strip() if value is None else value
        if not text:
            raise _bad_choice(f"{flag} is empty; expected a value for the chosen answer")
        found[flag] = join_list((*split_list(found[flag]), *split_list(text))) if flag in found else text
    return found


def _bad_choice(message: str) -> Refused:
    return Refused(422, message, code="bad_choice")


def _read_again(request: Request, database: DatabaseSession, upload: Any, chosen: dict[str, str]) -> int:
    """Request a run that reads an upload's raw file; choices that were made before stay unless they change."""
    bucket = console(request).settings.viewership_bucket
    return request_run(
        database,
        request.state.principal,
        step="run",
        upload_id=upload.upload_id,
        parameters={
            **{name: text for name, text in uploads.flags(upload.choices).items() if name in ANSWER_FLAGS},
            **chosen,
            "files": uploads.place(bucket, upload),
            "filename": upload.filename,
        },
    )


def _check_choice(choice: str, upload: Any) -> None:
    if choice not in _CHOICES:
        raise _bad_choice(f"choice '{cut(choice, 20)}' is not valid; expected {', '.join(_CHOICES)}")
    if choice == "replace" and lacks(differences(upload)):
        raise Refused(
            422,
            "the file lacks rows or amounts of the uploads that it would replace; retract those first, or keep both",
            code="replace_partial",
        )
