"""An answer: a status, headers and a body, and how much of it reaches the client."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer", "Manner", "edge_page", "html", "reason"]

Manner = Literal["whole", "cut", "cut-open", "drop", "hang"]
"""``whole``: all of it; ``cut``: half of the body, then the connection ends; ``cut-open``: the same without a
Content-Length, so that only the JSON is incomplete; ``drop``: nothing, then the connection ends; ``hang``: nothing."""

_REASONS: Final = {
    420: "Account Limit Exceeded",
    520: "Unknown Error",
    521: "Web Server Is Down",
    522: "Connection Timed Out",
}


@dataclass(slots=True)
class Answer:
    """An answer of the site, and how it is sent.

    Attributes:
        status: HTTP status.
        body: sent whole, unless ``stream`` is set.
        kind: value of Content-Type.
        headers: besides Content-Type, Content-Length and Date.
        rows: items in the body.
        fault: what the scenario did; empty if nothing.
        manner: how much of it is sent.
        from_api: whether it carries the API's x-request-id and x-runtime.
        stream: chunks of a body that is too long to be held.
        close: whether the connection ends with it.
    """

    status: int
    body: bytes = b""
    kind: str = "application/json; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0
    fault: str = ""
    manner: Manner = "whole"
    from_api: bool = True
    stream: Iterator[bytes] | None = None
    close: bool = False


def reason(status: int) -> str:
    """Return the reason phrase of a status."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def html(status: int, text: str) -> Answer:
    """Return an HTML page of the API itself."""
    return Answer(status, f"<!DOCTYPE html><title>{text}</title>".encode(), "text/html; charset=utf-8")


def edge_page(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an HTML page of the edge, which never reached the API."""
    page = html(status, text)
    page.from_api = False
    page.headers = list(headers)
    return page
