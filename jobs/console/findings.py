"""Findings of `telecine doctor` about the console: access, its right to start runs, and its database role."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jobs.console.settings import ConsoleSettings
from shared.cluster.client import connect
from shared.cluster.workflows import RIGHTS
from shared.database import problems
from shared.database.connection import is_embedded
from shared.database.migrate import CONSOLE
from shared.errors import TelecineError
from shared.finding import Finding, of_error
from shared.settings.command import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.doctor.settings import DoctorSettings

__all__ = ["examine"]

_AREA: Final = "console"
_VARIABLES: Final = "TELECINE_CONSOLE_"


def examine(settings: DoctorSettings) -> Iterator[Finding]:
    """Yield findings about the console if this machine configures one or the database has its role."""
    is_configured = _is_configured()
    if is_configured:
        yield from _settings()
    yield from _role(settings, is_configured=is_configured)


def _is_configured() -> bool:
    # The kubelet sets variables of Services in every pod, such as TELECINE_CONSOLE_PORT=tcp://10.96.0.7:80.
    given = {name for name, value in os.environ.items() if name != f"{_VARIABLES}PORT" or "://" not in value}
    names = {variable for field in ConsoleSettings.model_fields for variable in ConsoleSettings.variables(field)}
    return any(name.startswith(_VARIABLES) for name in given & (names | {f"{name}_BASE64" for name in names}))


def _settings() -> Iterator[Finding]:
    try:
        # Parsed like the flags of `telecine console`, so that an error names the variable.
        settings = parse(ConsoleSettings, "telecine console", "", [])
        settings.check_access()
        mode = settings.launch_mode
    except TelecineError as error:
        yield of_error(_AREA, "access", error)
        return
    yield Finding(_AREA, "access", "ok", f"{settings.mode}, at {settings.public_url or 'any host'}")
    if mode == "workflow":
        yield _launch()


def _launch() -> Finding:
    """Look at the right to create Workflows: without it, every upload that a user confirms fails."""
    name = "starting runs"
    try:
        client = connect(user="the console", rights=RIGHTS)
        refused = [str(right) for right in RIGHTS if not client.may(right)]
    except TelecineError as error:
        return of_error(_AREA, name, error)
    if refused:
        fix = "Run helm upgrade with console.launch.enabled=true; docs/console.md lists the rights."
        return Finding(_AREA, name, "fail", f"cannot {', '.join(refused)} in {client.namespace}", fix)
    return Finding(_AREA, name, "ok", f"may create Workflows in {client.namespace}")


def _role(settings: DoctorSettings, *, is_configured: bool) -> Iterator[Finding]:
    try:
        if is_embedded(settings):
            return
        found = problems.console_role(settings)
    except TelecineError:
        # Reported under the area database.
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
