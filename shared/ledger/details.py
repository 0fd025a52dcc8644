"""The document in `error_details`: one shape for every pipeline, at most 50 errors and 64 KB."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Stopped, TelecineError
from shared.failure import Failure
from shared.scrub import scrub
from shared.text import clean_data, clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["StageOutcome", "error_details", "of_exception", "of_report"]

VERSION: Final = 1
MAX_ERRORS: Final = 50
MAX_BYTES: Final = 64 * 1024
TRACEBACK_CHARS: Final = 4000
SIGINT: Final = 2


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """The end of a stage: the columns of `run_stages` that are set then."""

    status: str
    exit_code: int
    counts: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    details: Mapping[str, Any] | None = None
    output_hash: str | None = None
    manifest_key: str | None = None


def error_details(summary: Mapping[str, Any], failures: Iterable[Mapping[str, Any]], total: int = 0) -> dict[str, Any]:
    """Return the document for the column ``error_details``.

    Args:
        summary: the counts of the stage.
        failures: entries from :meth:`Failure.as_json`; the first 50 are kept, fewer if they exceed 64 KB.
        total: number of failures, if it is larger than the number of entries.
    """
    entries = list(failures)
    total = max(total, len(entries))
    kept: list[Mapping[str, Any]] = []
    document: dict[str, Any] = {
        "version": VERSION,
        "summary": clean_data(dict(summary)),
        "errors": kept,
        "truncated": total,
    }
    # jsonb stores text in about this form; a comma and a space per entry are counted as well.
    size = len(json.dumps(document)) + 8
    for entry in entries[:MAX_ERRORS]:
        size += len(json.dumps(entry, ensure_ascii=False).encode()) + 2
        if size > MAX_BYTES:
            break
        kept.append(entry)
    document["truncated"] = total - len(kept)
    return document


def of_report(report: Any, output_hash: str | None, manifest_key: str | None) -> StageOutcome:
    """Return the outcome that a report describes; only a clean success has no error fields.

    Args:
        report: a :class:`shared.report.Report`.
        output_hash: hash of the stage's output; None: the report's output ``output_hash``.
        manifest_key: key of the stage's output; None: the report's output ``manifest``.
    """
    failures: Sequence[Failure] = report.failures
    failed = len(failures) + report.failures_truncated
    message = None
    details = None
    if failed or report.status not in {"success", "skipped"}:
        details = error_details(report.counts, (failure.as_json() for failure in failures), failed)
        message = f"{failed} failed" if failed else report.status
        if failures:
            message += f"; first {failures[0].item}: {failures[0].code}: {failures[0].message}"
    return StageOutcome(
        status=report.status,
        exit_code=report.exit_code,
        counts=clean_data(
            {
                **({"items": report.items} if report.items else {}),
                **report.counts,
                **{f"bytes_{name}": value for name, value in report.bytes.items()},
            }
        ),
        message=None if message is None else clean_text(message),
        details=details,
        output_hash=output_hash or report.outputs.get("output_hash"),
        manifest_key=manifest_key or report.outputs.get("manifest"),
    )


def of_exception(error: BaseException, stage: str, recorded: Sequence[Failure], total: int) -> StageOutcome:
    """Return the outcome of a stage that ended with an exception.

    Args:
        error: :class:`Stopped` or KeyboardInterrupt mean that the stage was stopped; any other, that it failed.
        stage: used as the item of the error itself.
        recorded: item errors that the stage had recorded, which are kept as well.
        total: number of recorded item errors.
    """
    if isinstance(error, KeyboardInterrupt):
        error = Stopped(SIGINT)
    own = Failure.of(stage, error).as_json()
    if isinstance(error, Stopped):
        own["code"], own["message"], own["retryable"] = "stopped", str(error), True
        status = "cancelled" if error.signum == SIGINT else "interrupted"
        exit_code = error.exit_code
    elif isinstance(error, TelecineError):
        status, exit_code = "failed", error.exit_code
    else:
        status, exit_code = "failed", TelecineError.exit_code
        # Hidden before it is cut, since half a secret could not be recognised.
        lines = scrub("".join(traceback.format_exception(error)))
        own["traceback"] = clean_text(lines[-TRACEBACK_CHARS:], TRACEBACK_CHARS)
    details = error_details({}, [own, *(failure.as_json() for failure in recorded)], total + 1)
    return StageOutcome(status=status, exit_code=exit_code, message=own["message"], details=details)
