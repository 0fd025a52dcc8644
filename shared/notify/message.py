"""The content of a notification: run, step, codes, first five errors; equal for all channels and free of secrets."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.text import clean_text, one_line

__all__ = ["FIRST_ERRORS", "ErrorLine", "Notification", "as_text", "subject", "token"]

FIRST_ERRORS: Final = 5


class ErrorLine(BaseModel):
    """One of the first errors."""

    model_config = ConfigDict(extra="forbid")

    item: str = Field(description="The failed item: a TAR's key, a step.")
    code: str = Field(description="Stable name of the error.")
    message: str = Field(description="What happened.")

    @field_validator("item", "code", "message")
    @classmethod
    def _clean(cls, value: str) -> str:
        return clean_text(value, 500)


class Notification(BaseModel):
    """The JSON document sent to a webhook. Repeated messages have the same ``id``."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = Field(1, description="Version of this document.")
    id: str = Field(
        description="Id of the run, or of the notice, and the channel; also sent as the header Idempotency-Key."
    )
    event: Literal["run.failed", "run.ended", "upload.waiting", "slo.alert"] = Field(
        description="run.ended if every run is announced; upload.waiting if viewership's uploads wait for an answer;"
        " slo.alert if an alert about trakt's service levels opens."
    )
    pipeline: str = Field(description="The pipeline, such as gamedata.")
    run_id: str = Field(description="The run's id, for `telecine runs show`.")
    workflow: str | None = Field(None, description="The Workflow's name.")
    namespace: str | None = Field(None, description="The Workflow's namespace.")
    status: str = Field(description="success, partial, failed, cancelled or interrupted; waiting for uploads; alert.")
    step: str | None = Field(None, description="The step that failed.")
    code: str | None = Field(None, description="Stable name of the error.")
    exit_code: int | None = Field(None, description="The step's exit code; see docs/architecture.md.")
    message: str = Field("", description="What happened.")
    errors: list[ErrorLine] = Field(default_factory=list, description="The first errors, at most five.")
    rejects: dict[str, int] = Field(default_factory=dict, description="Failed items by error code.")
    link: str | None = Field(None, description="URL of the run's page.")
    at: datetime = Field(description="Time of the message, in UTC.")

    @field_validator("*")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {one_line(clean_text(name, 100)): count for name, count in value.items()}
        return clean_text(value) if isinstance(value, str) else value


def subject(message: Notification) -> str:
    """Return the subject line: ``telecine: gamedata extract failed (bucket_missing)``."""
    what = " ".join(filter(None, (message.pipeline, message.step)))
    code = f" ({message.code})" if message.code else ""
    return one_line(" ".join(f"telecine: {what} {message.status}{code}".split()))


def token(message: Notification, colon: str = ".") -> str:
    """Return the message's id for a header, in ASCII without spaces."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", message.id).replace(":", colon)


def as_text(message: Notification) -> str:
    """Return the body of a mail."""
    rows: list[tuple[str, Any]] = [
        ("run", message.run_id),
        ("pipeline", message.pipeline),
        ("step", message.step),
        ("status", message.status),
        ("code", message.code),
        ("exit code", message.exit_code),
        ("workflow", "/".join(filter(None, (message.namespace, message.workflow)))),
        ("page", message.link),
    ]
    lines = [f"{name:<10} {one_line(value)}" for name, value in rows if value not in (None, "")]
    if message.message:
        # Indented, so that a line break in a message cannot forge a line.
        lines += ["", message.message.replace("\n", "\n    ")]
    if message.errors:
        errors = (f"{one.item}: {one.code}: {one.message}" for one in message.errors)
        lines += ["", "First errors:", *(f"  {one_line(' '.join(error.split()))}" for error in errors)]
    if message.rejects:
        lines += ["", "Failed items: " + ", ".join(f"{code} {count}" for code, count in message.rejects.items())]
    return "\n".join([*lines, "", f"More: telecine runs show {one_line(message.run_id)}", ""])
