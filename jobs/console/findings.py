"""Findings of `telecine doctor` about the console: how users get in, its database role, and whether it is ready."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from jobs.console.settings import ConsoleSettings
from shared.database import problems
from shared.database.connection import is_embedded
from shared.database.migrate import CONSOLE
from shared.errors import TelecineError
from shared.finding import Finding, of_error
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.doctor.settings import DoctorSettings

__all__ = ["examine"]

_AREA: Final = "console"
_VARIABLES: Final = "TELECINE_CONSOLE_"
# Longer than the console's own statement timeout, so that its answer says what is wrong.
_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 4_096


def examine(settings: DoctorSettings) -> Iterator[Finding]:
    """Yield findings about the console, if this machine configures one, or if its role or URL is known."""
    is_configured = any(name.startswith(_VARIABLES) for name in os.environ)
    if is_configured:
        yield _access()
    yield from _role(settings, is_configured=is_configured)
    if settings.console_url is not None:
        yield _readiness(settings.console_url.rstrip("/"))


def _access() -> Finding:
    try:
        settings = ConsoleSettings()
        settings.check_access()
    except TelecineError as error:
        return of_error(_AREA, "access", error)
    return Finding(_AREA, "access", "ok", f"{settings.mode}, at {settings.public_url or 'any host'}")


def _role(settings: DoctorSettings, *, is_configured: bool) -> Iterator[Finding]:
    try:
        if is_embedded(settings):
            return
        found = problems.console_role(settings)
    except TelecineError:
        # The area of the database says so.
        return
    if found is None:
        if is_configured:
            fix = f"CREATE ROLE {CONSOLE} LOGIN PASSWORD '...', and run: telecine db upgrade"
            yield Finding(_AREA, "role", "warn", f"the database has no role {CONSOLE}", fix)
        return
    for problem in found:
        yield Finding(_AREA, "role", "fail", problem.what, problem.fix)
    if not found:
        yield Finding(_AREA, "role", "ok", f"{CONSOLE} reads all tables and writes the console's own")


def _readiness(url: str) -> Finding:
    fix = "See the log of its pods."
    try:
        # The pattern of the setting admits http and https only.
        with urllib.request.urlopen(f"{url}/readyz", timeout=_TIMEOUT_S) as answer:  # noqa: S310
            status, body = answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = one_line(str(error) or type(error).__name__)
        return Finding(_AREA, url, "fail", f"cannot be reached: {reason}", "Check the URL.", retryable=True)
    try:
        document = json.loads(body)
        code = document.get("code", document["status"])
    except (ValueError, KeyError, AttributeError):
        message = f"answers {status} to /readyz, but not as a console does"
        return Finding(_AREA, url, "fail", message, "Check the URL.")
    if status == http.client.OK:
        return Finding(_AREA, url, "ok", "ready")
    return Finding(_AREA, url, "fail", f"not ready: {one_line(str(code))}", fix, retryable=True)
