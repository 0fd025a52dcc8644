"""A studio, which makes each encode once, and the videos of the matrix."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.pictures.encodes import FPS, copy_packets, encode, ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["HALF", "SHORT", "STRIDES", "Studio", "Video", "copied", "encoded"]

STRIDES: Final = ((2.0, 12), (7.0, 3))
SHORT: Final = 10  # seconds, if every frame is a keyframe or large
HALF: Final = 13  # seconds


class Studio:
    """Makes videos in a folder, each encode once.

    Args:
        folder: where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Path] = {}

    def file(self, suffix: str) -> Path:
        """Return a new path."""
        taken = len(self._made)
        self._made[f"file {taken}"] = path = self.folder / f"{taken}.{suffix}"
        return path

    def encode(self, codec: str = "libx264", suffix: str = "mp4", **settings: Any) -> Path:
        """Encode the scene, or return the file that has the same settings."""
        key = json.dumps([codec, suffix, settings], sort_keys=True)
        if key not in self._made:
            path = encode(self.file(suffix), codec, **settings)
            self._made[key] = path
        return self._made[key]

    def copy(self, sources: Path | Sequence[Path], suffix: str, **settings: Any) -> Path:
        """Copy the packets to a new file."""
        return copy_packets(sources, self.file(suffix), **settings)

    def ffmpeg(
        self,
        codec: str,
        suffix: str,
        options: str = "",
        *,
        size: str = "176x144",
        rate: int = FPS,
        seconds: int = SHORT,
    ) -> Path:
        """Encode FFmpeg's test picture with Debian's ffmpeg."""
        path = self.file(suffix)
        source = f"testsrc2=s={size}:r={rate}:d={seconds}"
        ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, *options.split(), path, codec=codec)
        return path


@dataclass(frozen=True, slots=True)
class Video:
    """One video of the matrix.

    Attributes:
        kind: the table row that it counts in.
        name: unique.
        make: writes it.
        strides: the samples to take of it.
        sample: True to include it in ``make test``.
    """

    kind: str
    name: str
    make: Callable[[Studio], Path]
    strides: tuple[tuple[float, int], ...] = STRIDES
    sample: bool = False


def encoded(codec: str, suffix: str, **settings: Any) -> Callable[[Studio], Path]:
    """Return a function that encodes the scene."""
    return lambda studio: studio.encode(codec, suffix, **settings)


def copied(
    codec: str, suffix: str, *, source: str = "mp4", copy: dict[str, Any] | None = None, **settings: Any
) -> Callable[[Studio], Path]:
    """Return a function that encodes the scene to one container, and copies the packets to another."""
    return lambda studio: studio.copy(studio.encode(codec, source, **settings), suffix, **(copy or {}))
