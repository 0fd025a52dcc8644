"""Ways to take the 29 distinct times of the default strides out of one TAR: telecine's, and what else there is.

Baselines of this process are PyAV of the same version with one thread:

* full decode: the member opened in place, frames decoded without looking at them; one loop of the clip (50 of its 600
  s) times 12;
* exact seek: a seek and a decode to the asked time for each time, to RGB of the stored size, as a careful script does;
* whole TAR: the TAR read into memory and the member written to a file, as the original did, then exact seek.

torchcodec runs in a process of its own: see :mod:`tests.benchmarks._torchcodec`. The physical limit is what reads the
index and decodes the keyframes of the plan, and nothing else.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from typing import TYPE_CHECKING

import av
import numpy as np

from jobs.gamedata.members.mp4 import read_index
from jobs.gamedata.members.tar import pick_members, read_members
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import FileSource, SourceSlice
from jobs.gamedata.session.decode import extract_session
from tests.benchmarks._clips import LOOP_SECONDS, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["EXACT_SEEK", "FULL", "TIMES", "WHOLE", "baselines", "keyframe_bytes", "ours"]

TIMES = sorted({(i + 1) * stride for stride, count in SamplingSpec().strides for i in range(count)})
FULL = "full decode (PyAV)"
WHOLE = "whole TAR + exact seek (PyAV)"
EXACT_SEEK = "exact seek (PyAV)"


def ours(tar: Path, vision: Path) -> dict[str, Callable[[], None]]:
    """Telecine in this process; ``vision`` has no inputs.csv."""

    def way(path: Path, spec: SamplingSpec) -> Callable[[], None]:
        return lambda: void(extract_session(FileSource(path), spec))

    return {
        "telecine --sampling exact": way(tar, SamplingSpec(mode="exact")),
        "telecine (default)": way(tar, SamplingSpec()),
        "telecine --sampling keyframe": way(tar, SamplingSpec(mode="keyframe")),
        "telecine keyframe, packets, vision only": way(vision, SamplingSpec(mode="keyframe", frames="packets")),
        "limit: decode of the plan's keyframes": lambda: _limit(vision),
    }


def baselines(tar: Path) -> dict[str, Callable[[], float | None]]:
    """PyAV over the same TAR."""
    with tarfile.open(tar, "r:") as archive:
        info = next(member for member in archive if member.name.endswith(".mp4"))
    url = f"subfile,,start,{info.offset_data},end,{info.offset_data + info.size},,:{tar}"

    def full() -> float:
        with av.open(url) as container:
            container.streams.video[0].thread_type = "NONE"
            for frame in container.decode(video=0):
                if frame.time >= LOOP_SECONDS:
                    break
        return SECONDS / LOOP_SECONDS

    def seek() -> None:
        with av.open(url) as container:
            _exact(container, TIMES)

    def whole() -> None:
        data = tar.read_bytes()
        with (
            tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive,
            tempfile.NamedTemporaryFile(suffix=".mp4") as file,
        ):
            member = archive.extractfile(info.name)
            assert member is not None
            file.write(member.read())
            file.flush()
            with av.open(file.name) as container:
                _exact(container, TIMES)

    return {FULL: full, WHOLE: whole, EXACT_SEEK: seek}


def void(_: object) -> None:
    """Forget a result."""


def keyframe_bytes(tar: Path) -> float:
    """Mean size of a keyframe."""
    source = FileSource(tar)
    video = pick_members(read_members(source)).video
    track = read_index(SourceSlice(source, video.offset, video.size))
    return float(track.size[track.keyframe].mean())


def _exact(container: av.container.InputContainer, times: Iterable[float]) -> None:
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    for time in times:
        container.seek(int(time / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= time - 1e-3:
                frame.to_ndarray(format="rgb24")
                break


def _limit(tar: Path) -> None:
    source = FileSource(tar)
    video = pick_members(read_members(source)).video
    track = read_index(SourceSlice(source, video.offset, video.size))
    keys = np.flatnonzero(track.keyframe)
    seconds = track.pts[keys] * track.time_base[0] / track.time_base[1]
    codec = av.CodecContext.create(track.codec, "r")
    codec.extradata = track.extradata
    codec.thread_type = "NONE"
    for row in sorted({int(keys[np.abs(seconds - time).argmin()]) for time in TIMES}):
        packet = av.Packet(source.read(video.offset + int(track.offset[row]), int(track.size[row])))
        codec.decode(packet)
        codec.decode(None)
        codec.flush_buffers()
