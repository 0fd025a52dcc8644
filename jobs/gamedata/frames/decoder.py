"""Decode packets to frames: one decoder per session, fed only with needed packets; reject frames over ``--max-pixels``.

A keyframe needs one packet and a flush: 10 ms at 640x360. Feeding more packets until a frame appears takes 3.6 times as
long, because of the decoder's reorder delay. An exact frame needs its keyframe and all packets up to its own in decode
order, except those that no other frame refers to. Both readers use this decoder, so they produce the same pixels.

The decoder gets everything that FFmpeg's own decoder of the stream would get: the stream's parameters, each packet's
keyframe flag, and its palette or new headers. Without them, some codecs decode to a wrong picture and report nothing.

The decoder uses one thread: with many files in flight, frame threads cost 15 to 20 % more CPU, and their log callback
has deadlocked with the GIL (PyAV #751, #2276).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.packet import PacketSideData

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames._vp8_check import VP8Check
from jobs.gamedata.frames.conversion import FrameConverter
from jobs.gamedata.model import StreamParameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

    from jobs.gamedata.model import PacketRuns
    from shared.errors import ItemError

__all__ = ["SIDE_DATA", "DecodedFrame", "Decoder", "Packet", "decode_runs", "open_context", "stream_parameters"]

# Return frames even if a reference is missing or damaged: they are marked corrupt and counted.
_OUTPUT_CORRUPT: Final = 1 << 3
_MAX_PIXELS: Final = 2**31 - 1
_PADDING: Final = bytes(64)  # AV_INPUT_BUFFER_PADDING_SIZE of FFmpeg's defs.h
# Codecs that mark non-reference frames reliably; with MPEG-4 Part 2, skipping sometimes returned an earlier frame.
_SKIPS: Final = ("h264", "hevc")
# Side data of packets that changes how they decode -> AVPacketSideDataType.
SIDE_DATA: Final = {"palette": 0, "new_extradata": 1, "param_change": 2}
_PROGRESSIVE: Final = 1  # AV_FIELD_PROGRESSIVE
_SideData: Any = PacketSideData  # PyAV 18.1 declares no constructor
# After an error, FFmpeg's own VP8 decoder shows what its memory held before: each run returns other pictures. libvpx
# returns the same ones, and takes the same time.
_PREFERRED: Final = {"vp8": "libvpx"}
_BT470BG: Final = 5  # AVColorSpace of VP8, RFC 6386 §9.2; libvpx leaves it unspecified
_INTRA, _INTER = 1, 2  # AVPictureType I and P
_VP8_KEY_HEADER: Final = 10  # bytes
_VOP_START: Final = b"\0\0\1\xb6"
_VOP_P, _VOP_B = 1, 2
# Codecs whose decoders keep no pictures across a flush. Others get a new context for each span.
_FLUSHABLE: Final = frozenset({"h264", "hevc", "vp9", "libdav1d", "mpeg1video", "mpeg2video", "mpeg4"})


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded frame.

    Attributes:
        data: the bytes stored in the container.
        sample: a number that identifies the frame within its span, ascending in decode order.
        wanted: True to return its frame; other packets are decoded only if a frame refers to them.
        keyframe: the container's flag.
        side_data: ``(kind, bytes)`` with a kind of :data:`SIDE_DATA`.
    """

    data: bytes | memoryview
    sample: int
    wanted: bool = True
    keyframe: bool = False
    side_data: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A decoded frame; its pixels stay in FFmpeg's buffers until :class:`FrameConverter` copies them."""

    sample: int
    frame: VideoFrame
    corrupt: bool


def stream_parameters(context: Any) -> StreamParameters:
    """Return the parameters of a codec context that FFmpeg made for a stream."""
    try:
        tag = str(context.codec_tag)
    except UnicodeDecodeError:  # PyAV 18.1 can neither read nor set such a tag
        tag = ""
    return StreamParameters(
        codec=context.codec.name,
        extradata=context.extradata or b"",
        width=context.width,
        height=context.height,
        tag=tag if tag.strip("\0") else "",
        bits=context.bits_per_coded_sample,
        reorder_depth=context.reorder_depth,
        pix_fmt=context.pix_fmt or "",
        profile=context.profile or "",
        level=context.level,
        color_range=int(context.color_range),
        color_primaries=int(context.color_primaries),
        color_trc=int(context.color_trc),
        colorspace=int(context.colorspace),
        field_order=int(context.field_order),
    )


def open_context(parameters: StreamParameters) -> Any:
    """Create a codec context with a stream's parameters and one thread; it opens with the first packet.

    Raises:
        ItemError: ``video_codec_unsupported``.
    """
    codec = parameters.codec
    try:
        preferred = _PREFERRED.get(codec, codec)
        context: Any = av.CodecContext.create(preferred if preferred in av.codecs_available else codec, "r")
    except (ValueError, av.error.FFmpegError) as error:  # UnknownCodecError is a ValueError
        raise item_error("video_codec_unsupported", f"FFmpeg has no decoder for '{codec}'", codec=codec) from error
    if context.type != "video":
        raise item_error("video_codec_unsupported", f"'{codec}' is not a video codec", codec=codec)
    if parameters.extradata:
        # FFmpeg's parsers require zeros after the extradata. PyAV 18.1 allocates but does not clear them; they stay in
        # memory when the next line shortens it.
        context.extradata = parameters.extradata + _PADDING
        context.extradata = parameters.extradata
    context.width, context.height = parameters.width, parameters.height
    if parameters.tag:
        context.codec_tag = parameters.tag
    context.bits_per_coded_sample = parameters.bits
    context.reorder_depth = parameters.reorder_depth
    if parameters.pix_fmt:
        with suppress(ValueError):  # a name from another FFmpeg version
            context.pix_fmt = parameters.pix_fmt
    if parameters.profile:
        context.profile = parameters.profile
    context.level = parameters.level
    context.color_range, context.color_primaries = parameters.color_range, parameters.color_primaries
    context.color_trc, context.colorspace = parameters.color_trc, parameters.colorspace
    context.field_order = parameters.field_order
    context.thread_type = "NONE"
    context.thread_count = 1
    return context


@dataclass(slots=True)
class Decoder:
    """Decodes spans of one stream.

    Args:
        parameters: the stream's parameters.
        max_pixels: the decoder rejects larger frames before allocating memory.

    Attributes:
        decoded: number of decoded frames, wanted or not.
        faulty: samples of the last span that the decoder rejected or marked as damaged.
        fault: the last error of the last span.

    Raises:
        ItemError: ``video_codec_unsupported``.
    """

    parameters: StreamParameters
    max_pixels: int = _MAX_PIXELS
    decoded: int = 0
    faulty: list[int] = field(default_factory=list)
    fault: Exception | None = None
    _context: VideoCodecContext = field(init=False)
    _extradata: bytes = field(init=False)
    _skips: bool = field(init=False)
    _check: VP8Check | None = field(init=False)
    _used: bool = False

    def __post_init__(self) -> None:
        """Create the codec context."""
        self._extradata = self.parameters.extradata
        self._open()

    def _open(self) -> None:
        context = open_context(replace(self.parameters, extradata=self._extradata))
        context.flags |= _OUTPUT_CORRUPT
        context.options = {"max_pixels": str(min(self.max_pixels, _MAX_PIXELS))}
        self._context = context
        self._skips = _can_skip(self.parameters, self._extradata)
        self._check = VP8Check.create() if self.parameters.codec == "vp8" else None
        self._used = False

    def decode(self, packets: Iterable[Packet], *, skip: bool = True) -> Iterator[DecodedFrame]:
        """Decode one span: a keyframe and the packets after it in decode order, up to the last wanted one.

        Packets that the decoder rejects are skipped and listed in ``faulty``: later frames may still decode, and
        players show them.

        Args:
            packets: in decode order, starting with a keyframe.
            skip: leave out unwanted frames that no other frame refers to.

        Yields:
            The frames that the decoder returns, wanted or not, in the order in which it returns them.

        Raises:
            ItemError: ``pixels_exceeded``.
        """
        self.faulty, self.fault = [], None
        if self._used:
            self._rewind()
        self._used = True
        for packet in _without_leading_b_frames(packets) if self.parameters.codec == "mpeg4" else packets:
            headers = dict(packet.side_data).get("new_extradata")
            if headers is not None and headers != self._extradata:
                yield from self._feed(None, skip=skip)
                self._extradata = headers
                self._open()
                self._used = True
            yield from self._feed(packet, skip=skip)
        yield from self._feed(None, skip=skip)

    def _feed(self, packet: Packet | None, *, skip: bool) -> Iterator[DecodedFrame]:
        damaged = False
        if packet is not None and self.parameters.codec == "vp8":
            self._check_vp8_size(packet.data)
            damaged = self._check is not None and self._check.is_damaged(bytes(packet.data))
        try:
            frames = self._send(packet, skip=skip)
        except (av.error.FFmpegError, MemoryError, ValueError) as error:
            self._check_limits(error, packet)
            self.fault = error
            if packet is not None:
                self.faulty.append(packet.sample)
            return
        if packet is not None and damaged:
            self.faulty.append(packet.sample)  # even if it is never displayed, others may refer to it
        for frame in frames:
            self.decoded += 1
            sample = -1 if frame.pts is None else int(frame.pts)
            corrupt = damaged or bool(frame.is_corrupt)
            if corrupt and not damaged:
                self.faulty.append(sample)
            yield DecodedFrame(sample, frame, corrupt)

    def _check_limits(self, error: Exception, packet: Packet | None) -> None:
        # Above max_pixels, h264 reports invalid data, hevc reports no memory, and vp9 reports an invalid argument and
        # no size.
        declared = self.parameters.width * self.parameters.height
        pixels = max(declared, self._context.coded_width * self._context.coded_height)
        if self.parameters.codec == "vp9" and packet is not None and isinstance(error, av.error.ArgumentError):
            pixels = max(pixels, _vp9_pixels(packet.data))
        if pixels > self.max_pixels:
            raise self._exceeded() from error
        if isinstance(error, MemoryError):
            raise error

    def _check_vp8_size(self, data: bytes | memoryview) -> None:
        # libvpx allocates memory before FFmpeg compares the size. A keyframe declares it, RFC 6386 §9.1.
        if len(data) >= _VP8_KEY_HEADER and not data[0] & 1:
            width, height = (int.from_bytes(data[place : place + 2], "little") & 0x3FFF for place in (6, 8))
            if width * height > self.max_pixels:
                raise self._exceeded()

    def _exceeded(self) -> ItemError:
        return item_error(
            "pixels_exceeded",
            f"the decoder rejects the frame size; the limit is {self.max_pixels} pixels (--max-pixels)",
            max_pixels=self.max_pixels,
        )

    def _send(self, packet: Packet | None, *, skip: bool) -> list[VideoFrame]:
        if packet is None:
            return self._context.decode(None)
        self._context.skip_frame = "DEFAULT" if packet.wanted or not skip or not self._skips else "NONREF"
        # av.Packet(data) of PyAV 18.1 passes that memory to FFmpeg without the zeros that must follow it. In one
        # process of three, the MPEG-4 Part 2 decoder read the bytes after it as a marker and silently returned a wrong
        # frame.
        encoded: Any = av.Packet(len(packet.data))
        if packet.data:
            encoded.update(packet.data)
        encoded.pts = encoded.dts = packet.sample
        encoded.is_keyframe = packet.keyframe
        encoded.time_base = Fraction(1, 90_000)  # not used by the decoder, but required by PyAV
        for kind, content in packet.side_data:
            if kind != "new_extradata":
                attached = _SideData(SIDE_DATA[kind], len(content))
                attached.update(content)
                encoded.set_sidedata(attached)
        frames = self._context.decode(encoded)
        if self.parameters.codec == "vp8":
            for frame in frames:
                frame.colorspace = _BT470BG
                frame.pict_type = _INTER if packet.data[0] & 1 else _INTRA  # RFC 6386 §9.1
        return frames

    def _rewind(self) -> None:
        if self.parameters.codec not in _FLUSHABLE:
            self._open()
            return
        self._context.flush_buffers()
        # A flush may reset it to the decoder's guess, and h264 then drops frames that come out of order.
        self._context.reorder_depth = max(self._context.reorder_depth, self.parameters.reorder_depth)


def _can_skip(parameters: StreamParameters, extradata: bytes) -> bool:
    """Return True if the stream marks frames that no other frame refers to, and its pictures are frames, not fields."""
    if parameters.codec not in _SKIPS or parameters.field_order > _PROGRESSIVE:
        return False
    if parameters.codec == "hevc":
        # Higher temporal layers may refer to frames marked as unreferenced (ITU-T H.265 §7.4.2.2). hvcC counts the
        # layers in byte 21 (ISO/IEC 14496-15 §8.3.3.1).
        return len(extradata) > 21 and extradata[0] == 1 and extradata[21] >> 3 & 7 == 1  # noqa: PLR2004
    return True


def _without_leading_b_frames(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Leave out MPEG-4 B-frames between a span's keyframe and the next reference: they refer to an earlier keyframe.

    FFmpeg takes the duration of a frame from the first B-frame that a decoder gets. From one of these it takes a wrong
    duration, and then drops all B-frames of an interlaced stream.
    """
    references = 0
    for packet in packets:
        body = bytes(packet.data)
        start = body.find(_VOP_START)
        kind = body[start + 4] >> 6 if 0 <= start < len(body) - 4 else _VOP_P  # ISO/IEC 14496-2 §6.2.5
        # Xvid packs a keyframe and a B-frame into one packet. FFmpeg then needs all packets, so that both count here.
        if kind != _VOP_B:
            references += body.count(_VOP_START) or 1
        elif references == 1:
            continue
        yield packet


def _vp9_pixels(data: bytes | memoryview) -> int:
    """Return the frame size that a VP9 keyframe declares; 0 for any other frame (VP9 bitstream specification, §6.2)."""
    bits = int.from_bytes(bytes(data[:16]).ljust(16, b"\0"), "big")
    position = 128

    def take(count: int) -> int:
        nonlocal position
        position -= count
        return bits >> position & ((1 << count) - 1)

    marker, profile = take(2), take(1) | take(1) << 1
    if marker != 2 or (profile == 3 and take(1)) or take(1) or take(1):  # noqa: PLR2004  existing frame, not a keyframe
        return 0
    take(2)
    if take(24) != 0x498342:  # noqa: PLR2004  the sync code
        return 0
    if profile >= 2:  # noqa: PLR2004
        take(1)
    if take(3) != 7:  # noqa: PLR2004  not sRGB
        take(1)
        if profile % 2:
            take(3)
    elif profile % 2:
        take(1)
    return (take(16) + 1) * (take(16) + 1)


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
    decoder, picture = Decoder(packets.parameters), FrameConverter(rotation)
    data = memoryview(packets.data)
    side_data: dict[int, list[tuple[str, bytes]]] = {}
    for number, kind, content in packets.side_data:
        side_data.setdefault(number, []).append((kind, content))
    for start in np.unique(packets.first):
        rows = np.flatnonzero(packets.first == start)
        last = start + packets.count[rows] - 1
        rows_of: dict[int, list[int]] = {}
        for row, number in zip(rows.tolist(), last.tolist(), strict=True):
            rows_of.setdefault(number, []).append(row)
        run = [
            Packet(
                data[packets.offsets[number] : packets.offsets[number + 1]],
                number,
                number in rows_of,
                bool(packets.keyframe[number]),
                tuple(side_data.get(number, ())),
            )
            for number in range(int(start), int(last.max()) + 1)
        ]
        for decoded in decoder.decode(run):
            for row in rows_of.pop(decoded.sample, ()):
                picture.rgb(decoded.frame, height, width, images[row])
        if rows_of:
            number = min(rows_of)
            raise item_error(
                "decode_failed",
                f"{len(rows_of)} of the stored frames cannot be decoded, the first at pts {packets.pts[number]}"
                + (f": {decoder.fault}" if decoder.fault else " (the decoder returned no frame)"),
                pts=int(packets.pts[number]),
            ) from decoder.fault
    return images
