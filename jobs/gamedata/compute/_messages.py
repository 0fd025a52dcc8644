"""Messages between a pool and its worker processes: pickles, each preceded by its length.

Both ends run the same code with the same rights, and neither parses hostile input: decoder processes do that, and
answer with JSON (:mod:`shared.child.channel`).
"""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

__all__ = ["Answers", "pack", "read", "unpack", "write"]

_LENGTH: Final = struct.Struct("<Q")
_CHUNK: Final = 1 << 20


def pack(value: Any) -> bytes:
    """Return a value as the body of a message."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def unpack(body: bytes | bytearray) -> Any:
    """Return the value that the body of a message contains."""
    return pickle.loads(body)  # noqa: S301  see the docstring of this module


def write(end: socket.socket, body: bytes) -> None:
    """Send one message."""
    end.sendall(_LENGTH.pack(len(body)))
    end.sendall(body)


def read(end: socket.socket) -> bytes:
    """Wait for one message and return its body.

    Raises:
        EOFError: the other end is closed.
    """
    (length,) = _LENGTH.unpack(_exactly(end, _LENGTH.size))
    return _exactly(end, length)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = end.recv(min(_CHUNK, size - len(data)))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


class Answers:
    """The messages that arrive at one end, read without waiting: a worker may die after half of one.

    Args:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._data = bytearray()

    def next(self) -> bytearray | None:
        """Return the body of the next message, or None if it has not arrived completely.

        Raises:
            EOFError: the other end is closed.
        """
        import socket

        while True:
            if len(self._data) >= _LENGTH.size:
                end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
                if len(self._data) >= end:
                    body = self._data[_LENGTH.size : end]
                    del self._data[:end]
                    return body
            try:
                chunk = self._end.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except ConnectionError as error:
                raise EOFError from error
            if not chunk:
                raise EOFError
            self._data += chunk
