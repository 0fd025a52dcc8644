"""Sessions without a video, generated from a seed in microseconds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.model import (
    SIGNATURE_SHAPE,
    FrameStatistics,
    FrameStore,
    InputStatistics,
    PacketRuns,
    SampleTimes,
    SamplingSpec,
    Session,
    StreamParameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["extract_fake", "make_packets", "make_session", "make_statistics"]


def make_statistics(time_s: np.ndarray, seed: int = 0) -> FrameStatistics:
    """Plausible statistics for frames at these times."""
    count = len(time_s)
    random = np.random.default_rng(seed)
    luma = random.uniform(40, 200, count).astype(np.float32)
    none = np.zeros(count, np.float32)
    return FrameStatistics(
        time_s=np.asarray(time_s, np.float64),
        luma_mean=luma,
        luma_p01=luma * np.float32(0.1),
        luma_p50=luma,
        luma_p99=np.minimum(luma * 2, 255).astype(np.float32),
        border_top=none.copy(),
        border_bottom=none.copy(),
        border_left=none.copy(),
        border_right=none.copy(),
        static_share=random.uniform(0, 0.1, count).astype(np.float32),
        corrupt=np.zeros(count, np.bool_),
        signature=random.integers(0, 256, (count, *SIGNATURE_SHAPE), dtype=np.uint8),
    )


def make_packets(count: int, seed: int = 0, *, run: int = 1) -> PacketRuns:
    """Packets of random bytes, ``run`` per frame."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 50, count * run)
    return PacketRuns(
        parameters=StreamParameters("h264", b"\x01avcC", width=160, height=90, tag="avc1", reorder_depth=2),
        data=random.bytes(int(sizes.sum())),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        pts=np.arange(count * run, dtype=np.int64) * 512,
        first=np.arange(count, dtype=np.int64) * run,
        count=np.full(count, run, np.int64),
        time_base=(1, 15360),
        keyframe=np.arange(count * run) % run == 0,
        side_data=((0, "palette", bytes(range(256)) * 4),) if count else (),
    )


def make_session(
    *,
    duration_s: float = 600.0,
    spec: SamplingSpec | None = None,
    seed: int = 0,
    size: tuple[int, int] = (16, 12),
    gop_s: float = 0.0,
    inputs: bool = True,
    video_id: str = "recording",
) -> Session:
    """A session whose frame at second t is filled with ``round(t) % 251``.

    Args:
        duration_s: duration of the video.
        spec: sampling spec.
        seed: seed of the statistics.
        size: width and height of a frame.
        gop_s: 0 samples the requested times; otherwise times are rounded to multiples of it, so that some repeat.
        inputs: include an inputs.csv.
        video_id: stem of the video's name.
    """
    spec = spec or SamplingSpec()
    asked = {
        stride: np.array([(i + 1) * stride for i in range(count) if (i + 1) * stride < duration_s], np.float64)
        for stride, count in spec.strides
    }
    taken = {stride: np.round(times / gop_s) * gop_s if gop_s else times for stride, times in asked.items()}
    distinct = np.unique(np.concatenate(list(taken.values()))) if taken else np.zeros(0)
    width, height = size
    packets = spec.frames == "packets"
    images = np.broadcast_to(
        (np.round(distinct) % 251).astype(np.uint8)[:, None, None, None], (len(distinct), 3, height, width)
    ).copy()
    store = FrameStore(
        images=None if packets else images,
        packets=make_packets(len(distinct), seed) if packets else None,
        height=height,
        width=width,
        rotation=0,
        strides={
            stride: SampleTimes(asked_s=asked[stride], index=np.searchsorted(distinct, taken[stride]).astype(np.int64))
            for stride, _ in spec.strides
        },
        pts=np.round(distinct * 15360).astype(np.int64),
        time_s=distinct.astype(np.float64),
        keyframe=np.ones(len(distinct), np.bool_),
        time_base=(1, 15360),
    )
    return Session(
        video_member=f"{video_id}.mp4",
        video_id=video_id,
        video_metadata={"format": {"duration": f"{duration_s:.6f}"}, "streams": [{"codec_name": "h264"}]},
        session_metadata={"session_id": f"s{seed}", "game_exe": "game.exe"},
        duration_s=duration_s,
        frames=store,
        statistics=make_statistics(distinct, seed),
        inputs=InputStatistics(100, 60, 30, 10, 1.7e9, 1.7e9 + duration_s, False, 0, 0) if inputs else None,
        reader="ranges",
        repeated=sum(len(times) - len(np.unique(times)) for times in taken.values()),
        decoded=len(distinct),
    )


def extract_fake(
    *, fail: dict[bytes, str] | None = None, hook: Callable[[bytes], None] | None = None
) -> Callable[..., Session]:
    """Return an ``extract(source, spec)`` that generates a session from the source's bytes.

    Args:
        fail: first bytes of a source -> error code to raise.
        hook: called first, with the bytes.
    """

    def extract(source, spec):
        body = source.read(0, source.size)
        if hook is not None:
            hook(body)
        for beginning, code in (fail or {}).items():
            if body.startswith(beginning):
                raise item_error(code, f"{code} as asked")
        seed = int.from_bytes(hashlib.sha256(body).digest()[:4], "big")
        return make_session(spec=spec, seed=seed, video_id=f"video-{seed}")

    return extract
