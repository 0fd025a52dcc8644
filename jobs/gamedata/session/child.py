"""Start the decoder process without credentials, serve its byte ranges, and kill it if a file hangs or crashes it.

Starting Python, numpy and FFmpeg takes 0.25 s of CPU time, so a process decodes many items before it is replaced. It
has no store, no credentials, no torch and no Ray; it requests byte ranges from the worker and returns arrays. Where the
kernel has Landlock and seccomp, it can open no file and no socket (:mod:`shared.sandbox`).
"""

from __future__ import annotations

import functools
import logging
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

import numpy as np

from jobs.gamedata.errors import CODES, item_error
from jobs.gamedata.frames.statistics import measure
from jobs.gamedata.model import Session
from jobs.gamedata.pt.file import select_runs
from jobs.gamedata.session._child_protocol import pack, unpack
from shared.child.process import ChildProcess
from shared.errors import TransientError
from shared.sandbox import Confinement
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from jobs.gamedata.model import PacketRuns, SamplingSpec
    from jobs.gamedata.ranges.source import RangeSource
    from shared.child.channel import Channel

__all__ = ["DecodeChild", "decode_packets"]

_T = TypeVar("_T")

_START_S: Final = 60.0
_ITEMS: Final = 200
# Maximum bytes that a child may request in one message.
_MAX_REQUEST: Final = 1024**3
# A process that was taken over could send 64 MB.
_MAX_MESSAGE: Final = 4000
# Bytes of decoded frames per request: a 4320p frame takes 106 MB, and the child's memory is limited.
_FRAME_BYTES: Final = 256 * 1024**2
_log = logging.getLogger(__name__)


def _requested(document: dict[str, Any]) -> list[tuple[int, int]]:
    requested = [(int(offset), int(length)) for offset, length in document["ranges"]]
    if sum(length for _, length in requested) > _MAX_REQUEST or min(map(min, requested), default=0) < 0:
        raise ValueError("the requested ranges are too large or negative")
    return requested


@functools.cache  # once per worker, not per decoder process
def _tell(confinement: Confinement) -> None:
    _log.log(
        logging.DEBUG if confinement.seccomp else logging.WARNING,
        "the decoder process is confined by: %s" if confinement.seccomp else "the decoder process is not confined: %s",
        confinement,
    )


def _shown(value: Any) -> str:
    # Python cannot even describe a value of too many levels.
    return cut(value, _MAX_MESSAGE) if isinstance(value, str) else type(value).__name__


@dataclass(frozen=True, slots=True)
class _Refused:
    """A reply without a result."""

    document: dict[str, Any]


# Raised by replies that the child's own code did not write, such as one with 100,000 levels or Infinity.
_MALFORMED: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError)


def _pixels(
    document: dict[str, Any], buffers: list[bytearray], *, shape: tuple[int, ...] | None = None
) -> npt.NDArray[np.uint8]:
    """Return the pixels of a reply, of this shape or of any picture shape."""
    pixels = unpack(document["value"], buffers)
    wanted = (None, None, 3) if shape is None else shape
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.dtype != np.uint8
        or pixels.ndim != len(wanted)
        or any(side not in (None, found) for side, found in zip(wanted, pixels.shape, strict=True))
    ):
        raise TypeError("expected pixels")
    return pixels


def decode_packets(packets: PacketRuns, height: int, width: int, rotation: int) -> npt.NDArray[np.uint8]:
    """Decode the packets of one ``.pt`` file in a decoder process of its own; see :meth:`DecodeChild.decode`."""
    with DecodeChild() as child:
        return child.decode(packets, height, width, rotation)


class _DiedWhileIdle(TransientError):
    """The process ended before it requested any bytes of the item."""


class DecodeChild:
    """A decoder process, started on demand and replaced after a failure.

    Use it from one thread only. The kernel kills the process when the thread that started it ends.

    Args:
        memory_mb: address space limit of the process, of which Python and FFmpeg take about 300 MB; an item that needs
            more raises ``decode_memory``.
        timeout_s: wall-clock limit per item, without the time spent in the source; exceeding it raises
            ``decode_timeout``.
        max_pixels: larger frames raise ``pixels_exceeded``.
        device: ``cuda`` measures statistics in the worker, with torch.
        items: number of items after which the process is replaced, to limit memory leaks.
    """

    def __init__(
        self,
        *,
        memory_mb: int = 1536,
        timeout_s: float = 30.0,
        max_pixels: int = 8192 * 4320,
        device: Literal["cpu", "cuda"] = "cpu",
        items: int = _ITEMS,
    ) -> None:
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s
        self._max_pixels = max_pixels
        self._device: Literal["cpu", "cuda"] = device
        self._items = items
        self._process: ChildProcess | None = None
        self._served = 0

    @property
    def pid(self) -> int | None:
        """The process ID; None if there is no process."""
        return self._process.pid if self._process else None

    @property
    def _channel(self) -> Channel | None:
        return self._process.channel if self._process else None

    def __call__(self, source: RangeSource, spec: SamplingSpec) -> Session:
        """Call :meth:`extract`."""
        return self.extract(source, spec)

    def extract(self, source: RangeSource, spec: SamplingSpec) -> Session:
        """Read one TAR, like :func:`~jobs.gamedata.session.decode.extract_session`.

        Args:
            source: the TAR's bytes; read in this process.
            spec: the frames to sample and how to store them.

        Raises:
            ItemError: with one of :data:`~jobs.gamedata.errors.CODES`, including ``decode_timeout``, ``decode_memory``
                and ``decode_crashed``.
            TransientError: no process can be started.
        """
        request = {"kind": "extract", "size": source.size, "spec": asdict(spec), "measure": self._device == "cpu"}
        return self._ask(request, (), self._session, source)

    def decode(self, packets: PacketRuns, height: int, width: int, rotation: int) -> npt.NDArray[np.uint8]:
        """Decode the packets of a ``.pt`` file, like :func:`~jobs.gamedata.frames.decoder.decode_runs`.

        They are the recording's own bytes, and therefore as hostile as the TAR.

        Raises:
            ItemError: as :meth:`extract`.
            TransientError: no process can be started.
        """
        images = np.empty((len(packets.first), 3, height, width), np.uint8)
        # Frames with the same first packet are decoded together.
        order = np.argsort(packets.first, kind="stable")
        count = max(1, _FRAME_BYTES // max(1, 3 * height * width))
        for start in range(0, len(order), count):
            rows = order[start : start + count]
            buffers: list[Any] = []
            value = pack(select_runs(packets, rows), buffers)
            request = {"kind": "decode", "packets": value, "height": height, "width": width, "rotation": rotation}
            images[rows] = self._ask(request, buffers, functools.partial(_pixels, shape=images[rows].shape))
        return images

    def picture(self, body: bytes) -> npt.NDArray[np.uint8]:
        """Decode an image file to uint8 RGB of shape (H, W, 3).

        Raises:
            ItemError: ``video_invalid`` for a file without an image; otherwise as :meth:`extract`.
            TransientError: no process can be started.
        """
        return self._ask({"kind": "picture"}, [body], _pixels)

    def _ask(
        self,
        request: dict[str, Any],
        buffers: Sequence[Any],
        take: Callable[[dict[str, Any], list[bytearray]], _T],
        source: RangeSource | None = None,
    ) -> _T:
        """Send a request, serve the source, and return what ``take`` makes of the reply."""
        completed = False
        try:
            request |= {"max_pixels": self._max_pixels}
            try:
                reply = self._serve(self._ready(), request, buffers, take, source)
            except _DiedWhileIdle:
                # The process requested no bytes of this item, so it was killed while idle: try again with a new one.
                self._kill()
                reply = self._serve(self._ready(), request, buffers, take, source)
            completed = True
        finally:
            # After an interruption the process is in an unknown state: do not use it again.
            self._served += 1
            if not completed or self._served >= self._items:
                self._kill()
        if isinstance(reply, _Refused):
            raise self._error(reply.document)
        return reply

    def _serve(
        self,
        channel: Channel,
        request: dict[str, Any],
        buffers: Sequence[Any],
        take: Callable[[dict[str, Any], list[bytearray]], _T],
        source: RangeSource | None,
    ) -> _T | _Refused:
        until = time.monotonic() + self._timeout_s
        has_replied = False
        try:
            channel.send(request, buffers, until=until)
            while True:
                document, received = channel.receive(until=until)
                has_replied = True
                if document["kind"] == "read" and source is not None:
                    read_began = time.monotonic()
                    bodies = self._read(source, _requested(document))
                    until += time.monotonic() - read_began
                    channel.send({"kind": "data"}, bodies, until=until)
                elif document["kind"] == "done":
                    return take(document, received)
                else:
                    return _Refused(document)
        except TimeoutError:
            raise item_error(
                "decode_timeout",
                f"decoding took longer than {self._timeout_s:g} s (--item-timeout-s)",
                timeout_s=self._timeout_s,
            ) from None
        except (EOFError, OSError) as error:
            if not has_replied and source is not None:
                raise _DiedWhileIdle(str(self._crash())) from error
            raise self._crash() from error
        except _MALFORMED as error:
            raise item_error("decode_crashed", f"the decoder process sent an invalid reply: {error!r}") from error

    @staticmethod
    def _read(source: RangeSource, ranges: list[tuple[int, int]]) -> list[bytes]:
        try:
            return source.read_many(ranges)
        except (TimeoutError, OSError, ValueError, EOFError) as error:
            # Not the child's fault: distinguish it from the errors of the socket.
            raise TransientError(f"cannot read the source: {error!r}; run again") from error

    def _session(self, document: dict[str, Any], buffers: list[bytearray]) -> Session:
        session = unpack(document["value"], buffers)
        if not isinstance(session, Session):
            raise TypeError(f"expected a Session, got {type(session).__name__}")
        if self._device != "cpu":
            unmeasured = session.statistics
            luma = unpack(document["luma"], buffers)
            session.statistics = measure(
                luma, unmeasured.signature, unmeasured.time_s, unmeasured.corrupt, device=self._device
            )
        return session

    def _error(self, document: dict[str, Any]) -> Exception:
        code = document.get("code")
        if document.get("kind") != "error" or not isinstance(code, str) or code not in CODES:
            self._kill()
            return item_error("decode_crashed", f"the decoder process sent an invalid reply: {_shown(code)}")
        message = _shown(document.get("message"))
        if code == "decode_memory":
            self._kill()  # it may not have freed its memory
            message = f"decoding needs more memory than {self._memory_mb} MB (--item-memory-mb)"
        error, data = item_error(code, message), document.get("data")
        # Not as arguments: a process that was taken over could name any of them.
        error.data = data if isinstance(data, dict) else {}
        return error

    def _crash(self) -> Exception:
        """Return an error that says how the process ended."""
        if self._process is None:
            return item_error("decode_crashed", "the decoder process has ended")
        ending = self._process.ending()
        if ending.status == -signal.SIGALRM:
            return item_error("decode_timeout", f"decoding took longer than {self._timeout_s:g} s (--item-timeout-s)")
        return item_error("decode_crashed", f"the decoder process {ending}", stderr=ending.output)

    def _ready(self) -> Channel:
        if self._process is not None and self._process.has_ended():
            self._kill()
        if self._process is None:
            self._process = self._start()
        return self._process.channel

    def _start(self) -> ChildProcess:
        arguments = [str(self._memory_mb), str(self._timeout_s)]
        # The child cannot send more than its memory holds.
        process = ChildProcess("jobs.gamedata.session.child_main", arguments, max_bytes=self._memory_mb * 1024**2)
        self._process = process
        self._served = 0
        try:
            ready, _ = process.channel.receive(until=time.monotonic() + _START_S)
            _tell(Confinement(**ready["sandbox"]))
        except (KeyError, TypeError, EOFError, OSError, ValueError) as error:
            crash = self._crash()
            self._kill()
            raise TransientError(
                f"no decoder process could be started ({crash}); it needs at least 600 MB of address space and "
                f"--item-memory-mb allows {self._memory_mb}"
            ) from error
        except BaseException:
            self._kill()
            raise
        return process

    def _kill(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = None

    def close(self) -> None:
        """Kill the process; calling it again has no effect."""
        self._kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()
