"""Parse Argo's ``{{workflow.failures}}``: the failed nodes of a Workflow."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NodeFailure", "first", "parse", "was_stopped"]

_ATTEMPT: Final = re.compile(r"\(\d+\)$")
_EXIT_CODE: Final = re.compile(r"exit code (\d+)")
# Argo 4.0 writes both: the first for nodes that had not started, the second for pods that it ended.
_STOPPED: Final = re.compile(r"(?:shutdown|stopped) with strategy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """One failed node.

    Attributes:
        step: the node's name, without the number of the attempt.
        message: Argo's message, such as ``Error (exit code 78)``.
        phase: Failed or Error.
        pod: name of the pod; empty for nodes that only contain others.
        at: end time, as Argo writes it.
    """

    step: str
    message: str
    phase: str
    pod: str
    at: str

    @property
    def exit_code(self) -> int | None:
        """The exit code in the message."""
        match = _EXIT_CODE.search(self.message)
        return int(match[1]) if match else None


def parse(text: str) -> list[NodeFailure]:
    """Parse the list, sorted by end time; text that cannot be parsed becomes one failure with that text.

    Argo passes the list as a quoted JSON string or as plain JSON, depending on where it is substituted, and ``null`` if
    nothing failed; without substitution the variable's own name arrives.
    """
    value: Any = text.strip() or "[]"
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return [] if "{{" in value else [NodeFailure("workflow", str(value), "Failed", "", "")]
    found = [
        NodeFailure(
            step=_ATTEMPT.sub("", str(node.get("displayName") or node.get("templateName") or "workflow")),
            message=str(node.get("message") or ""),
            phase=str(node.get("phase") or ""),
            pod=str(node.get("podName") or ""),
            at=str(node.get("finishedAt") or ""),
        )
        for node in (value if isinstance(value, list) else [])
        if isinstance(node, dict)
    ]
    return sorted(found, key=lambda failure: failure.at)


def was_stopped(failures: list[NodeFailure]) -> bool:
    """Return whether a user stopped the Workflow (``argo stop``)."""
    return any(_STOPPED.search(failure.message) for failure in failures)


def first(failures: list[NodeFailure]) -> NodeFailure | None:
    """Return the node to report: the last attempt of the first step whose pod ended with an exit code."""
    explained = [failure for failure in failures if failure.message]
    pods = [failure for failure in explained if failure.exit_code is not None]
    chosen = next(iter(pods or explained or failures), None)
    if chosen is None:
        return None
    return [failure for failure in pods or explained or failures if failure.step == chosen.step][-1]
