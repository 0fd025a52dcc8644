"""Changes of an upload: answers to its questions, copies and overlaps, retract and reprocess; each starts a run.

A change is confirmed on a page that states its effect. Its form repeats the version of the upload that was shown, so
that an upload that has changed meanwhile, or a form that is sent twice, starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.launch.requests import request as request_run
from jobs.console.launch.start import start
from jobs.console.model import Role
from jobs.console.pages.rejects import stored
from jobs.console.pages.upload import ANSWER_FLAGS, answers_of
from jobs.console.tables import uploads
from jobs.console.tables.fates import FATES, Sums, differences, fates, final, lacks, totals
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from shared.text import clean_text, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.database.session import DatabaseSession

__all__ = ["OverlapQuery", "router"]

router = APIRouter(route_class=GuardedRoute)

_WAITING: Final = ("held", "review", "unmatched")
_REASON_CHARS: Final = 1_000
_VALUE_CHARS: Final = 2_000
_CHOICES: Final = ("skip", "replace", "append")
_OVERLAPPING: Final = ("copy", "overlap", "skipped")


class OverlapQuery(ListQuery):
    """Parameters of the confirmation of a copy or an overlap."""

    choice: Literal["skip", "replace", "append"] = "skip"
    sort: Literal[""] = ""


async def _fields(request: Request) -> dict[str, str]:
    """Return the text fields of a form."""
    async with request.form(max_files=0, max_fields=100, max_part_size=64 * 1024) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


# FastAPI evaluates annotations of dependencies at run time.
_fields.__annotations__ = {"request": Request, "return": dict[str, str]}

_Fields = Annotated[dict[str, str], Depends(_fields)]
_Query = Annotated[OverlapQuery, Depends(query_of(OverlapQuery))]


@router.get("/uploads/{upload_id:number}/retract")
@allow(Role.UPLOADER)
def confirm_retract(request: Request, upload_id: int) -> HTMLResponse:
    """Show what retracting an upload removes."""
    with console(request).database.read() as database:
        upload, requested = _shown(database, upload_id, uploads.ACTIVE, "be retracted")
        removed = final(database, [upload_id])
    notes = ["The raw file and its rows are kept, and the same bytes may be uploaded again."]
    if upload.replaces:
        numbers = ", ".join(map(str, upload.replaces))
        notes.append(f"Uploads that it has replaced do not come back: {numbers}.")
    return _page(
        request,
        upload,
        requested,
        title=f"Retract upload {upload_id}",
        effect=(
            f"{_said(removed)} leave the final table. Rows of this upload that wait for a decision leave the review."
        ),
        figures=[("final rows removed", removed)],
        notes=notes,
        button="Retract",
        asks_reason=True,
    )


@router.post("/uploads/{upload_id:number}/retract")
@allow(Role.UPLOADER)
def retract(request: Request, upload_id: int, fields: _Fields) -> Response:
    """Start the run that retracts an upload."""
    reason = fields.get("reason", "").strip()
    if not reason:
        raise Refused(422, "reason is empty; expected why the upload is retracted", code="reason_missing")
    if len(reason) > _REASON_CHARS:
        raise Refused(
            422, f"reason has {len(reason):,} characters; expected at most {_REASON_CHARS:,}", code="reason_too_long"
        )
    with console(request).database.write() as database:
        _held(database, upload_id, uploads.ACTIVE, "be retracted", fields)
        launch = request_run(
            database,
            request.state.principal,
            step="retract",
            upload_id=upload_id,
            parameters={"reason": clean_text(reason, _REASON_CHARS)},
        )
    return _started(request, upload_id, launch)


@router.get("/uploads/{upload_id:number}/reprocess")
@allow(Role.UPLOADER)
def confirm_reprocess(request: Request, upload_id: int) -> HTMLResponse:
    """Show the rows that matching an upload again may change."""
    with console(request).database.read() as database:
        upload, requested = _shown(database, upload_id, uploads.MATCHED, "be matched again")
        parts = fates(database, upload).parts
    waiting = totals([parts[name] for name in _WAITING])
    return _page(
        request,
        upload,
        requested,
        title=f"Reprocess upload {upload_id}",
        effect=(
            f"Keys that changes of the catalogue affect are matched again: up to {_said(waiting)} that wait may become"
            f" final. {_said(parts['final'])} are final, and change only if the catalogue says so."
        ),
        figures=[(name, parts[name]) for name in FATES if parts[name]],
        notes=["A key that other uploads share changes there as well. Decisions of reviewers stay."],
        button="Reprocess",
    )


@router.post("/uploads/{upload_id:number}/reprocess")
@allow(Role.UPLOADER)
def reprocess(request: Request, upload_id: int, fields: _Fields) -> Response:
    """Start the run that matches an upload again."""
    with console(request).database.write() as database:
        _held(database, upload_id, uploads.MATCHED, "be matched again", fields)
        launch = request_run(database, request.state.principal, step="reprocess", upload_id=upload_id, parameters={})
    return _started(request, upload_id, launch)


@router.get("/uploads/{upload_id:number}/overlap")
@allow(Role.UPLOADER)
def confirm_overlap(request: Request, upload_id: int, query: _Query) -> HTMLResponse:
    """Show the effect of skipping a file, of replacing the uploads that it overlaps, or of keeping both."""
    with console(request).database.read() as database:
        upload, requested = _shown(database, upload_id, _OVERLAPPING, "be skipped, replace others or be added")
        others = differences(upload)
        _check_choice(query.choice, upload)
        numbers = [other.upload_id for other in others]
        removed = final(database, numbers) if query.choice == "replace" else Sums()
    file = Sums(upload.units or 0, upload.hours or Sums().hours, upload.revenue or Sums().revenue)
    one, names = len(numbers) == 1, ", ".join(map(str, numbers))
    theirs, own = totals([other.theirs for other in others]), totals([other.own for other in others])
    effects = {
        "skip": f"Nothing of this file is stored: {_said(file)}. The stored rows stay.",
        "replace": (
            f"{_said(file)} of this file are stored and matched. Once they are loaded,"
            f" {'upload' if one else 'uploads'} {names} {'is' if one else 'are'} replaced: {_said(removed)} leave the"
            " final table."
        ),
        "append": (
            f"{_said(file)} of this file are stored and matched in addition. For the same days, {_said(theirs)} are"
            " stored already, so both count."
        ),
    }
    shown = {
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
        notes.append(f"{upload.others_left_out:,} more uploads, which are not listed, are replaced as well.")
    titles = {"skip": "Skip", "replace": "Replace the others by", "append": "Keep both: add"}
    return _page(
        request,
        upload,
        requested,
        title=f"{titles[query.choice]} upload {upload_id}",
        effect=effects[query.choice],
        figures=shown[query.choice],
        notes=notes,
        button=titles[query.choice].partition(" ")[0],
        choice=query.choice,
    )


@router.post("/uploads/{upload_id:number}/overlap")
@allow(Role.UPLOADER)
def overlap(request: Request, upload_id: int, fields: _Fields) -> Response:
    """Start the run that settles a copy or an overlap."""
    choice = fields.get("choice", "")
    with console(request).database.write() as database:
        upload = _held(database, upload_id, _OVERLAPPING, "be skipped, replace others or be added", fields)
        _check_choice(choice, upload)
        launch = _read_again(request, database, upload, {"on-overlap": choice})
    return _started(request, upload_id, launch)


@router.post("/uploads/{upload_id:number}/answer")
@allow(Role.UPLOADER)
def answer(request: Request, upload_id: int, fields: _Fields) -> Response:
    """Start a run that reads the same bytes with the user's answers."""
    with console(request).database.write() as database:
        upload = _held(database, upload_id, ("needs_choice",), "be answered", fields)
        launch = _read_again(request, database, upload, _answers(upload, fields))
    return _started(request, upload_id, launch)


def _answers(upload: Any, fields: dict[str, str]) -> dict[str, str]:
    """Return the flags of a form: the fields of other choices, then those of the chosen answer, which win.

    Raises:
        Refused: a value is missing or not valid (422).
    """
    chosen = {flag: fields.get(flag, "").strip() for flag in ANSWER_FLAGS}
    for flag, valid in ANSWER_FLAGS.items():
        if chosen[flag] and valid and chosen[flag] not in valid:
            raise _bad_choice(f"{flag} '{cut(chosen[flag], 100)}' is not valid; expected {' or '.join(valid)}")
    if offered := answers_of(upload):
        answers = _answer(offered, fields)
        # A map names several fields; every other flag has one value.
        named = [text for text in (chosen["map"], answers.get("map", "")) if text]
        chosen |= answers | {"map": ",".join(named)}
    elif not any(chosen.values()):
        raise _bad_choice("no choice is made; expected a value that answers the question")
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
        found[flag] = f"{found[flag]},{text}" if flag in found else text
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


def _shown(database: DatabaseSession, upload_id: int, expected: Sequence[str], what: str) -> tuple[Any, list[Any]]:
    """Return an upload in one of the expected statuses, and its requested runs.

    Raises:
        Refused: it has another status, or a run that changes it has not ended (409).
    """
    upload = stored(database, upload_id)
    requested = uploads.launches(database, upload_id)
    if upload.status not in expected:
        raise Refused(
            409,
            f"upload {upload_id} cannot {what}: its status is {upload.status}; expected {', '.join(expected)}",
            code="upload_status",
        )
    open_ = next((each for each in requested if each.is_open), None)
    if open_ is not None:
        raise Refused(
            409,
            f"a {open_.step} of upload {upload_id} that {open_.requested_by} requested has not ended; open the upload"
            " again when it has",
            code="upload_busy",
        )
    return upload, requested


def _held(database: DatabaseSession, upload_id: int, expected: Sequence[str], what: str, fields: dict[str, str]) -> Any:
    """Lock requests for an upload until the end of the transaction, and return it if it is as the user saw it.

    Raises:
        Refused: it has changed since the form was shown (409).
    """
    database.lock(f"telecine console upload {upload_id}")
    upload, requested = _shown(database, upload_id, expected, what)
    if fields.get("seen") != uploads.version(upload, requested):
        raise Refused(
            409,
            f"upload {upload_id} has changed since this form was shown; open /uploads/{upload_id} again",
            code="upload_changed",
        )
    return upload


def _started(request: Request, upload_id: int, launch: int) -> Response:
    start(console(request), launch)
    return RedirectResponse(f"/uploads/{upload_id}", 303)


def _said(sums: Sums) -> str:
    return f"{sums.rows:,} {'row' if sums.rows == 1 else 'rows'} with {sums.hours.normalize():,f} hours"


def _page(
    request: Request,
    upload: Any,
    requested: list[Any],
    *,
    title: str,
    effect: str,
    figures: list[tuple[str, Sums]],
    notes: list[str],
    button: str,
    asks_reason: bool = False,
    choice: str | None = None,
) -> HTMLResponse:
    return console(request).pages.render(
        request,
        "upload_confirm.html.j2",
        upload=upload,
        version=uploads.version(upload, requested),
        target=request.url.path,
        title=title,
        effect=effect,
        figures=figures,
        notes=notes,
        button=button,
        asks_reason=asks_reason,
        choice=choice,
    )
