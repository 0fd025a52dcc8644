"""The semaphore that limits concurrent runs of a pipeline (`limits`), and mutexes of steps: further ones wait."""

from __future__ import annotations

from hera.workflows.models import ConfigMapKeySelector, Mutex, SemaphoreRef, Synchronization

from workflows._lib.names import CONFIG_LIMITS

__all__ = ["one_mutex", "one_semaphore"]


def one_semaphore(key: str) -> Synchronization:
    """Return the semaphore of a Workflow. A second run waits before its first step; its message names the semaphore.

    There is only one, because Workflows with several can leave stale entries in the controller's queue
    (argo-workflows #17013).

    Args:
        key: key in the ConfigMap ``telecine-limits``.
    """
    return Synchronization(
        semaphores=[SemaphoreRef(config_map_key_ref=ConfigMapKeySelector(name=CONFIG_LIMITS, key=key))]
    )


def one_mutex(name: str) -> Synchronization:
    """Return the mutex of a template: of all its pods in the namespace, retries included, one runs at a time.

    Args:
        name: name of the mutex; templates with the same name exclude each other.
    """
    return Synchronization(mutexes=[Mutex(name=name)])
