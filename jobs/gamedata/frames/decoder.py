"""Decode packets to frames: one decoder per session, fed only with needed packets; reject frames over ``--max-pixels``.

A keyframe needs one packet and a flush: 10 ms at 640x360. Feeding more packets until a frame appears takes 3.6 times as
long, because of the decoder's reorder delay. An exact frame needs its keyframe and all packets up to its own in decode
order, except those that no other frame refers to. Both readers use this decoder, so they produce the same pixels.

The decoder uses one thread: with many files in flight, frame threads cost 15 to 20 % more CPU, and their log callback
has deadlocked with the GIL (PyAV #751, #2276).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames.conversion import FrameConverter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

    from jobs.gamedata.model import PacketRuns

__all__ = ["DecodedFrame", "Decoder", "Packet", "decode_runs", "set_extradata"]

# Return frames even if a reference is missing or damaged: they are marked corrupt and counted.
_OUTPUT_CORRUPT: Final = 1 << 3
_MAX_PIXELS: Final = 2**31 - 1
_PADDING: Final = bytes(64)  # AV_INPUT_BUFFER_PADDING_SIZE of FFmpeg's defs.h
# Codecs that mark non-reference frames reliably; with MPEG-4 Part 2, skipping sometimes returned an earlier frame.
_SKIPS: Final = ("h264", "hevc")


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded frame.

    Attributes:
        data: the bytes stored in the container.
        pts: display time in ticks; identifies the frame within its span.
        wanted: True to return its frame; other packets are decoded only if a frame refers to them.
    """

    data: bytes | memoryview
    pts: int
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A decoded frame; its pixels stay in FFmpeg's buffers until :class:`FrameConverter` copies them."""

    pts: int
    frame: VideoFrame
    corrupt: bool


def set_extradata(context: Any, extradata: bytes) -> None:
    """Set the out-of-band headers of a codec context, followed by the zeros that FFmpeg's parsers require.

    PyAV 18.1 allocates that padding but does not clear it.

    Args:
        context: a PyAV codec context, not open yet.
        extradata: avcC, hvcC, a VOL header, …; empty if the packets contain them.
    """
    if extradata:
        context.extradata = extradata + _PADDING  # the zeros stay in memory when the next line shortens it
        context.extradata = extradata


class Decoder:
    """A bare codec context for one stream.

    Args:
        codec: FFmpeg's name of the codec, such as ``h264``.
        extradata: the codec's out-of-band headers (avcC, hvcC, …); empty if the packets contain them.
        max_pixels: the decoder rejects larger frames before allocating memory.

    Attributes:
        decoded: number of decoded frames, wanted or not.

    Raises:
        ItemError: ``video_codec_unsupported``.
    """

    def __init__(self, codec: str, extradata: bytes, *, max_pixels: int = _MAX_PIXELS) -> None:
        self.codec = codec
        self.decoded = 0
        self._extradata = extradata
        self._max_pixels = max_pixels
        self._context: VideoCodecContext = self._create()

    def _create(self) -> VideoCodecContext:
        try:
            context: Any = av.CodecContext.create(self.codec, "r")
        except (ValueError, av.error.FFmpegError) as error:  # UnknownCodecError is a ValueError
            raise item_error(
                "video_codec_unsupported", f"FFmpeg has no decoder for '{self.codec}'", codec=self.codec
            ) from error
        if context.type != "video":
            raise item_error("video_codec_unsupported", f"'{self.codec}' is not a video codec", codec=self.codec)
        set_extradata(context, self._extradata)
        context.thread_type = "NONE"
        context.thread_count = 1
        context.flags |= _OUTPUT_CORRUPT
        context.options = {"max_pixels": str(min(self._max_pixels, _MAX_PIXELS))}
        return context  # type: ignore[no-any-return]

    def decode(self, packets: Sequence[Packet]) -> Iterator[DecodedFrame]:
        """Decode one span: a keyframe and the packets after it in decode order, up to the last wanted one.

        Args:
            packets: in decode order, starting with a keyframe.

        Yields:
            The wanted frames, in display order.

        Raises:
            ItemError: ``decode_failed`` if a wanted frame does not decode, ``pixels_exceeded``.
        """
        wanted = {packet.pts for packet in packets if packet.wanted}
        fault: Exception | None = None
        damaged = False
        for packet in (*packets, None):
            try:
                frames = self._feed(packet)
            except (av.error.FFmpegError, MemoryError, ValueError) as error:
                self._check_limits(error)
                # Later frames may still decode, and every player shows them; they count as corrupt.
                fault, damaged = error, True
                continue
            for frame in frames:
                self.decoded += 1
                if frame.pts in wanted:
                    wanted.discard(frame.pts)
                    yield DecodedFrame(frame.pts, frame, damaged or bool(frame.is_corrupt))
        self._rewind()
        if wanted:
            raise item_error(
                "decode_failed",
                f"{len(wanted)} of the requested frames cannot be decoded, the first at pts {min(wanted)}"
                + (f": {fault}" if fault else " (the decoder returned no frame)"),
                pts=min(wanted),
            ) from fault

    def _check_limits(self, error: Exception) -> None:
        # Above max_pixels, h264 reports invalid data, hevc reports no memory, and vp9 reports an invalid argument and
        # no size.
        pixels = self._context.coded_width * self._context.coded_height
        if pixels > self._max_pixels or isinstance(error, av.error.ArgumentError):
            raise item_error(
                "pixels_exceeded",
                f"the decoder rejects the frame size; the limit is {self._max_pixels} pixels (--max-pixels)",
                max_pixels=self._max_pixels,
            ) from error
        if isinstance(error, MemoryError):
            raise error

    def _feed(self, packet: Packet | None) -> list[VideoFrame]:
        if packet is None:
            return self._context.decode(None)
        self._context.skip_frame = "DEFAULT" if packet.wanted or self.codec not in _SKIPS else "NONREF"
        # av.Packet(data) of PyAV 18.1 passes that memory to FFmpeg without the zeros that must follow it. In one
        # process of three, the MPEG-4 Part 2 decoder read the bytes after it as a marker and silently returned a wrong
        # frame.
        encoded: Any = av.Packet(len(packet.data))
        if packet.data:
            encoded.update(packet.data)
        encoded.pts = encoded.dts = packet.pts
        encoded.time_base = Fraction(1, 90_000)  # not used by the decoder, but required by PyAV
        return self._context.decode(encoded)

    def _rewind(self) -> None:
        self._context.flush_buffers()


def decode_runs(packets: PacketRuns, height: int, width: int, rotation: int) -> npt.NDArray[np.uint8]:
    """Decode the frames stored with ``--frames packets``.

    Args:
        packets: the packets of one session.
        height: height of a sampled frame.
        width: width of a sampled frame.
        rotation: degrees clockwise to display a stored frame upright.

    Returns:
        uint8 RGB, shape (D, 3, height, width); the same pixels that ``--frames rgb`` stores.

    Raises:
        ItemError: ``decode_failed``, ``video_codec_unsupported``.
    """
    images = np.empty((len(packets.first), 3, height, width), np.uint8)
    decoder, picture = Decoder(packets.codec, packets.extradata), FrameConverter(rotation)
    data = memoryview(packets.data)
    for start in np.unique(packets.first):
        rows = np.flatnonzero(packets.first == start)
        last = start + packets.count[rows] - 1
        of_pts = dict(zip(packets.pts[last].tolist(), rows.tolist(), strict=True))
        positions = range(int(start), int(last.max()) + 1)
        wanted = set(last.tolist())
        run = [
            Packet(
                data[packets.offsets[number] : packets.offsets[number + 1]], int(packets.pts[number]), number in wanted
            )
            for number in positions
        ]
        for decoded in decoder.decode(run):
            picture.rgb(decoded.frame, height, width, images[of_pts[decoded.pts]])
    return images
