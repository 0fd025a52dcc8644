"""The messages between a worker and its decoder process: a JSON document followed by raw buffers, without pickles.

The child decodes hostile input, so the worker must not trust it: a pickle could run code in the worker.

.. code-block:: text

    message   u32 length of the document, u32 number of buffers, u64 length of each; the document; the buffers
    worker    {"kind": "extract", "size", "spec", "max_pixels", "measure"}    {"kind": "data"} + one buffer per range
              {"kind": "decode", "packets", "height", "width", "rotation"} + arrays    {"kind": "picture"} + the file
    child     {"kind": "ready", "sandbox"}    {"kind": "read", "ranges": [[offset, length], …]}
              {"kind": "done", "value"; "luma" of a session} + arrays    {"kind": "error", "code", "message", "data"}
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.model import (
    FrameStatistics,
    FrameStore,
    InputStatistics,
    PacketRuns,
    SampleTimes,
    Session,
    StreamParameters,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

__all__ = ["Channel", "pack", "unpack"]

_HEADER: Final = struct.Struct("<II")
_MAX_DOCUMENT: Final = 64 * 1024 * 1024
_MAX_BUFFERS: Final = 1 << 20
# Maximum total of all buffers of one message. A session of 600 frames at 4096x2160 has 16 GB, but that does not fit
# into a child anyway.
_MAX_BYTES: Final = 8 * 1024**3
_CLASSES: Final[dict[str, type]] = {
    cls.__name__: cls
    for cls in (FrameStatistics, FrameStore, InputStatistics, PacketRuns, SampleTimes, Session, StreamParameters)
}
_DTYPES: Final = frozenset({"uint8", "int64", "float32", "float64", "bool"})


class Channel:
    """One end of a stream socket.

    Args:
        end: the socket; closed with the channel.
        max_bytes: maximum total size of the buffers in one received message.
    """

    def __init__(self, end: socket.socket, *, max_bytes: int = _MAX_BYTES) -> None:
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


def pack(value: Any, buffers: list[Any]) -> Any:
    """Convert a session (or any class of the model) to JSON values; arrays and bytes are appended to ``buffers``."""
    if is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        return {"class": name, "of": {item.name: pack(getattr(value, item.name), buffers) for item in fields(value)}}
    if isinstance(value, np.ndarray):
        buffers.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        return {"array": len(buffers) - 1, "dtype": value.dtype.name, "shape": list(value.shape)}
    if isinstance(value, bytes):
        buffers.append(value)
        return {"bytes": len(buffers) - 1}
    if isinstance(value, dict):
        return {"pairs": [[pack(key, buffers), pack(item, buffers)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"items": [pack(item, buffers) for item in value], "tuple": isinstance(value, tuple)}
    return value


def unpack(value: Any, buffers: Sequence[bytearray]) -> Any:
    """Return the value that :func:`pack` converted.

    Raises:
        ValueError, KeyError, IndexError, TypeError: the document was not made by :func:`pack`.
    """
    if not isinstance(value, dict):
        return value
    if "class" in value:
        cls = _CLASSES[value["class"]]
        return cls(**{name: unpack(item, buffers) for name, item in value["of"].items()})
    if "array" in value:
        if value["dtype"] not in _DTYPES:
            raise ValueError(f"the array type {value['dtype']!r} is not allowed")
        return np.frombuffer(buffers[value["array"]], np.dtype(value["dtype"])).reshape(value["shape"])
    if "bytes" in value:
        return bytes(buffers[value["bytes"]])
    if "pairs" in value:
        return {unpack(key, buffers): unpack(item, buffers) for key, item in value["pairs"]}
    items = [unpack(item, buffers) for item in value["items"]]
    return tuple(items) if value["tuple"] else items
