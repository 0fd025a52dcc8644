"""Messages between a process and its child: a JSON document followed by raw buffers, without pickles.

The child reads hostile input, so its parent must not trust it: a pickle could run code in the parent.

.. code-block:: text

    message   u32 length of the document, u32 number of buffers, u64 length of each; the document; the buffers
"""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

__all__ = ["MAX_BYTES", "Channel"]

_HEADER: Final = struct.Struct("<II")
_MAX_DOCUMENT: Final = 64 * 1024 * 1024
_MAX_BUFFERS: Final = 1 << 20
MAX_BYTES: Final = 8 * 1024**3
"""Maximum total of all buffers of one message, unless a channel has its own."""


class Channel:
    """One end of a stream socket.

    Args:
        end: the socket; closed with the channel.
        max_bytes: maximum total size of the buffers in one received message.
    """

    def __init__(self, end: socket.socket, *, max_bytes: int = MAX_BYTES) -> None:
        self._end = end
        self._max_bytes = max_bytes

    def send(self, document: dict[str, Any], buffers: Sequence[Any] = (), *, until: float | None = None) -> None:
        """Send one message.

        Args:
            document: JSON values.
            buffers: bytes-like objects.
            until: raise TimeoutError when ``time.monotonic()`` reaches this.
        """
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        text = json.dumps(document).encode()
        head = _HEADER.pack(len(text), len(views)) + struct.pack(f"<{len(views)}Q", *(len(view) for view in views))
        self._wait(until)
        self._end.sendall(head + text)
        for view in views:
            self._wait(until)
            self._end.sendall(view)

    def receive(self, *, until: float | None = None) -> tuple[dict[str, Any], list[bytearray]]:
        """Receive one message.

        Args:
            until: raise TimeoutError when ``time.monotonic()`` reaches this.

        Raises:
            EOFError: the other end is closed.
            ValueError: the data is not a message.
        """
        length, count = _HEADER.unpack(self._exactly(_HEADER.size, until))
        if length > _MAX_DOCUMENT or count > _MAX_BUFFERS:
            raise ValueError(f"a document of {length} bytes with {count} buffers exceeds the limits")
        sizes = struct.unpack(f"<{count}Q", self._exactly(8 * count, until))
        if sum(sizes) > self._max_bytes:
            raise ValueError(f"buffers of {sum(sizes)} bytes exceed the limit of {self._max_bytes}")
        document = json.loads(self._exactly(length, until))
        if not isinstance(document, dict):
            raise ValueError("the message is not a JSON object")  # noqa: TRY004  callers handle one kind of broken message
        return document, [self._exactly(size, until) for size in sizes]

    def close(self) -> None:
        """Close this end; the other end then reads the end of the stream."""
        self._end.close()

    def _wait(self, until: float | None) -> None:
        if until is None:
            self._end.settimeout(None)
            return
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._end.settimeout(remaining)

    def _exactly(self, size: int, until: float | None) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            self._wait(until)
            count = self._end.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return data
