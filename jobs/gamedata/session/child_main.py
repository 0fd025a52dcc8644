"""Entry point of the decoder process: limit memory, drop access to files and network, then decode TARs on request.

Before the first byte of input it gives up files, the network and other processes (:mod:`shared.sandbox`).

Started by :class:`~jobs.gamedata.session.child.DecodeChild` as
``python -m jobs.gamedata.session.child_main FD MEMORY_MB TIMEOUT_S WORKER_PID``.
It uses no torch, no Ray and no store: the worker supplies all bytes.
"""

from __future__ import annotations

import codecs
import ctypes
import importlib
import resource
import signal
import socket
import sys
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shared.sandbox import confine, end_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.session._child_protocol import Channel

__all__ = ["main"]

_PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h; without seccomp and Landlock, confine does not set it
# The worker kills the child at the time limit. If the worker hangs or has ended, the child exits this much later.
_GRACE_S: Final = 10
# By name, so that none looks unused.
_MODULES: Final = (
    "jobs.gamedata.frames.pictures",
    "jobs.gamedata.frames.statistics",
    "jobs.gamedata.session.decode",
    "av.audio.stream",
    "av.subtitles.stream",
    "av.video.stream",
    "numpy.ma",
)
_MAX_STDERR: Final = 16 * 1024 * 1024


class _WorkerSource:
    """A :class:`~jobs.gamedata.ranges.source.RangeSource` over the TAR that the worker reads."""

    def __init__(self, channel: Channel, size: int, seconds: int) -> None:
        self._channel = channel
        self._size = size
        self._seconds = seconds

    @property
    def size(self) -> int:
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        return self.read_many([(offset, length)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        signal.alarm(0)  # the time limit excludes time spent in the store
        self._channel.send({"kind": "read", "ranges": [list(part) for part in ranges]})
        _, buffers = self._channel.receive()
        signal.alarm(self._seconds)
        return [bytes(buffer) for buffer in buffers]


def main(arguments: Sequence[str]) -> int:
    """Decode TARs until the channel closes; return the exit status 0.

    Args:
        arguments: file descriptor of the channel, memory limit in MB, time limit in seconds, the worker's PID.
    """
    descriptor, memory_mb, timeout_s = int(arguments[0]), int(arguments[1]), float(arguments[2])
    _limit(memory_mb, int(arguments[3]))
    from jobs.gamedata.session._child_protocol import Channel

    seconds = int(timeout_s) + _GRACE_S
    channel = Channel(socket.socket(fileno=descriptor))
    _import()
    channel.send({"kind": "ready", "sandbox": asdict(confine())})
    while True:
        try:
            request, received = channel.receive()
        except EOFError:
            return 0
        signal.alarm(seconds)
        document, buffers = _answer(channel, request, received, seconds)
        signal.alarm(seconds)
        channel.send(document, buffers)
        signal.alarm(0)


def _answer(
    channel: Channel, request: dict[str, Any], received: list[bytearray], seconds: int
) -> tuple[dict[str, Any], list[Any]]:
    from shared.errors import TelecineError

    buffers: list[Any] = []
    try:
        if request["kind"] == "extract":
            document = _extract(_WorkerSource(channel, request["size"], seconds), request, buffers)
        else:
            document = _decode(request, received, buffers)
    except MemoryError:
        return {"kind": "error", "code": "decode_memory", "message": "", "data": {}}, []
    except TelecineError as error:
        return {"kind": "error", "code": error.code, "message": error.message, "data": error.data}, []
    except EOFError:
        raise
    except Exception as error:  # noqa: BLE001  hostile input causes unforeseen errors; the next item must still run
        data = {"traceback": traceback.format_exc()[-4000:]}
        return {
            "kind": "error",
            "code": "decode_crashed",
            "message": f"{type(error).__name__}: {error}",
            "data": data,
        }, []
    return document, buffers


def _extract(source: _WorkerSource, request: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
    from jobs.gamedata.frames.statistics import measure
    from jobs.gamedata.model import SamplingSpec
    from jobs.gamedata.session._child_protocol import pack
    from jobs.gamedata.session.decode import decode_session

    spec = request["spec"]
    spec["strides"] = tuple((float(stride), int(count)) for stride, count in spec["strides"])
    session, luma = decode_session(source, SamplingSpec(**spec), max_pixels=request["max_pixels"])
    unmeasured = session.statistics
    if request["measure"]:
        session.statistics = measure(luma, unmeasured.signature, unmeasured.time_s, unmeasured.corrupt)
    value = pack(session, buffers)
    return {"kind": "done", "value": value, "luma": None if request["measure"] else pack(luma, buffers)}


def _decode(request: dict[str, Any], received: list[bytearray], buffers: list[Any]) -> dict[str, Any]:
    """Decode the packets of a ``.pt`` file, or a picture."""
    from jobs.gamedata.frames.decoder import decode_runs
    from jobs.gamedata.frames.pictures import read_picture
    from jobs.gamedata.session._child_protocol import pack, unpack

    if request["kind"] == "picture":
        pixels = read_picture(bytes(received[0]), max_pixels=request["max_pixels"])
    else:
        packets = unpack(request["packets"], received)
        pixels = decode_runs(packets, request["height"], request["width"], request["rotation"])
    return {"kind": "done", "value": pack(pixels, buffers)}


def _import() -> None:
    """Import all that decoding needs: later no file can be opened, and an item's time limit excludes imports.

    Python, PyAV and numpy import the last ones on first use: for a byte-order mark, other streams, medians.
    """
    for module in _MODULES:
        importlib.import_module(module)
    for encoding in ("ascii", "latin-1", "utf-8-sig", "utf-16", "utf-32"):
        codecs.lookup(encoding)


def _limit(memory_mb: int, worker: int) -> None:
    """Limit memory, disable core dumps and new privileges, and make the kernel kill this process with the worker."""
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Standard error is the only file that it may write to; the worker reads its last 2,000 bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_STDERR, _MAX_STDERR))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    end_with_parent(worker)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
