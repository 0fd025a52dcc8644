"""Confirmations of changes of an upload: the effect, a form, and the run that it starts.

A form repeats the version of the upload that was shown, so that an upload that has changed meanwhile, or a form that is
sent twice, starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jobs.console.errors import Refused
from jobs.console.launch.start import start
from jobs.console.pages.viewership.rejects import stored
from jobs.console.tables.viewership import uploads
from jobs.console.web.render import exact
from jobs.console.web.state import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.viewership.fates import Sums
    from shared.database.session import DatabaseSession

__all__ = ["Fields", "confirmation", "held", "said", "shown", "started"]


async def _fields(request: Request) -> dict[str, str]:
    """Return the text fields of a form."""
    async with request.form(max_files=0, max_fields=100, max_part_size=64 * 1024) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


# FastAPI evaluates annotations of dependencies at run time.
_fields.__annotations__ = {"request": Request, "return": dict[str, str]}

Fields = Annotated[dict[str, str], Depends(_fields)]
"""The text fields of a form."""


def shown(database: DatabaseSession, upload_id: int, expected: Sequence[str], what: str) -> tuple[Any, list[Any]]:
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


def held(database: DatabaseSession, upload_id: int, expected: Sequence[str], what: str, fields: dict[str, str]) -> Any:
    """Lock requests for an upload until the end of the transaction, and return it if it is as the user saw it.

    Raises:
        Refused: it has changed since the form was shown (409).
    """
    database.lock(f"telecine console upload {upload_id}")
    upload, requested = shown(database, upload_id, expected, what)
    if fields.get("seen") != uploads.version(upload, requested):
        raise Refused(
            409,
            f"upload {upload_id} has changed since this form was shown; open /uploads/{upload_id} again",
            code="upload_changed",
        )
    return upload


def started(request: Request, upload_id: int, launch: int) -> Response:
    """Start a requested run after its commit, and return to the upload.

    Args:
        request: the request.
        upload_id: the upload.
        launch: number of the launch.
    """
    start(console(request), launch)
    return RedirectResponse(f"/uploads/{upload_id}", 303)


def said(sums: Sums) -> str:
    """Return rows and hours in words."""
    hours = exact(sums.hours)
    return f"{sums.rows:,} {'row' if sums.rows == 1 else 'rows'} with {hours} {'hour' if hours == '1' else 'hours'}"


def confirmation(
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
    """Return the page that states the effect of a change, with its form.

    Args:
        request: the request; the form is sent to the same path.
        upload: row of ``viewership.uploads``.
        requested: its requested runs.
        title: heading.
        effect: the effect in words.
        figures: names of sums, and the sums.
        notes: further sentences.
        button: label of the button.
        asks_reason: the form has a field for a reason.
        choice: value of the hidden field ``choice``.
    """
    return console(request).pages.render(
        request,
        "viewership/upload_confirm.html.j2",
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
