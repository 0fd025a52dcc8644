"""Interpret a RayJob's status, without side effects: its phase, its exit code, a deadline that it missed.

``jobDeploymentStatus`` decides: ``jobStatus`` passes through FAILED before another attempt, and is empty if a cluster
never came up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.errors import EXIT_CONFIGURATION, EXIT_OK, EXIT_TRANSIENT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["End", "Phase", "end_of", "phase_of"]

Phase = Literal["starting", "running", "succeeded", "ended"]

_STARTING: Final = frozenset({"", "Initializing", "Waiting", "Retrying", "Suspending", "Suspended"})
# The wording of Ray's job supervisor; KubeRay copies it into status.message.
_EXIT_CODE: Final = re.compile(r"failed with exit code (-?\d+)")
_KILLED: Final = 137
_DEADLINES: Final = {
    "PreRunningDeadlineExceeded": "its pods were not all running by the deadline (TELECINE_RAY_START_DEADLINE_S)",
    "DeadlineExceeded": "it did not end by the deadline (TELECINE_RAY_DEADLINE_S)",
}


@dataclass(frozen=True, slots=True)
class End:
    """The end of a RayJob.

    Attributes:
        exit_code: the launcher's exit code, unless the driver's report has a more severe one.
        reason: one clause, for people.
        own: the driver ended by itself, and the exit code is its own.
    """

    exit_code: int
    reason: str
    own: bool = False


def phase_of(status: Mapping[str, Any]) -> Phase:
    """Return the phase of a RayJob.

    Args:
        status: the object's ``status``; empty until the operator has seen it.
    """
    deployment = status.get("jobDeploymentStatus") or ""
    if deployment in _STARTING:
        return "starting"
    if deployment == "Complete":
        return "succeeded" if status.get("jobStatus") == "SUCCEEDED" else "ended"
    if deployment in ("Failed", "ValidationFailed"):
        return "ended"
    # Running, and whatever else a later KubeRay may report before the end.
    return "running"


def end_of(status: Mapping[str, Any]) -> End:
    """Return how an ended RayJob ended.

    If the driver did not end by itself, the cluster is to blame and a retry may succeed: 75.

    Args:
        status: the object's ``status``, in phase ``succeeded`` or ``ended``.
    """
    if phase_of(status) == "succeeded":
        return End(EXIT_OK, "the driver succeeded", own=True)
    deployment, reason = status.get("jobDeploymentStatus"), status.get("reason") or ""
    message = str(status.get("message") or "").strip()
    if deployment == "ValidationFailed":
        return End(EXIT_CONFIGURATION, f"KubeRay rejects the RayJob: {message}")
    outside = "something else stopped the job" if status.get("jobStatus") == "STOPPED" else _DEADLINES.get(reason)
    if outside:
        return End(EXIT_TRANSIENT, outside)
    if match := _EXIT_CODE.search(message):
        code = int(match[1])
        if code < 0 or code == _KILLED:
            return End(EXIT_TRANSIENT, "the driver was killed; a common cause is too little TELECINE_RAY_HEAD_MEMORY")
        return End(code, f"the driver ended with exit code {code}", own=True)
    detail = ": ".join(part for part in (reason, message.splitlines()[0] if message else "") if part)
    return End(EXIT_TRANSIENT, f"the Ray cluster failed ({detail or 'no reason given'})")
