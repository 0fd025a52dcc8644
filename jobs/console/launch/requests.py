"""Requests for runs: rows of ``console.launches``, written in the transaction of the user's action."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal

from jobs.console.errors import Refused
from jobs.console.tables import audit
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.console.model import Principal
    from shared.database.session import DatabaseSession

__all__ = ["PARAMETERS", "StepName", "request"]

StepName = Literal["run", "retract", "reprocess"]

PARAMETERS: Final[Mapping[StepName, frozenset[str]]] = {
    "run": frozenset(
        (
            *("files", "filename", "platform", "format", "sheet", "encoding", "delimiter", "header-line", "map"),
            *("period", "date-order", "decimal-mark", "clock", "round-money", "on-overlap", "max-rejected", "domain"),
        )
    ),
    "retract": frozenset(("number", "reason", "by")),
    "reprocess": frozenset(("upload", "all", "by")),
}
"""The parameters of each step: names of flags of ``telecine viewership``, and of the forms of its WorkflowTemplates."""

# Base64 of base64 of this is 114 kB; a variable or an argument of a process has at most 128 KiB.
_MOST_BYTES: Final = 64_000


def request(
    database: DatabaseSession,
    principal: Principal,
    *,
    step: StepName,
    file_id: int | None = None,
    upload_id: int | None = None,
    parameters: Mapping[str, str],
) -> int:
    """Request a run; call :func:`jobs.console.launch.start.start` after the commit.

    Empty values are left out. A run of a file reads its object, under its name; retract and reprocess get their upload
    and the user's name.

    Args:
        database: the transaction of the user's action.
        principal: the user.
        step: command of ``telecine viewership``.
        file_id: the file to store, of ``console.files``.
        upload_id: the upload to retract, to match again or to read again.
        parameters: names of flags without dashes -> text as typed; see :data:`PARAMETERS`.

    Returns:
        Number of the launch.

    Raises:
        Refused: 422 (``bad_parameter``): a value has NUL or lone surrogates, or is too long.
        ValueError: a parameter does not belong to the step, or neither a file nor an upload is named.
    """
    if file_id is None and upload_id is None:
        raise ValueError("expected file_id or upload_id")
    given = _completed(database, principal, step, file_id=file_id, upload_id=upload_id, parameters=parameters)
    if unknown := given.keys() - PARAMETERS[step]:
        raise ValueError(f"{step} has no parameter {', '.join(sorted(unknown))}")
    values = {name: text for name, text in given.items() if text}
    for name, text in values.items():
        _check(name, text)
    # Random, so that a new database does not use the names of Workflows that an earlier one started.
    run_name = f"console-{step}-{secrets.token_hex(6)}"
    (row,) = database.rows(
        "INSERT INTO console.launches (name, step, file_id, upload_id, parameters, requested_by)"
        " VALUES (:name, :step, :file_id, :upload_id, CAST(:parameters AS jsonb), :by) RETURNING launch_id",
        name=run_name,
        step=step,
        file_id=file_id,
        upload_id=upload_id,
        parameters=json.dumps(values),
        by=_actor(principal),
    )
    details: dict[str, Any] = {"file_id": file_id, "upload_id": upload_id, "parameters": values}
    audit.record(database, principal, f"request {step}", run_name, details)
    return int(row.launch_id)


def _completed(
    database: DatabaseSession,
    principal: Principal,
    step: StepName,
    *,
    file_id: int | None,
    upload_id: int | None,
    parameters: Mapping[str, str],
) -> dict[str, str]:
    """Return the parameters with those that follow from the file, the upload and the user."""
    given = dict(parameters)
    if step == "run" and file_id is not None:
        (file,) = database.rows("SELECT uri, filename FROM console.files WHERE file_id = :file_id", file_id=file_id)
        return {**given, "files": str(file.uri), "filename": str(file.filename)}
    if step != "run":
        given["by"] = _actor(principal)
        given["number" if step == "retract" else "upload"] = str(upload_id)
    return given


def _actor(principal: Principal) -> str:
    # The longest name that the tables take.
    return principal.name[:128]


def _check(name: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = 0
    if not size or "\0" in text:
        raise Refused(
            422,
            f"{name} '{one_line(cut(text, 100))}' cannot be passed on; expected Unicode text without NUL",
            code="bad_parameter",
        )
    if size > _MOST_BYTES:
        raise Refused(
            422, f"{name} is {size:,} bytes long; expected at most {_MOST_BYTES:,}; shorten it", code="bad_parameter"
        )
