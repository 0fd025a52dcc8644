"""The step ``replayer``: serve a scenario until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from jobs.trakt.replayer.server import listen
from jobs.trakt.replayer.site import Site
from shared.errors import UsageError
from shared.streams import write_out

if TYPE_CHECKING:
    from jobs.trakt.settings import ReplayerSettings

__all__ = ["serve"]


def serve(settings: ReplayerSettings) -> str:
    """Serve the scenario; return after SIGINT or SIGTERM, which is how a server ends well.

    Raises:
        UsageError: the address cannot be listened on.
    """
    try:
        requests = asyncio.run(_serve(settings))
    except OSError as error:
        raise UsageError(
            f"--host {settings.host} --port {settings.port} cannot be listened on: {error.strerror or error}; "
            "expected an address of this machine and a free port; pass --port 0 to pick one"
        ) from error
    return f"{requests} requests served."


async def _serve(settings: ReplayerSettings) -> int:
    site = Site(settings.scenario, settings.seed, speed=settings.speed, quota=settings.quota)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        write_out(f"http://{host}:{port} serves scenario {settings.scenario}, seed {settings.seed}")
        sys.stdout.flush()

    await listen(site, settings.host, settings.port, ready=ready, stop=stop)
    return site.journal.requests
