"""What a RayJob's status means for the launcher; pure.

``jobDeploymentStatus`` decides (DESIGN §7): ``jobStatus`` passes through FAILED on the way to another try, and is empty
when a cluster never came up.
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
# How Ray's job supervisor says it; KubeRay copies it into status.message.
_EXIT_CODE: Final = re.compile(r"failed with exit code (-?\d+)")
_KILLED: Final = 137
_DEADLINES: Final = {
    "PreRunningDeadlineExceeded": "its pods were not all running by the deadline (TELECINE_RAY_START_DEADLINE_S)",
    "DeadlineExceeded": "it did not end by the deadline (TELECINE_RAY_DEADLINE_S)",
}


@dataclass(frozen=True, slots=True)
class End:
    """How a RayJob ended.

    Attributes:
        exit_code: what the launcher ends with, unless the driver's report says more.
        reason: one clause, for people.
        own: the driver ended itself, and its exit code is its own.
    """

    exit_code: int
    reason: str
    own: bool = False


def phase_of(status: Mapping[str, Any]) -> Phase:
    """Say where a RayJob is.

    Args:
        status: the object's ``status``; empty before the operator has seen it.
    """
    deployment = status.get("jobDeploymentStatus") or ""
    if deployment in _STARTING:
        return "starting"
    if deployment == "Complete":
        return "succeeded" if status.get("jobStatus") == "SUCCEEDED" else "ended"
    if deployment in ("Failed", "ValidationFailed"):
        return "ended"
    # Running, and whatever a later KubeRay may call its way to an end.
    return "running"


def end_of(status: Mapping[str, Any]) -> End:
    """Say how an ended RayJob ended.

    Whatever the driver did not end itself is the cluster's fault, and may go better the next time: 75.

    Args:
        status: the object's ``status``, of phase ``succeeded`` or ``ended``.
    """
    if phase_of(status) == "succeeded":
        return End(EXIT_OK, "the driver succeeded", own=True)
    deployment, reason = status.get("jobDeploymentStatus"), status.get("reason") or ""
    message = str(status.get("message") or "").strip()
    if deployment == "ValidationFailed":
        return End(EXIT_CONFIGURATION, f"KubeRay refuses the RayJob: {message}")
    outside = "the job was stopped from outside" if status.get("jobStatus") == "STOPPED" else _DEADLINES.get(reason)
    if outside:
        return End(EXIT_TRANSIENT, outside)
    if match := _EXIT_CODE.search(message):
        code = int(match[1])
        if code < 0 or code == _KILLED:
            return End(EXIT_TRANSIENT, "the driver was killed; too little TELECINE_RAY_HEAD_MEMORY is a common cause")
        return End(code, f"the driver ended with exit code {code}", own=True)
    said = ": ".join(part for part in (reason, message.splitlines()[0] if message else "") if part)
    return End(EXIT_TRANSIENT, f"the Ray cluster failed ({said or 'no reason is given'})")
