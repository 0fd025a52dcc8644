"""Argo's ``{{workflow.failures}}``: the nodes of a Workflow that failed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NodeFailure", "first", "parse", "was_stopped"]

_ATTEMPT: Final = re.compile(r"\(\d+\)$")
_EXIT_CODE: Final = re.compile(r"exit code (\d+)")
# Argo 4.0 writes both: of nodes that had not begun, and of pods that it ended.
_STOPPED: Final = re.compile(r"(?:shutdown|stopped) with strategy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """One node.

    Attributes:
        step: its name, without the number of the attempt.
        message: Argo's, such as ``Error (exit code 78)``.
        phase: Failed or Error.
        pod: its pod; empty for nodes that only hold others.
        at: when it ended, as Argo writes it.
    """

    step: str
    message: str
    phase: str
    pod: str
    at: str

    @property
    def exit_code(self) -> int | None:
        """The exit code that the message tells."""
        match = _EXIT_CODE.search(self.message)
        return int(match[1]) if match else None


def parse(text: str) -> list[NodeFailure]:
    """Read the list, in the order in which the nodes ended; what cannot be read is one failure with the text itself.

    Argo hands the list over as a quoted JSON string or as plain JSON, depending on where it is filled in, and ``null``
    where nothing failed; without a substitution the variable's own name is what comes.
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
    """Whether a person stopped the Workflow (``argo stop``)."""
    return any(_STOPPED.search(failure.message) for failure in failures)


def first(failures: list[NodeFailure]) -> NodeFailure | None:
    """Return the node to tell of: of the first step whose pod ended with an exit code, the last attempt."""
    told = [failure for failure in failures if failure.message]
    pods = [failure for failure in told if failure.exit_code is not None]
    chosen = next(iter(pods or told or failures), None)
    if chosen is None:
        return None
    return [failure for failure in pods or told or failures if failure.step == chosen.step][-1]
