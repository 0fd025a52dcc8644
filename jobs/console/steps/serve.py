"""The command ``console``: serve the app until a signal ends it."""

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

__all__ = ["serve"]

# A browser sends the head of a request at once.
HEAD_S: Final = 20.0


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn raises them again, and a server that was told to stop ended well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


class _Connection(H11Protocol):
    """A connection that is closed if the head of a request does not arrive in time.

    uvicorn waits for the first request, and for the end of a head that has begun, for as long as the client likes; as
    many such connections as ``limit_concurrency`` would keep everyone out.
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


def _listen(host: str, port: int) -> socket.socket:
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
    """Serve the app; return after SIGINT or SIGTERM once its requests have finished. A second signal ends them at once.

    Raises:
        ConfigurationError: the mode of access would not protect anything, or a pod sets none.
        UsageError: the address cannot be listened on.
    """
    app = create(settings)
    if is_embedded(settings):
        # The embedded server starts, and is migrated; any other one may come later.
        ready(settings)
    try:
        listener = _listen(settings.host, settings.port)
    except (OSError, ValueError) as error:
        # ValueError: a name with NUL, or with a label that DNS does not have.
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host {one_line(settings.host)} --port {settings.port} cannot be listened on: {reason}; "
            "expected an address of this machine and a free port; pass --port 0 to pick one"
        ) from error
    with listener:
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        with printing():
            # At once, also into a pipe or a pod's log; the console serves on if it is closed.
            write_out(f"The console is at {settings.public_url or f'http://{host}:{port}'} (access: {settings.mode}).")
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
        http=_Connection,
        # Nothing here speaks it, whichever library is installed.
        ws="none",
        h11_max_incomplete_event_size=32 * 1024,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if server.should_exit:
            # Threads that wait for the database cannot be interrupted; an open transaction ends with its connection.
            sys.stdout.flush()
            os._exit(128 + number)
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    await server.serve(sockets=[listener])
