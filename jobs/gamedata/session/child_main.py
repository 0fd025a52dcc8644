"""Entry point of the decoder process: limit memory, drop access to files and network, then decode TARs on request.

Before the first byte of input it gives up files, the network and other processes (:mod:`shared.sandbox`).

Started by :class:`~jobs.gamedata.session.child.DecodeChild` as
``python -m jobs.gamedata.session.child_main FD WORKER_PID MEMORY_MB TIMEOUT_S``.
It uses no torch, no Ray and no store: the worker supplies all bytes.
"""

from __future__ import annotations

import codecs
import importlib
import signal
import sys
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shared.child.inside import enter
from shared.sandbox import confine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.child.channel import Channel

__all__ = ["main"]

# The worker kills the child at the time limit. If the worker hangs or has ended, the child exits this much later.
_GRACE_S: Final = 10
# By name, so that none looks unused.
_MODULES: Final = (
    "jobs.gamedata.frames.pictures",
    "jobs.gamedata.frames.statistics",
    "jobs.gamedata.session._child_protocol",
    "jobs.gamedata.session.decode",
    "av.audio.stream",
    "av.subtitles.stream",
    "av.video.stream",
    "numpy.ma",
)


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
        arguments: file descriptor of the channel, the worker's PID, memory limit in MB, time limit in seconds.
    """
    # Standard error is the only file that it may write to; the worker reads its last 2,000 bytes.
    channel = enter(arguments, memory_mb=int(arguments[2]))
    seconds = int(float(arguments[3])) + _GRACE_S
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
