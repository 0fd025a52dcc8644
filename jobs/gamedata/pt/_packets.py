"""The frames of a ``.pt`` file that stores packets; each is decoded once, when its stride is first accessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from jobs.gamedata.model import PacketRuns

__all__ = ["Decode", "PacketFrames", "select_runs"]

Decode = Callable[[PacketRuns, int, int, int], npt.NDArray[np.uint8]]


def select_runs(runs: PacketRuns, frames: npt.NDArray[np.int64]) -> PacketRuns:
    """Return the packets of the selected frames.

    Args:
        runs: packets of D frames.
        frames: rows of the wanted frames, shape (F,).

    Returns:
        Packets of F frames in the order of ``frames``; packets that several frames need are repeated.
    """
    wanted = [np.arange(runs.first[f], runs.first[f] + runs.count[f]) for f in frames]
    packets = np.concatenate(wanted) if wanted else np.zeros(0, np.int64)
    view = memoryview(runs.data)
    count = runs.count[frames]
    sizes = runs.offsets[packets + 1] - runs.offsets[packets]
    side_data: dict[int, list[tuple[str, bytes]]] = {}
    for number, kind, body in runs.side_data:
        side_data.setdefault(number, []).append((kind, body))
    return PacketRuns(
        parameters=runs.parameters,
        data=b"".join(view[runs.offsets[p] : runs.offsets[p + 1]] for p in packets),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        pts=runs.pts[packets],
        first=np.cumsum(count) - count,
        count=count,
        time_base=runs.time_base,
        keyframe=runs.keyframe[packets],
        side_data=tuple(
            (place, *item) for place, number in enumerate(packets.tolist()) for item in side_data.get(number, ())
        ),
    )


class PacketFrames(Mapping[str, npt.NDArray[np.uint8]]):
    """A mapping ``stride-3_chw`` … -> uint8 RGB, shape (N, 3, H, W), decoded on access.

    Args:
        runs: packets of D frames.
        index: for each key the frames of its samples, as rows of the D frames, shape (N,).
        height: height of an upright frame.
        width: width of an upright frame.
        rotation: clockwise rotation in degrees that makes the decoded frames upright.
        decode: :func:`jobs.gamedata.frames.decoder.decode_runs`.
    """

    def __init__(
        self,
        runs: PacketRuns,
        index: Mapping[str, npt.NDArray[np.int64]],
        *,
        height: int,
        width: int,
        rotation: int,
        decode: Decode,
    ) -> None:
        self._runs = runs
        self._index = dict(index)
        self._shape = (height, width)
        self._rotation = rotation
        self._decode = decode
        self._is_decoded = np.zeros(len(runs.first), dtype=np.bool_)
        self._images: npt.NDArray[np.uint8] | None = None

    def __getitem__(self, key: str) -> npt.NDArray[np.uint8]:
        index = self._index[key]
        height, width = self._shape
        if not len(index):
            return np.zeros((0, 3, height, width), np.uint8)
        if self._images is None:
            self._images = np.zeros((len(self._is_decoded), 3, height, width), np.uint8)
        missing = np.unique(index[~self._is_decoded[index]])
        if len(missing):
            self._images[missing] = self._decode(select_runs(self._runs, missing), height, width, self._rotation)
            self._is_decoded[missing] = True
        return self._images[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"PacketFrames({', '.join(f'{key}: {len(rows)}' for key, rows in self._index.items())})"
