"""`telecine doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from shared.doctor import machine, places
from shared.errors import EXIT_CONFIGURATION, EXIT_OK, EXIT_TRANSIENT, TelecineError
from shared.finding import Line, of_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.doctor.settings import DoctorSettings

__all__ = ["doctor", "exit_code"]


def doctor(settings: DoctorSettings) -> tuple[str, int]:
    """Look at everything, and return the findings and the exit code.

    Nothing is changed: an object is written to each bucket that steps write, and deleted again.
    """
    lines = list(_look(settings))
    code = exit_code(lines)
    if settings.format == "json":
        return json.dumps({"exit_code": code, "lines": [asdict(line) for line in lines]}, indent=2), code
    return _text(lines), code


def exit_code(lines: Sequence[Line]) -> int:
    """Return 78 where a person must act, 75 where all that fails may pass, else 0."""
    failed = [line for line in lines if line.status == "fail"]
    if not failed:
        return EXIT_OK
    return EXIT_TRANSIENT if all(line.retryable for line in failed) else EXIT_CONFIGURATION


def _look(settings: DoctorSettings) -> Iterator[Line]:
    yield from machine.look()
    yield from places.look_at_database(settings)
    yield from places.look_at_store(settings)
    if settings.cluster:
        try:
            from shared.rayjob.doctor import look

            yield from look(settings.namespace)
        except TelecineError as error:
            yield of_error("cluster", "connection", error)
        except ModuleNotFoundError as error:
            todo = "pip install 'telecine[cluster]'"
            yield Line("cluster", "connection", "warn", f"cannot be looked at without {error.name}", todo)


def _text(lines: Sequence[Line]) -> str:
    width = max(len(line.name) for line in lines)
    rows: list[str] = []
    area = ""
    for line in lines:
        if line.area != area:
            area = line.area
            rows += ["", area] if rows else [area]
        said = " ".join(line.said.split())
        rows.append(f"  {line.status:<4}  {line.name:<{width}}  {said}")
        if line.todo:
            rows.append(f"        {'':<{width}}  -> {line.todo}")
    counts = {status: sum(line.status == status for line in lines) for status in ("ok", "warn", "fail")}
    return "\n".join([*rows, "", ", ".join(f"{count} {status}" for status, count in counts.items())])
