"""When a step is tried again (DESIGN §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hera.workflows.models import Backoff, RetryStrategy

from shared.errors import EXIT_TRANSIENT
from workflows._lib.variables import EXIT_CODE, RETRIES, RETRY_STATUS

__all__ = ["EXPRESSION", "LIMIT", "PATIENT", "PROMPT", "Pauses", "retry"]

# Three attempts.
LIMIT: Final = 2
_SIGTERM: Final = 143
# Mostly out of memory. The second attempt may have another node, or other neighbours; a third would be no other.
_SIGKILL: Final = 137

# Not a process's own: runc could not start the container, and containerd met one again after its node had gone down.
_POD_ERRORS: Final = (128, 255)

# Argo hands all of these over as text; `Error` is a pod that was deleted, evicted before its start, or lost its node.
EXPRESSION: Final = (
    f"{RETRY_STATUS} == 'Error'"
    f" || asInt({EXIT_CODE}) in {[EXIT_TRANSIENT, _SIGTERM, *_POD_ERRORS]}"
    f" || (asInt({EXIT_CODE}) == {_SIGKILL} && asInt({RETRIES}) == 0)"
)


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long Argo waits before the next attempt.

    It waits also before it finds that there is none (4.0.2): a step with a wrong parameter is Failed only then.

    Attributes:
        first: before the second attempt.
        factor: by which the next pause is longer.
    """

    first: str
    factor: int


# An attempt that failed may have cost minutes, and a node that went away takes some to be replaced.
PATIENT: Final = Pauses("20s", 2)
# An attempt costs seconds, and someone waits for what it says.
PROMPT: Final = Pauses("5s", 3)


def retry(pauses: Pauses = PATIENT) -> RetryStrategy:
    """Return the retries of a step.

    ``cap`` and not ``maxDuration``: Argo makes of the latter a deadline for the pods themselves, counted from the first
    one's start, which would end a long step's second attempt.

    Args:
        pauses: between the attempts.
    """
    return RetryStrategy(
        limit=LIMIT,
        retry_policy="Always",
        expression=EXPRESSION,
        backoff=Backoff(duration=pauses.first, factor=pauses.factor, cap="5m"),
    )
