"""The thread that starts waiting runs and notices child processes that have ended."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.console.launch import child
from jobs.console.launch.start import reap, retry_waiting
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.console.launch.model import Ended
    from jobs.console.web.state import Console

__all__ = ["running"]

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 1.0
_RETRY_TICKS: Final = 5


@contextmanager
def running(console: Console) -> Iterator[None]:
    """Run the thread for the duration of the block; it uses one database connection."""
    if console.settings.launch_mode == "off":
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_loop, args=(console, stop), name="launches", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # A call of the Kubernetes API is not waited for: its launch is tried again.
        thread.join(timeout=2.0)


def _loop(console: Console, stop: threading.Event) -> None:
    unrecorded: list[Ended] = []
    tick = 0
    while not stop.wait(_TICK_S):
        tick += 1
        unrecorded += child.ended()
        try:
            while unrecorded:
                reap(console, unrecorded[0])
                del unrecorded[0]
            if tick % _RETRY_TICKS == 0:
                retry_waiting(console)
        except TelecineError as error:
            _LOG.debug("requested runs were not started and are tried again later: %s", error.message)
        except Exception:  # noqa: BLE001 - other launches can still be started
            _LOG.exception("requested runs cannot be started")
