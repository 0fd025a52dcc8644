"""The server: a site on a port, for the command line or, in a thread of its own, for tests."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.trakt.replayer.site import Site
from jobs.trakt.replayer.wire import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.trakt.replayer.scenarios import Scenario

__all__ = ["Running", "listen", "running"]

_CONNECTIONS: Final = 512
# A connection that is idle, or whose answer hangs, ends after this long.
_IDLE_S: Final = 75.0
_SWEEP_S: Final = 5.0


async def listen(
    site: Site,
    host: str,
    port: int,
    *,
    ready: Callable[[int], None],
    stop: asyncio.Event,
    idle_s: float = _IDLE_S,
    hang_s: float = _IDLE_S,
) -> None:
    """Serve a site until ``stop`` is set.

    Args:
        site: what answers.
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        ready: called with the port.
        stop: ends it.
        idle_s: seconds after which a silent connection ends.
        hang_s: seconds after which one whose answer hangs ends.

    Raises:
        OSError: the address is in use, or not of this machine.
    """
    loop = asyncio.get_running_loop()
    connections: set[Connection] = set()

    def connect() -> asyncio.Protocol:
        # At the limit, the connection that has been silent for longest is closed to make room.
        if len(connections) >= _CONNECTIONS:
            min(connections, key=lambda each: each.active).close()
        return Connection(site, connections)

    server = await loop.create_server(connect, host, port)
    try:
        ready(server.sockets[0].getsockname()[1])
        while not stop.is_set():
            now = loop.time()
            for connection in [each for each in connections if now - each.active > (hang_s if each.hangs else idle_s)]:
                connection.close()
            try:
                await asyncio.wait_for(stop.wait(), min(_SWEEP_S, idle_s, hang_s))
            except TimeoutError:
                continue
    finally:
        server.close()
        for connection in list(connections):
            connection.close()
        await server.wait_closed()
        # Aborted connections are forgotten in the next turn of the loop.
        await asyncio.sleep(0)


class Running:
    """A site that is being served.

    Attributes:
        site: the site. Its truth and its journal may be read between requests.
        port: where it listens.
    """

    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        self.port = port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(
    name: str,
    seed: int = 1,
    *,
    speed: float = 0.0,
    quota: int = 500,
    step: int = 200,
    idle_s: float = _IDLE_S,
    hang_s: float = _IDLE_S,
    plan: Scenario | None = None,
) -> Iterator[Running]:
    """Serve a scenario on a free port of 127.0.0.1 in a thread, until the block ends.

    Args:
        name: of the scenario.
        seed: of the site.
        speed: virtual seconds per real second; 0 never reads the real clock.
        quota: GETs per key in any 300 s; 0 lifts it.
        step: milliseconds that a request moves the clock.
        idle_s: seconds after which a silent connection ends.
        hang_s: seconds after which one whose answer hangs ends.
        plan: served instead of the scenario with that name.
    """
    site = Site(name, seed, speed=speed, quota=quota, step=step, plan=plan)
    started = threading.Event()
    found: list[int] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failures: list[BaseException] = []

    def ready(port: int) -> None:
        found.append(port)
        started.set()

    async def serve() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await listen(site, "127.0.0.1", 0, ready=ready, stop=stop, idle_s=idle_s, hang_s=hang_s)

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work, name="trakt-replayer", daemon=True)
    thread.start()
    started.wait()
    if failures:
        raise failures[0]
    try:
        yield Running(site, found[0])
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failures:
        raise failures[0]
