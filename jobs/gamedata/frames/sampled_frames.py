"""Decode a frame plan into pixels or packets to store, and luma grids and thumbnails to measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.frames._recovery_points import decodes_alone
from jobs.gamedata.frames.conversion import FrameConverter, frame_size
from jobs.gamedata.frames.decoder import Decoder, Packet
from jobs.gamedata.model import STATISTICS_SHAPE, PacketRuns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from jobs.gamedata.frames.decoder import DecodedFrame
    from jobs.gamedata.frames.packet_reader import PacketReader
    from jobs.gamedata.frames.plan import DecodeSpan, FramePlan
    from jobs.gamedata.model import SamplingSpec

__all__ = ["SampledFrames", "decode_plan"]

# Size of one fetch. All keyframes of a normal session (2.8 MB) take one fetch, whole GOPs (33 MB) a few.
_FETCH_BYTES: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class SampledFrames:
    """The decoded frames, one entry for each of the plan's D rows.

    Attributes:
        luma: luma grids, shape (D, 90, 160).
        thumbnails: RGB, shape (D, 90, 160, 3).
        corrupt: True if the decoder concealed errors, shape (D,).
        images: RGB, shape (D, 3, height, width); None if packets are stored.
        packets: the packets; None if images are stored.
        height: height of a sampled frame, upright.
        width: width of a sampled frame, upright.
        decoded: number of frames that the decoder returned.
        false_keyframes: samples that the index lists as keyframes but that decode damaged on their own.
    """

    luma: npt.NDArray[np.uint8]
    thumbnails: npt.NDArray[np.uint8]
    corrupt: npt.NDArray[np.bool_]
    images: npt.NDArray[np.uint8] | None = None
    packets: PacketRuns | None = None
    height: int = 0
    width: int = 0
    decoded: int = 0
    false_keyframes: list[int] = field(default_factory=list)


def decode_plan(reader: PacketReader, chosen: FramePlan, spec: SamplingSpec, *, max_pixels: int) -> SampledFrames:
    """Decode every span of a plan once.

    Args:
        reader: source of the packets.
        chosen: the plan made from the reader's index.
        spec: whether to store pixels or packets, and the maximum height.
        max_pixels: larger frames are rejected.

    Raises:
        ItemError: ``decode_failed``, ``pixels_exceeded``, ``video_codec_unsupported``, and the errors of the reader.
    """
    count = len(chosen.index)
    frames = SampledFrames(
        luma=np.zeros((count, *STATISTICS_SHAPE), np.uint8),
        thumbnails=np.zeros((count, *STATISTICS_SHAPE, 3), np.uint8),
        corrupt=np.zeros(count, np.bool_),
    )
    frames.height, frames.width = frame_size(reader.width, reader.height, reader.rotation, spec.max_height)
    decoder = Decoder(reader.codec, reader.extradata, max_pixels=max_pixels)
    picture = FrameConverter(reader.rotation)
    bodies: list[bytes] = []
    first = True
    for group in _groups(reader, chosen.spans):
        for span, packets in zip(group, reader.fetch(group), strict=True):
            row_of = {int(reader.pts[chosen.index[row]]): row for row in span.rows}
            wanted = {int(chosen.index[row]) for row in span.rows}
            samples = range(span.first, span.last + 1)
            fed = [
                Packet(body, int(reader.pts[sample]), sample in wanted)
                for sample, body in zip(samples, packets, strict=True)
            ]
            for decoded in decoder.decode(fed):
                if first:
                    # The decoder knows the real size; the container's may be wrong.
                    size = decoded.frame.width, decoded.frame.height
                    frames.height, frames.width = frame_size(*size, reader.rotation, spec.max_height)
                    first = False
                row = row_of[decoded.pts]
                _take(frames, row, decoded, picture, spec)
                if (
                    decoded.corrupt
                    and chosen.keyframe[row]
                    and not decodes_alone(reader.codec, reader.extradata, packets[0])
                ):
                    frames.false_keyframes.append(span.first)
            if spec.frames == "packets":
                bodies += packets
    if spec.frames == "packets":
        frames.packets = _packet_runs(reader, chosen, bodies)
    elif frames.images is None:
        frames.images = np.zeros((0, 3, frames.height, frames.width), np.uint8)
    frames.decoded = decoder.decoded
    return frames


def _take(frames: SampledFrames, row: int, decoded: DecodedFrame, picture: FrameConverter, spec: SamplingSpec) -> None:
    if spec.frames == "rgb":
        if frames.images is None:
            frames.images = np.zeros((len(frames.corrupt), 3, frames.height, frames.width), np.uint8)
        picture.rgb(decoded.frame, frames.height, frames.width, frames.images[row])
    picture.luma(decoded.frame, frames.luma[row])
    picture.thumbnail(decoded.frame, frames.thumbnails[row])
    frames.corrupt[row] = decoded.corrupt


def _groups(reader: PacketReader, spans: Sequence[DecodeSpan]) -> Iterator[list[DecodeSpan]]:
    group: list[DecodeSpan] = []
    fetched = 0
    for span in spans:
        size = int(reader.size[span.first : span.last + 1].sum())
        if group and fetched + size > _FETCH_BYTES:
            yield group
            group, fetched = [], 0
        group.append(span)
        fetched += size
    if group:
        yield group


def _packet_runs(reader: PacketReader, chosen: FramePlan, bodies: Sequence[bytes]) -> PacketRuns:
    """Return the packets of all spans in order. A frame's run starts at its keyframe and ends with its own packet."""
    samples = np.concatenate([np.zeros(0, np.int64), *(np.arange(span.first, span.last + 1) for span in chosen.spans)])
    position = {int(sample): number for number, sample in enumerate(samples)}
    sizes = [len(body) for body in bodies]
    return PacketRuns(
        codec=reader.codec,
        extradata=reader.extradata,
        data=b"".join(bodies),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)]),
        pts=reader.pts[samples] + reader.start_pts,
        first=np.array([position[int(sample)] for sample in chosen.first], np.int64),
        count=chosen.index - chosen.first + 1,
        time_base=reader.time_base,
    )
