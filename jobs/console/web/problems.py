"""Error responses, as pages or as JSON for programs: the message and an id to find in the log; no traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from jobs.console.errors import BadQuery, Refused
from jobs.console.web.state import console
from shared.errors import (
    DatabaseNotMigrated,
    EndpointUnreachable,
    StoreUnavailable,
    TelecineError,
    TransientError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response

__all__ = ["answer", "install"]

_LOG: Final = logging.getLogger("telecine.console")
_RETRY_S: Final = 5
_SHOWN: Final = ("title", "status_code", "message", "problems", "code", "request_id")


def install(app: FastAPI) -> None:
    """Register handlers for all errors of an app."""
    app.add_exception_handler(TelecineError, _handle)
    app.add_exception_handler(HTTPException, _handle)
    # FastAPI's own response repeats the values, which may include a token.
    app.add_exception_handler(RequestValidationError, _handle)
    # Starlette re-raises these after responding; the gate drops them.
    app.add_exception_handler(Exception, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    return answer(request, error)


def answer(request: Request, error: Exception) -> Response:
    """Return the response to an error; log it if the cause is telecine or the installation."""
    error = _own(error)
    status, title, headers = _status(error)
    request_id = getattr(request.state, "request_id", "")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        unknown = status == HTTPStatus.INTERNAL_SERVER_ERROR
        _LOG.log(
            logging.ERROR if unknown else logging.WARNING,
            "%s",
            error,
            exc_info=error if unknown else None,
            extra={"request": request_id, "code": getattr(error, "code", "internal")},
        )
    context: dict[str, Any] = {
        "title": title,
        "status_code": status,
        "message": _message(error),
        "problems": error.problems if isinstance(error, BadQuery) else (),
        "page": request.scope["path"] if isinstance(error, BadQuery) else None,
        "login": status == HTTPStatus.UNAUTHORIZED and console(request).access.mode == "token",
        "code": getattr(error, "code", None),
        "request_id": request_id,
    }
    response: Response
    if _wants_page(request):
        response = console(request).pages.render(request, "problem.html.j2", status=status, **context)
    else:
        shown = {name: context[name] for name in _SHOWN if context[name]}
        response = JSONResponse({"error": shown}, status)
    response.headers.update(headers)
    return response


def _own(error: Exception) -> Exception:
    """Convert a FastAPI error to ours."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, Refused):
        # FastAPI turns every error while reading a body into a 400.
        return error.__cause__
    if isinstance(error, RequestValidationError):
        names = sorted({str(each["loc"][-1]) for each in error.errors() if len(each["loc"]) > 1})
        return Refused(400, f"these values are not valid: {', '.join(names)}", code="bad_values")
    return error


def _wants_page(request: Request) -> bool:
    path: str = request.scope["path"]
    return not path.endswith((".json", ".csv")) and "text/html" in request.headers.get("accept", "text/html")


def _status(error: Exception) -> tuple[int, str, dict[str, str]]:
    if isinstance(error, Refused):
        return error.status, HTTPStatus(error.status).phrase, error.headers
    if isinstance(error, HTTPException):
        return error.status_code, HTTPStatus(error.status_code).phrase, dict(error.headers or {})
    if isinstance(error, DatabaseNotMigrated):
        return HTTPStatus.NOT_FOUND, "Not installed", {}
    if isinstance(error, TransientError):
        return HTTPStatus.SERVICE_UNAVAILABLE, "Not available right now", {"Retry-After": str(_RETRY_S)}
    if isinstance(error, TelecineError):
        return HTTPStatus.SERVICE_UNAVAILABLE, "The installation needs an operator", {}
    return HTTPStatus.INTERNAL_SERVER_ERROR, "A bug in telecine", {}


def _message(error: Exception) -> str:
    if isinstance(error, Refused):
        return error.message
    if isinstance(error, HTTPException):
        known = {404: "this page does not exist", 405: "this page does not accept that method"}
        return known.get(error.status_code, str(error.detail))
    if isinstance(error, DatabaseNotMigrated):
        return "the tables of this page do not exist; an operator must run: telecine db upgrade"
    if isinstance(error, TransientError):
        is_store = isinstance(error, StoreUnavailable | EndpointUnreachable)
        away = "the object store is unavailable; try again"
        return away if is_store else "the database is unavailable or took too long; try again or narrow the filters"
    if isinstance(error, TelecineError):
        return "the console cannot read the data of this page; its log has the reason"
    return "the request failed unexpectedly; an operator can find the cause in the log by the request id"
