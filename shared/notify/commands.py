"""The command `telecine runs close` of the exit hook: end the run, then notify each channel as `notify.on` says."""

from __future__ import annotations

import functools
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError, TelecineError, UsageError
from shared.ledger import closing
from shared.ledger.run_id import check_run_id
from shared.notify.channels import channels
from shared.notify.failures import NodeFailure, first, parse, was_stopped
from shared.notify.message import FIRST_ERRORS, ErrorLine, Notification
from shared.report import outputs
from shared.text import MESSAGE_CHARS, clean_text

if TYPE_CHECKING:
    from shared.ledger.closing import Closed
    from shared.notify.settings import CloseSettings

__all__ = ["close"]

_LOG: Final = logging.getLogger(__name__)
_CODES: Final = {
    2: "usage",
    65: "data_invalid",
    70: "internal",
    75: "transient",
    78: "configuration",
    137: "killed",
    143: "stopped",
}


def close(settings: CloseSettings) -> str:
    """End the run in the ledger as its Workflow ended, write the hook's outputs, and notify people of a failure.

    Calling it again sends nothing twice.

    Raises:
        UsageError: the run id is missing.
        TransientError: the database or a channel does not answer.
        ConfigurationError: a channel rejects the message.
    """
    if not settings.run_id:
        raise UsageError("telecine runs close: --run-id is missing; in a hook it is {{workflow.uid}}")
    check_run_id(settings.run_id)
    failures = parse(settings.failures)
    failed = settings.workflow_status != "Succeeded"
    node = first(failures)
    status = ("cancelled" if was_stopped(failures) else "failed") if failed else None
    message = None
    if failed:
        message = "the Workflow was stopped" if status == "cancelled" else _describe(node)
    closed = closing.close(settings, settings.run_id, settings.of, status=status, message=message)
    _outputs(closed)
    left_out = max(0, (settings.failures_total or 0) - len(failures))
    sent = _notify(settings, closed, node, left_out, failed=status == "failed")
    return f"run {settings.run_id}: {closed.status}" + (f"; notified by {', '.join(sent)}" if sent else "")


def _describe(node: NodeFailure | None) -> str:
    return f"{node.step}: {node.message or node.phase}" if node is not None else "the Workflow failed"


def _and_more(message: str, left_out: int) -> str:
    """Return the message with the number of failed nodes that the hook's list had no room for."""
    if not left_out:
        return message
    # The notification itself is cut to the same length, at its end.
    return f"{clean_text(message, MESSAGE_CHARS - 100)} (and {left_out} more failed nodes, which the hook left out)"


def _outputs(closed: Closed) -> None:
    items = [
        {"pipeline": pipeline, "outcome": outcome, "count": count}
        for pipeline, (total, failed) in closed.items.items()
        for outcome, count in (("done", max(0, total - failed)), ("failed", failed))
    ]
    rejects = [{"pipeline": pipeline, "code": code, "count": count} for pipeline, code, count in closed.rejects]
    outputs.put({"status": closed.status, "items": json.dumps(items), "rejects": json.dumps(rejects)})


def _notify(
    settings: CloseSettings, closed: Closed, node: NodeFailure | None, left_out: int, *, failed: bool
) -> list[str]:
    wanted = {"failed": failed, "always": True, "never": False}[settings.notify_on]
    if not wanted:
        return []
    sent: list[str] = []
    errors: list[TelecineError] = []
    for channel, send in channels(settings).items():
        message = _message(settings, closed, node, left_out, channel, failed=failed)
        try:
            if closing.once(settings, message.run_id, channel, functools.partial(send, message, settings)):
                sent.append(channel)
        except TelecineError as error:  # the other channel may still work
            _LOG.error("%s: %s", channel, error.message)
            errors.append(error)
    if errors:
        # Prefer the transient error, so that the hook retries; a rejection needs an operator either way.
        raise next((error for error in errors if not isinstance(error, ConfigurationError)), errors[0])
    return sent


def _message(
    settings: CloseSettings, closed: Closed, node: NodeFailure | None, left_out: int, channel: str, *, failed: bool
) -> Notification:
    run_id = str(settings.run_id)
    # The ledger has the step's own message and code; if the step never started, only Argo knows.
    exit_code = closed.exit_code if closed.stage else node.exit_code if node else None
    code = closed.errors[0].get("code") if closed.errors else None
    if code is None and exit_code:
        code = _CODES.get(exit_code, "unknown")
    link = settings.notify_link
    names = {
        "namespace": settings.namespace,
        "workflow": settings.workflow,
        "run_id": run_id,
        "pipeline": closed.pipeline,
    }
    for name, value in names.items():
        link = link.replace(f"{{{name}}}", value or "") if link else None
    return Notification(
        id=f"{run_id}:{channel}",
        event="run.failed" if failed else "run.ended",
        pipeline=closed.pipeline,
        run_id=run_id,
        workflow=settings.workflow,
        namespace=settings.namespace,
        status=closed.status,
        step=closed.stage or (node.step if node else None),
        code=code,
        exit_code=exit_code,
        message=_and_more(closed.message or "", left_out),
        errors=[
            ErrorLine(
                item=str(error.get("item", "")), code=str(error.get("code", "")), message=str(error.get("message", ""))
            )
            for error in closed.errors[:FIRST_ERRORS]
        ],
        rejects={name: count for _, name, count in closed.rejects},
        link=link,
        at=datetime.now(UTC),
    )
