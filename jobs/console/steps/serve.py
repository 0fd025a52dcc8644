"""The command ``console``: serve the app until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from jobs.console.app import create
from shared.database.connection import is_embedded
from shared.database.migrate import ready
from shared.errors import UsageError
from shared.step.guard import printing
from shared.streams import write_out
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.console.settings import ConsoleSettings

__all__ = ["listen", "serve", "server"]

# Browsers send the head of a request at once.
HEAD_S: Final = 20.0


class _Server(uvicorn.Server):
    """A server that does not handle signals: uvicorn would raise them again, but a requested stop is a success."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


class _Connection(H11Protocol):
    """A connection that is closed unless the head of a request arrives in time.

    uvicorn waits without a limit for the first request and for the rest of a head. ``limit_concurrency`` such
    connections would lock out all users.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    It names its protocol, as ``socket.create_server`` does not: asyncio turns off Nagle's algorithm only for such
    sockets. With it, each answer would wait 40 ms for the client's delayed acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1_024)
    except BaseException:
        listener.close()
        raise
    return listener


def serve(settings: ConsoleSettings) -> str:
    """Serve the app until SIGINT or SIGTERM, then finish open requests; a second signal aborts them.

    Raises:
        ConfigurationError: the access mode would not protect the console, or is not set in a pod.
        UsageError: it cannot listen on the address.
    """
    app = create(settings)
    if is_embedded(settings):
        # Starts and migrates the embedded server; any other server may become available later.
        ready(settings)
    try:
        listener = listen(settings.host, settings.port)
    except (OSError, ValueError) as error:
        # ValueError: the name contains NUL or an invalid DNS label.
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host {one_line(settings.host)} --port {settings.port} cannot be used: {reason}; "
            "expected an address of this machine and a free port; pass --port 0 to pick one"
        ) from error
    with listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        with printing():
            # Flush, because stdout may be a pipe or a pod's log; if it is closed, keep serving.
            write_out(f"The console is at {settings.public_url or f'http://{host}:{port}'} (access: {settings.mode}).")
        asyncio.run(_run(app, listener, settings))
    return "The console stopped."


def server(app: Any, settings: ConsoleSettings) -> uvicorn.Server:
    """Return a server of the app that does not handle signals."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        # Keep the peer's own address; forwarding headers are read by the access mode only.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_s,
        timeout_keep_alive=20,
        limit_concurrency=256,
        http=_Connection,
        # No WebSockets, whichever library is installed.
        ws="none",
        h11_max_incomplete_event_size=32 * 1024,
    )
    return _Server(config)


async def _run(app: Any, listener: socket.socket, settings: ConsoleSettings) -> None:
    console = server(app, settings)
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if console.should_exit:
            # Threads waiting for the database cannot be interrupted; closing the connection rolls back the transaction.
            sys.stdout.flush()
            os._exit(128 + number)
        console.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    await console.serve(sockets=[listener])
