"""Variants drawn, measured, and judged by the original's rules: what processes hand back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from tests.detectors.kinds import all_kinds, variant
from tests.detectors.original import original
from tests.detectors.session import from_pictures, through_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from tests.detectors.kinds import Kind
    from tests.detectors.paint import Picture

__all__ = ["THUMBNAIL", "Measured", "each", "measured"]

# What a small menu model sees of a frame: rows, columns.
THUMBNAIL = (72, 128)


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant after extraction.

    Attributes:
        name: of its kind.
        seed: of it.
        row: its part's columns.
        original: what the original's rules say, by check.
        references: a user's screenshots of its menus.
        thumbnails: its frames for a model, uint8, (D, 3, 72, 128); empty where none were asked for.
    """

    name: str
    seed: int
    row: dict[str, Any]
    original: dict[str, bool]
    references: tuple[Picture, ...]
    thumbnails: npt.NDArray[np.uint8]

    @property
    def kind(self) -> Kind:
        return all_kinds()[self.name]


def measured(name: str, seed: int, way: Literal["tar", "pictures"], *, thumbnails: bool = False) -> Measured:
    """Draw and measure a variant; one that is shorter than a sample goes through a TAR in any case."""
    found = variant(name, seed)
    drawn = through_tar(found) if way == "tar" or found.kind.brief else from_pictures(found)
    small = np.zeros((len(drawn.frames) if thumbnails else 0, 3, *THUMBNAIL), np.uint8)
    for number in range(len(small)):
        picture = Image.fromarray(drawn.frames[number]).resize(THUMBNAIL[::-1], Image.Resampling.BILINEAR)
        small[number] = np.asarray(picture).transpose(2, 0, 1)
    return Measured(name, seed, drawn.row, original(drawn), found.references, small)


def each(seeds: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Every kind with every seed."""
    for seed in seeds:
        for name in all_kinds():
            yield name, seed
