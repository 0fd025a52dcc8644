"""Reject forms from other sites (CSRF) by the origin headers, which pages cannot forge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.console.errors import Refused

if TYPE_CHECKING:
    from starlette.requests import Request

    from jobs.console.settings import ConsoleSettings

__all__ = ["check_origin", "is_safe"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_safe(method: str) -> bool:
    """Return whether a method changes nothing."""
    return method in _SAFE


def check_origin(request: Request, settings: ConsoleSettings, *, bearer: bool) -> None:
    """Check that an unsafe request was sent from a page of the console.

    Args:
        request: any request; safe ones pass.
        settings: the console's settings.
        bearer: True if the user sent a bearer token, which browsers never add to a form by themselves.

    Raises:
        Refused: it was sent from another origin, or from an unknown one (403).
    """
    if is_safe(request.method) or bearer:
        return
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    origin = request.headers.get("origin")
    if site is None and origin is not None and origin.lower() == _own(request, settings):
        return
    raise Refused(
        403,
        "this form was not sent from a page of the console; open the page again and resubmit the form",
        code="other_origin",
    )


def _own(request: Request, settings: ConsoleSettings) -> str:
    if settings.public_url is not None:
        return settings.public_url.lower()
    return f"http://{request.headers.get('host', '').lower()}"
