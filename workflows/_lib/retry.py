"""When a step is tried again (DESIGN §5)."""

from __future__ import annotations

from typing import Final

from hera.workflows.models import Backoff, RetryStrategy

from shared.errors import EXIT_TRANSIENT

__all__ = ["EXPRESSION", "LIMIT", "retry"]

# Three attempts.
LIMIT: Final = 2
_SIGTERM: Final = 143
# Mostly out of memory. The second attempt may have another node, or other neighbours; a third would be no other.
_SIGKILL: Final = 137

# Argo hands all of these over as text; `Error` is a pod that was deleted, evicted before its start, or lost its node.
EXPRESSION: Final = (
    "lastRetry.status == 'Error'"
    f" || asInt(lastRetry.exitCode) in [{EXIT_TRANSIENT}, {_SIGTERM}]"
    f" || (asInt(lastRetry.exitCode) == {_SIGKILL} && asInt(retries) == 0)"
)


def retry() -> RetryStrategy:
    """Return the retries of every step.

    ``cap`` and not ``maxDuration``: Argo makes of the latter a deadline for the pods themselves, counted from the first
    one's start, which would end a long step's second attempt.
    """
    return RetryStrategy(
        limit=LIMIT,
        retry_policy="Always",
        expression=EXPRESSION,
        backoff=Backoff(duration="20s", factor=2, cap="5m"),
    )
