"""The command ``console``: serve the app until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn

from jobs.console.app import create
from shared.database.connection import is_embedded
from shared.database.migrate import ready
from shared.errors import UsageError
from shared.streams import write_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.console.settings import ConsoleSettings

__all__ = ["serve"]


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn raises them again, and a server that was told to stop ended well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def serve(settings: ConsoleSettings) -> str:
    """Serve the app; return after SIGINT or SIGTERM once its requests have finished.

    Raises:
        ConfigurationError: the mode of access would not protect anything, or a pod sets none.
        UsageError: the address cannot be listened on.
    """
    app = create(settings)
    if is_embedded(settings):
        # The embedded server starts, and is migrated; any other one may come later.
        ready(settings)
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=1_024)
    except OSError as error:
        raise UsageError(
            f"--host {settings.host} --port {settings.port} cannot be listened on: {error.strerror or error}; "
            "expected an address of this machine and a free port; pass --port 0 to pick one"
        ) from error
    with listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        write_out(f"The console is at {settings.public_url or f'http://{host}:{port}'} (access: {settings.mode}).")
        # A program that reads the address through a pipe waits for it.
        sys.stdout.flush()
        asyncio.run(_run(app, listener, settings))
    return "The console stopped."


async def _run(app: Any, listener: socket.socket, settings: ConsoleSettings) -> None:
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        # The gate reads the peer's own address; headers about it are the mode proxy's business.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_s,
        timeout_keep_alive=20,
        limit_concurrency=256,
        h11_max_incomplete_event_size=32 * 1024,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The second signal ends requests that still run.
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listener])
