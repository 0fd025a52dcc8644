"""The retry strategy of a step: exit codes to retry (75, 143; 137 once), and delays: `pauses=` PROMPT or PATIENT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hera.workflows.models import Backoff, RetryStrategy

from shared.errors import EXIT_TRANSIENT
from workflows._lib.variables import EXIT_CODE, RETRIES, RETRY_STATUS

__all__ = ["EXPRESSION", "LIMIT", "PATIENT", "PROMPT", "Pauses", "retry"]

# Retries, so three attempts.
LIMIT: Final = 2
_SIGTERM: Final = 143
# Usually out of memory. A second attempt may run on another node or alongside other pods; a third is unlikely to help.
_SIGKILL: Final = 137

# Exit codes that do not come from the step: runc failed to start the container (128), or containerd found it stopped
# after a node restart (255).
_POD_ERRORS: Final = (128, 255)

# Argo passes all of these variables as text. `Error`: the pod was deleted, evicted before it started, or lost its node.
EXPRESSION: Final = (
    f"{RETRY_STATUS} == 'Error'"
    f" || asInt({EXIT_CODE}) in {[EXIT_TRANSIENT, _SIGTERM, *_POD_ERRORS]}"
    f" || (asInt({EXIT_CODE}) == {_SIGKILL} && asInt({RETRIES}) == 0)"
)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Backoff between attempts.

    Argo 4.0.7 also waits before it decides not to retry, so a step with an invalid parameter fails only after a pause.

    Attributes:
        first: pause before the second attempt.
        factor: multiplier for each further pause.
    """

    first: str
    factor: int


# For steps that run for minutes; replacing a lost node takes as long.
PATIENT: Final = Pauses("20s", 2)
# For steps that take seconds and whose result a user is waiting for.
PROMPT: Final = Pauses("5s", 3)


def retry(pauses: Pauses = PATIENT) -> RetryStrategy:
    """Return the retry strategy of a step.

    It sets ``cap`` rather than ``maxDuration``. Argo applies the latter to the pods themselves, as a deadline from the
    start of the first one, and would stop the second attempt of a long step.

    Args:
        pauses: backoff between attempts.
    """
    return RetryStrategy(
        limit=LIMIT,
        retry_policy="Always",
        expression=EXPRESSION,
        backoff=Backoff(duration=pauses.first, factor=pauses.factor, cap="5m"),
    )
