"""Decode a frame plan into pixels or packets to store, and luma grids and thumbnails to measure.

A frame that cannot be decoded costs that frame only: the last good picture before it takes its place, with its own
time, and counts as damaged. Without one, the frame is left out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import av
import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames._recovery_points import decodes_alone
from jobs.gamedata.frames.conversion import FrameConverter, frame_size
from jobs.gamedata.frames.decoder import DecodedFrame, Decoder, Packet
from jobs.gamedata.frames.plan import spans_of
from jobs.gamedata.model import STATISTICS_SHAPE, PacketRuns, SampleTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt
    from av.video.frame import VideoFrame

    from jobs.gamedata.frames.packet_reader import PacketReader
    from jobs.gamedata.frames.plan import DecodeSpan, FramePlan
    from jobs.gamedata.model import SamplingSpec

__all__ = ["SampledFrames", "decode_plan"]

# Size of one fetch. All keyframes of a normal session (2.8 MB) take one fetch, whole GOPs (33 MB) a few.
_FETCH_BYTES: Final = 16 * 1024 * 1024
# GOPs to search backwards for the last good picture if one has none.
_SEARCHED_GOPS: Final = 16
# Recovery points after which damage is gone. One round is complete at the second, but encoders filter across its edge.
_ROUNDS: Final = 3
_UNKNOWN: Final = 0  # AVPictureType NONE
_PREDICTED: Final = (2, 3, 4)  # AVPictureType P, B and S: never a keyframe


@dataclass(slots=True)
class SampledFrames:
    """The decoded frames, one entry for each of the D rows.

    Attributes:
        index: the sample of each frame that is stored, shape (D,), int64; earlier than the plan's where that one does
            not decode.
        first: the sample from which it is decoded, shape (D,), int64.
        keyframe: True if the frame is itself that sample, shape (D,).
        strides: stride in seconds -> the requested times and the row of the frame for each.
        luma: luma grids, shape (D, 90, 160).
        thumbnails: RGB, shape (D, 90, 160, 3).
        corrupt: True for damaged frames, see :class:`~jobs.gamedata.model.FrameStatistics`; shape (D,).
        images: RGB, shape (D, 3, height, width); None if packets are stored.
        packets: the packets; None if images are stored.
        height: height of a sampled frame, upright.
        width: width of a sampled frame, upright.
        rotation: degrees clockwise that made the frames upright.
        decoded: number of frames that the decoder returned.
        sizes: stored sizes (width, height) of the frames.
        replaced: number of frames that cannot be decoded and are replaced by an earlier picture.
        missing: number of frames that cannot be decoded and are left out.
        false_keyframes: samples that the index lists as keyframes but that do not decode alone.
    """

    index: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]
    strides: dict[float, SampleTimes]
    luma: npt.NDArray[np.uint8]
    thumbnails: npt.NDArray[np.uint8]
    corrupt: npt.NDArray[np.bool_]
    images: npt.NDArray[np.uint8] | None = None
    packets: PacketRuns | None = None
    height: int = 0
    width: int = 0
    rotation: int = 0
    decoded: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    replaced: int = 0
    missing: int = 0
    false_keyframes: list[int] = field(default_factory=list)


def decode_plan(reader: PacketReader, chosen: FramePlan, spec: SamplingSpec, *, max_pixels: int) -> SampledFrames:
    """Decode every span of a plan.

    If listed keyframes turn out not to decode alone, ``false_keyframes`` names them, and the frames are incomplete.

    Args:
        reader: source of the packets.
        chosen: the plan made from the reader's index.
        spec: whether to store pixels or packets, and the maximum height.
        max_pixels: larger frames are rejected.

    Raises:
        ItemError: ``decode_failed`` if no frame decodes, ``pixels_exceeded``, ``video_codec_unsupported``, and the
            errors of the reader.
    """
    return _Sampling(reader, chosen, spec, max_pixels).run()


class _Sampling:
    def __init__(self, reader: PacketReader, chosen: FramePlan, spec: SamplingSpec, max_pixels: int) -> None:
        count = len(chosen.index)
        self.reader, self.chosen, self.spec = reader, chosen, spec
        self.frames = SampledFrames(
            index=chosen.index.copy(),
            first=chosen.first.copy(),
            keyframe=chosen.keyframe.copy(),
            strides=chosen.strides,
            luma=np.zeros((count, *STATISTICS_SHAPE), np.uint8),
            thumbnails=np.zeros((count, *STATISTICS_SHAPE, 3), np.uint8),
            corrupt=np.zeros(count, np.bool_),
            rotation=reader.rotation,
        )
        self.frames.height, self.frames.width = frame_size(
            reader.width, reader.height, reader.rotation, spec.max_height
        )
        self.decoder = Decoder(reader.parameters, max_pixels=max_pixels)
        self.picture = FrameConverter(reader.rotation)
        self.bodies: dict[int, bytes] = {}
        self.fault: Exception | None = None
        self.stored = np.full(count, -1, np.int64)  # the sample in each row
        self.good = np.zeros(count, np.bool_)  # the row's picture is not damaged

    def run(self) -> SampledFrames:
        frames = self.frames
        for group in _groups(self.reader, self.chosen.spans):
            whole = [range(span.first, span.last + 1) for span in group if self._size(span) <= _FETCH_BYTES]
            fetched = dict(zip(whole, self.reader.fetch(whole), strict=True))
            for span in group:
                self._span(span, fetched.get(range(span.first, span.last + 1)))
        frames.decoded = self.decoder.decoded
        if not frames.false_keyframes:
            self._search()
            self._finish()
        return frames

    def _size(self, span: DecodeSpan) -> int:
        return int(self.reader.size[span.first : span.last + 1].sum())

    def _span(self, span: DecodeSpan, bodies: Sequence[bytes] | None) -> None:
        """Decode one span; if a frame is missing, decode again without skipping, which may be the cause."""
        for skip in (True, False):
            entry = self._decode(range(span.first, span.last + 1), span.rows, bodies, skip=skip)
            if not entry:
                self.frames.false_keyframes.append(span.first)
                return
            if (self.stored[list(span.rows)] == self.chosen.index[list(span.rows)]).all():
                return

    def _decode(
        self, samples: range, rows: Sequence[int], bodies: Sequence[bytes] | None = None, *, skip: bool = False
    ) -> bool:
        """Decode samples, and write each row's frame or else the last good one before it.

        Returns:
            False if the first sample is listed as a keyframe but is not one.
        """
        wanted = _Wanted(self.reader.pts, self.chosen.index, rows)
        feed = self._feed(samples, wanted.rows, bodies)
        claimed = samples.start != 0 and bool(self.reader.complete[samples.start])
        if claimed:
            first = next(feed)
            headers = dict(first.side_data).get("new_extradata", self.reader.parameters.extradata)
            if not decodes_alone(self.reader.parameters.codec, headers, bytes(first.data)):
                return False
            feed = itertools.chain([first], feed)
        last: DecodedFrame | None = None
        began = False
        for decoded in self.decoder.decode(feed, skip=skip):
            if decoded.sample not in samples:
                continue
            began = began or decoded.sample == samples.start
            if claimed and decoded.sample == samples.start and not self._is_key(decoded.frame):
                return False
            # Frames arrive in display order, so those before this one are missing.
            self._replace(wanted.before(decoded.sample), last, samples.start)
            for row in wanted.found(decoded.sample):
                self._store(row, decoded.sample, decoded.frame)
            if self._is_good(decoded, samples.start):
                last = decoded
        if claimed and not began and samples.start not in self.decoder.faulty:
            return False  # the decoder accepts its packet but returns no picture: later frames refer to other ones
        self._replace(wanted.before(None), last, samples.start)
        self.fault = self.decoder.fault or self.fault
        self._judge(rows, samples)
        return True

    def _is_good(self, decoded: DecodedFrame, start: int) -> bool:
        """Return True if a frame may replace a later one: complete, displayed, and not before the first keyframe."""
        reader = self.reader
        shown = reader.shown is None or bool(reader.shown[decoded.sample])
        return not decoded.corrupt and shown and bool(reader.pts[decoded.sample] >= reader.pts[start])

    def _is_key(self, frame: VideoFrame) -> bool:
        """Return False if a frame listed as a keyframe is predicted from others."""
        if int(frame.pict_type) != _UNKNOWN:
            return int(frame.pict_type) not in _PREDICTED
        # Decoders of old codecs (RPZA, QuickTime Animation) do not report this. If all frames are listed although the
        # codec has predicted ones, the list is meaningless.
        return not self.reader.listed.all() or av.Codec(self.reader.parameters.codec, "r").intra_only

    def _feed(self, samples: range, wanted: Iterable[int], bodies: Sequence[bytes] | None = None) -> Iterator[Packet]:
        reader = self.reader
        wanted = set(wanted)
        for chunk in _chunks(reader, samples) if bodies is None else (samples,):
            chunk_bodies = reader.fetch([chunk])[0] if bodies is None else bodies
            for sample, body in zip(chunk, chunk_bodies, strict=True):
                if self.spec.frames == "packets":
                    self.bodies[sample] = body
                side_data = (
                    reader.side_data.until(sample, reader.parameters.extradata)
                    if sample == samples.start
                    else reader.side_data.of(sample)
                )
                yield Packet(body, sample, sample in wanted, bool(reader.listed[sample]), side_data)

    def _store(self, row: int, sample: int, frame: VideoFrame) -> None:
        frames, spec = self.frames, self.spec
        if not frames.sizes:
            # The decoder knows the real size, and a rotation that the stream itself declares; the container's size may
            # be wrong.
            frames.rotation = round(-frame.rotation / 90) * 90 % 360 or frames.rotation
            self.picture = FrameConverter(frames.rotation)
            frames.height, frames.width = frame_size(frame.width, frame.height, frames.rotation, spec.max_height)
        frames.sizes.add((frame.width, frame.height))
        if spec.frames == "rgb":
            if frames.images is None:
                frames.images = np.zeros((len(frames.corrupt), 3, frames.height, frames.width), np.uint8)
            self.picture.rgb(frame, frames.height, frames.width, frames.images[row])
        self.picture.luma(frame, frames.luma[row])
        self.picture.thumbnail(frame, frames.thumbnails[row])
        self.stored[row] = sample

    def _replace(self, rows: Sequence[int], last: DecodedFrame | None, first: int) -> None:
        for row in rows:
            if last is not None and self.stored[row] != self.chosen.index[row]:
                self._store(row, last.sample, last.frame)
                self.frames.first[row] = first

    def _judge(self, rows: Sequence[int], samples: range) -> None:
        """Mark rows that are damaged, refer to a damaged frame, or are not provably complete."""
        reader, frames = self.reader, self.frames
        faulty = np.array([fault for fault in self.decoder.faulty if fault >= 0], np.int64)
        healed = self._healed(faulty)
        begins_complete = samples.start == 0 or bool(reader.complete[samples.start])
        for row in rows:
            sample = int(self.stored[row])
            if sample < 0:
                continue
            first = int(frames.first[row])
            if begins_complete and not reader.complete[first]:
                # Its recovery point is reached by decoding on from a keyframe: stored packets must do the same.
                first = frames.first[row] = samples.start
            # A faulty frame damages later ones up to the next keyframe, unless it is displayed before its own keyframe.
            reaching = (faulty >= first) & (faulty <= sample) & (reader.pts[faulty] >= reader.pts[first])
            reaching &= sample < healed
            frames.corrupt[row] = (
                not (begins_complete or reader.complete[first])
                or sample != self.chosen.index[row]
                or sample in faulty
                or bool(reaching.any())
            )

    def _healed(self, faulty: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sample at which damage ends: a keyframe, or a few rounds of gradual refresh later."""
        never = len(self.reader.pts)
        if self.reader.refresh is None or not len(faulty):
            return np.full(len(faulty), never)
        points = np.append(np.flatnonzero(self.reader.refresh), [never] * (_ROUNDS + 1))
        return points[np.minimum(np.searchsorted(points, faulty, side="right") + _ROUNDS, len(points) - 1)]

    def _search(self) -> None:
        """Search earlier GOPs for the last good picture, for rows without one."""
        keys = np.flatnonzero(self.reader.complete)
        for first in np.unique(self.chosen.first[self.stored < 0]).tolist():
            rows = np.flatnonzero((self.stored < 0) & (self.chosen.first == first)).tolist()
            end = first
            for start in keys[keys < first][::-1][:_SEARCHED_GOPS].tolist():
                self._decode(range(start, end), rows)
                end = start
                if (self.stored[rows] >= 0).all():
                    break

    def _finish(self) -> None:
        """Drop rows without a picture, order the others by time, and collect what is stored."""
        frames = self.frames
        frames.replaced = int(((self.stored >= 0) & (self.stored != self.chosen.index)).sum())
        frames.missing = int((self.stored < 0).sum())
        if frames.missing and frames.missing == len(self.stored):
            raise item_error(
                "decode_failed",
                f"none of the {frames.missing} requested frames can be decoded"
                + (f": {self.fault}" if self.fault else " (the decoder returned no frame)"),
            ) from self.fault
        if frames.replaced or frames.missing:
            self._reorder()
        if self.spec.frames == "packets":
            frames.packets = self._packet_runs()
        elif frames.images is None:
            frames.images = np.zeros((0, 3, frames.height, frames.width), np.uint8)

    def _reorder(self) -> None:
        frames, reader = self.frames, self.reader
        kept = np.flatnonzero(self.stored >= 0)
        kept = kept[np.argsort(reader.pts[self.stored[kept]], kind="stable")]
        place = np.full(len(self.stored), -1, np.int64)
        place[kept] = np.arange(len(kept))
        frames.index, frames.first = self.stored[kept], frames.first[kept]
        frames.keyframe = (frames.first == frames.index) & reader.keyframe[frames.index]
        frames.luma, frames.thumbnails, frames.corrupt = (
            frames.luma[kept],
            frames.thumbnails[kept],
            frames.corrupt[kept],
        )
        if frames.images is not None:
            frames.images = frames.images[kept]
        strides = {}
        for stride, samples in frames.strides.items():
            rows = place[samples.index]
            strides[stride] = SampleTimes(samples.asked_s[rows >= 0], rows[rows >= 0])
        frames.strides = strides

    def _packet_runs(self) -> PacketRuns:
        """Return the packets of all spans in order. A frame's run starts at its keyframe and ends with its packet."""
        frames, reader = self.frames, self.reader
        extradata = reader.parameters.extradata
        spans = spans_of(frames.index, frames.first)
        samples = [sample for span in spans for sample in range(span.first, span.last + 1)]
        position = {sample: number for number, sample in enumerate(samples)}
        bodies = [self.bodies[sample] for sample in samples]
        starts = set(frames.first.tolist())
        side_data = [
            (position[sample], kind, body)
            for sample in samples
            for kind, body in (
                reader.side_data.until(sample, extradata) if sample in starts else reader.side_data.of(sample)
            )
        ]
        return PacketRuns(
            parameters=reader.parameters,
            data=b"".join(bodies),
            offsets=np.cumsum([0, *map(len, bodies)], dtype=np.int64),
            pts=reader.pts[samples] + reader.start_pts if samples else np.zeros(0, np.int64),
            first=np.array([position[int(sample)] for sample in frames.first], np.int64),
            count=frames.index - frames.first + 1,
            time_base=reader.time_base,
            keyframe=reader.listed[samples] if samples else np.zeros(0, np.bool_),
            side_data=tuple(side_data),
        )


class _Wanted:
    """The frames that one span is decoded for, in display order."""

    def __init__(self, pts: npt.NDArray[np.int64], index: npt.NDArray[np.int64], rows: Sequence[int]) -> None:
        self.rows: dict[int, list[int]] = {}
        for row in rows:
            self.rows.setdefault(int(index[row]), []).append(row)
        self._pts = pts
        self._waiting = sorted(self.rows, key=lambda sample: int(pts[sample]))

    def before(self, sample: int | None) -> list[int]:
        """Return, once, the rows of missing frames displayed before a sample; None returns all remaining ones."""
        late: list[int] = []
        while self._waiting and (sample is None or self._pts[self._waiting[0]] < self._pts[sample]):
            late += self.rows[self._waiting.pop(0)]
        return late

    def found(self, sample: int) -> list[int]:
        """Return the rows of a frame that the decoder returned."""
        if sample in self._waiting:
            self._waiting.remove(sample)
        return self.rows.get(sample, [])


def _groups(reader: PacketReader, spans: Sequence[DecodeSpan]) -> Iterator[list[DecodeSpan]]:
    """Group spans so that one fetch reads at most ``_FETCH_BYTES``; a longer span is alone, and read in parts."""
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


def _chunks(reader: PacketReader, samples: range) -> Iterator[range]:
    start, fetched = samples.start, 0
    for sample in samples:
        size = int(reader.size[sample])
        if fetched + size > _FETCH_BYTES and sample > start:
            yield range(start, sample)
            start, fetched = sample, 0
        fetched += size
    yield range(start, samples.stop)
