"""A bounded pipe from the event loop to the thread that writes to the store."""

from __future__ import annotations

import asyncio
import io
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from shared.storage.protocol import ObjectInfo, ObjectStore

__all__ = ["Pipe"]

# Pieces of 1 MiB between the two: the sender waits for the store, and the client for the sender.
_PIECES: Final = 4


class _Aborted(Exception):
    """The sender gave up; the store discards what it has."""


class _Body(io.RawIOBase):
    """The thread's end. It is not seekable, so stores read it once and in small parts."""

    def __init__(self, taken: Callable[[], None]) -> None:
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._taken = taken
        self._held = b""
        self._ended = False

    def put(self, piece: bytes | None) -> None:
        """Add a piece; empty is the end, None gives up."""
        self._queue.put(piece)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        if not self._held and not self._ended:
            piece = self._queue.get()
            if piece is None:
                raise _Aborted
            self._held, self._ended = piece, not piece
            self._taken()
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        return size


class Pipe:
    """An object that is written to a store while its bytes arrive.

    Args:
        store: the bucket.
        key: of the object.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_PIECES)
        self._done: asyncio.Future[ObjectInfo] = loop.create_future()

        def taken() -> None:
            loop.call_soon_threadsafe(self._room.release)

        def settle(info: ObjectInfo | None, error: BaseException | None) -> None:
            if self._done.done():
                return
            if info is not None:
                self._done.set_result(info)
            else:
                self._done.set_exception(error or _Aborted())

        def work() -> None:
            info, failed = None, None
            try:
                info = store.put(key, self._body)  # type: ignore[arg-type]  # a raw stream is all that stores read
            except BaseException as error:  # noqa: BLE001 - raised again by `send` and `finish`
                failed = error
            loop.call_soon_threadsafe(settle, info, failed)

        self._body = _Body(taken)
        threading.Thread(target=work, name="intake", daemon=True).start()

    async def send(self, piece: bytes) -> None:
        """Hand over a piece, waiting while the store is behind.

        Raises:
            TelecineError: the store failed.
        """
        waiting = asyncio.ensure_future(self._room.acquire())
        try:
            await asyncio.wait((waiting, self._done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiting.done():
                waiting.cancel()
        if self._done.done():
            self._done.result()
        self._body.put(piece)

    async def finish(self) -> ObjectInfo:
        """Wait until the object is complete and visible.

        Raises:
            TelecineError: the store failed.
        """
        self._body.put(b"")
        return await asyncio.shield(self._done)

    async def abort(self) -> None:
        """Give up: wait until the store has discarded what it has."""
        self._body.put(None)
        await asyncio.wait((self._done,))
        self._done.exception()
