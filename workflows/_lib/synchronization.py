"""How many runs of a pipeline go at once."""

from __future__ import annotations

from hera.workflows.models import ConfigMapKeySelector, SemaphoreRef, Synchronization

from workflows._lib.names import CONFIG_LIMITS

__all__ = ["one_semaphore"]


def one_semaphore(key: str) -> Synchronization:
    """Return the lock of a whole Workflow, so that the second run waits as a whole, and its message says for what.

    One lock only: templates with several can leave entries in the controller's queue (argo-workflows #17013).

    Args:
        key: of the ConfigMap ``telecine-limits``.
    """
    return Synchronization(
        semaphores=[SemaphoreRef(config_map_key_ref=ConfigMapKeySelector(name=CONFIG_LIMITS, key=key))]
    )
