"""The command `telecine runs close` of the exit hook: close the run, then announce waiting viewership uploads.

In a cluster, only the hook's pod has the secrets of the channels and may reach them. The pod that reads files has
neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.notify.commands import close as close_run

if TYPE_CHECKING:
    from shared.notify.settings import CloseSettings

__all__ = ["close"]

# Workflows with the steps of viewership.
_WITH_UPLOADS: Final = ("viewership", "media")


def close(settings: CloseSettings) -> str:
    """End the run in the ledger, and notify people of a failure and of uploads that wait; once, however often it runs.

    Raises:
        UsageError: the run id is missing.
        TransientError: the database or a channel does not answer.
        ConfigurationError: a channel rejects the message.
    """
    try:
        text = close_run(settings)
    finally:
        # A channel that refuses the first message may accept the second, and this one raises nothing.
        announced = _announce(settings)
    return text + (f"; announced uploads by {', '.join(announced)}" if announced else "")


def _announce(settings: CloseSettings) -> list[str]:
    if settings.of not in _WITH_UPLOADS or not settings.run_id:
        return []
    from jobs.viewership.arrival.notices import notify_waiting

    return notify_waiting(settings, settings.run_id, settings)
