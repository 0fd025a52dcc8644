"""Decode a TAR to a session: plan, decode, measure; plan again if a listed keyframe does not decode alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.frames.ffmpeg_reader import FFmpegReader, open_video
from jobs.gamedata.frames.ffprobe import probe
from jobs.gamedata.frames.packet_reader import MP4Reader
from jobs.gamedata.frames.plan import plan_frames
from jobs.gamedata.frames.sampled_frames import decode_plan
from jobs.gamedata.frames.statistics import measure, signatures
from jobs.gamedata.members.inputs import MAX_INPUTS, read_inputs
from jobs.gamedata.members.metadata import MAX_METADATA, parse_metadata
from jobs.gamedata.members.mp4 import NeedsFFmpeg, read_index
from jobs.gamedata.members.tar import pick_members, read_members
from jobs.gamedata.model import FrameStatistics, FrameStore, Session
from jobs.gamedata.ranges.source import BufferedSource, SourceSlice

if TYPE_CHECKING:
    import numpy.typing as npt

    from jobs.gamedata.frames.packet_reader import PacketReader
    from jobs.gamedata.frames.plan import FramePlan
    from jobs.gamedata.frames.sampled_frames import SampledFrames
    from jobs.gamedata.model import SamplingSpec
    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["MAX_PIXELS", "decode_session", "extract_session"]

# The default of --max-pixels: 8192 x 4320.
MAX_PIXELS: Final = 8192 * 4320
# Maximum replans because a listed keyframe is not one.
_PLANS: Final = 4
# Maximum total pixels to decode from complete keyframes if recovery points are nearer. At 640x360 this takes 12 s of
# the 30 s allowed per item.
_REFRESH_PIXELS: Final = 3e9


def extract_session(
    source: RangeSource,
    spec: SamplingSpec,
    *,
    max_pixels: int = MAX_PIXELS,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Session:
    """Decode one TAR in this process; :class:`~jobs.gamedata.session.child.DecodeChild` uses a child process.

    Args:
        source: the TAR's bytes.
        spec: the frames to sample and how to store them.
        max_pixels: larger frames are rejected.
        device: the device that computes statistics.

    Raises:
        ItemError: with one of :data:`~jobs.gamedata.errors.CODES`.
    """
    session, luma = decode_session(source, spec, max_pixels=max_pixels)
    unmeasured = session.statistics
    session.statistics = measure(luma, unmeasured.signature, unmeasured.time_s, unmeasured.corrupt, device=device)
    return session


def decode_session(
    source: RangeSource, spec: SamplingSpec, *, max_pixels: int = MAX_PIXELS
) -> tuple[Session, npt.NDArray[np.uint8]]:
    """Decode one TAR like :func:`extract_session`, without measuring luma statistics.

    Returns:
        The session, with only ``time_s``, ``corrupt`` and ``signature`` in its statistics; and the luma grids, shape
        (D, 90, 160), for :func:`~jobs.gamedata.frames.statistics.measure`.

    Raises:
        ItemError: with one of :data:`~jobs.gamedata.errors.CODES`.
    """
    members = pick_members(read_members(source))
    if members.metadata.size > MAX_METADATA:
        raise item_error(
            "metadata_invalid",
            f"'{members.metadata.name}' has {members.metadata.size} bytes, more than the limit of {MAX_METADATA}",
        )
    if members.inputs is not None and members.inputs.size > MAX_INPUTS:
        raise item_error(
            "inputs_invalid",
            f"'{members.inputs.name}' has {members.inputs.size} bytes, more than the limit of {MAX_INPUTS}",
        )
    # Read both in one round trip, which takes about 30 ms over a network, as long as decoding three keyframes.
    small = [member for member in (members.metadata, members.inputs) if member is not None]
    document, *inputs_body = source.read_many([(member.offset, member.size) for member in small])
    metadata = parse_metadata(document)
    inputs = read_inputs(inputs_body[0]) if inputs_body else None
    del inputs_body
    video = BufferedSource(SourceSlice(source, members.video.offset, members.video.size))
    reader = _open_reader(video, max_pixels)
    try:
        if reader.width * reader.height > max_pixels:
            raise item_error(
                "pixels_exceeded",
                f"frames have {reader.width}x{reader.height} pixels; the limit is {max_pixels} (--max-pixels)",
                max_pixels=max_pixels,
            )
        video_metadata = _describe(video, members.video.base, reader.rotation, max_pixels)
        chosen, frames = _sample(reader, spec, max_pixels)
    finally:
        reader.close()
    store = _frame_store(reader, frames)
    session = Session(
        video_member=members.video.name,
        video_id=members.video_id,
        video_metadata=video_metadata,
        session_metadata=metadata,
        duration_s=reader.duration_s,
        frames=store,
        statistics=_unmeasured(store.time_s, frames),
        inputs=inputs,
        reader=reader.name,
        repeated=chosen.repeated,
        decoded=frames.decoded,
        warnings=reader.warnings + _warnings(frames),
    )
    return session, frames.luma


def _open_reader(video: RangeSource, max_pixels: int) -> PacketReader:
    try:
        return MP4Reader(video, read_index(video))
    except NeedsFFmpeg as reason:
        reader = FFmpegReader(video, max_pixels=max_pixels)
        reader.warnings.insert(0, f"read with FFmpeg: {reason}")
        return reader


def _sample(reader: PacketReader, spec: SamplingSpec, max_pixels: int) -> tuple[FramePlan, SampledFrames]:
    """Plan and decode the frames; repeat both if listed keyframes do not decode on their own."""
    decoded = 0
    for _ in range(_PLANS):
        chosen = _plan(reader, spec)
        frames = decode_plan(reader, chosen, spec, max_pixels=max_pixels)
        decoded += frames.decoded
        if not frames.false_keyframes:
            frames.decoded = decoded
            if reader.refresh is not None:
                reader.warnings.append(
                    "some listed keyframes do not decode alone (intra refresh?): decoded from earlier ones"
                )
            return chosen, frames
        reader.distrust(frames.false_keyframes)
    raise item_error("decode_failed", "the keyframes that the container lists do not decode alone")


def _plan(reader: PacketReader, spec: SamplingSpec) -> FramePlan:
    """Choose the frames and where decoding starts: a recovery point only if the last keyframe is too far away."""

    def plan(**more: Any) -> FramePlan:
        return plan_frames(
            reader.pts,
            reader.keyframe,
            time_base=reader.time_base,
            duration_s=reader.duration_s,
            spec=spec,
            shown=reader.shown,
            complete=reader.complete,
            **more,
        )

    chosen = plan()
    if reader.refresh is None:
        return chosen
    affordable = int(_REFRESH_PIXELS // max(reader.width * reader.height, 1))
    if sum(span.last - span.first + 1 for span in chosen.spans) <= affordable:
        return chosen
    reach = affordable // max(len(chosen.spans), 1)
    reader.warnings.append(
        f"the last complete keyframe is more than {reach} frames away: later frames count as damaged"
    )
    return plan(refresh=reader.refresh, reach=reach)


def _describe(video: RangeSource, name: str, rotation: int, max_pixels: int) -> dict[str, Any]:
    with open_video(video, max_pixels=max_pixels) as container:
        return probe(container, filename=name, size=video.size, rotation=rotation)


def _warnings(frames: SampledFrames) -> list[str]:
    warnings = []
    corrupt, count = int(frames.corrupt.sum()), len(frames.corrupt)
    if corrupt:
        warnings.append(f"{corrupt} of {count} sampled frames are damaged (frame_corrupt)")
    if frames.replaced:
        warnings.append(f"{frames.replaced} frames cannot be decoded: replaced by the last good picture before them")
    if frames.missing:
        warnings.append(f"{frames.missing} frames cannot be decoded, nor can any picture before them: left out")
    if len(frames.sizes) > 1:
        sizes = ", ".join(f"{width}x{height}" for width, height in sorted(frames.sizes))
        warnings.append(f"the frame size changes ({sizes}): frames of another shape have black bars")
    return warnings


def _frame_store(reader: PacketReader, frames: SampledFrames) -> FrameStore:
    pts = reader.pts[frames.index]
    return FrameStore(
        images=frames.images,
        packets=frames.packets,
        height=frames.height,
        width=frames.width,
        rotation=frames.rotation,
        strides=frames.strides,
        pts=pts + reader.start_pts,
        time_s=pts.astype(np.float64) * reader.time_base[0] / reader.time_base[1],
        keyframe=frames.keyframe,
        time_base=reader.time_base,
    )


def _unmeasured(time_s: npt.NDArray[np.float64], frames: SampledFrames) -> FrameStatistics:
    blank = np.zeros(len(time_s), np.float32)
    return FrameStatistics(
        time_s=time_s,
        luma_mean=blank,
        luma_p01=blank,
        luma_p50=blank,
        luma_p99=blank,
        border_top=blank,
        border_bottom=blank,
        border_left=blank,
        border_right=blank,
        static_share=blank,
        corrupt=frames.corrupt,
        signature=signatures(frames.thumbnails),
    )
