"""Similarity of sampled frames to the pictures of menus in ``--menu-references``; a menu from 0.95 on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.frames.pictures import shrink
from jobs.gamedata.model import SIGNATURE_SHAPE
from jobs.gamedata.session.child import DecodeChild
from shared.errors import ExtraMissing, ItemError, UsageError
from shared.storage import holds_secrets, leads_to_secrets

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

__all__ = ["LIKENESS", "SUFFIXES", "MenuReferences"]

SUFFIXES: Final = (".png", ".jpg", ".jpeg")
# Minimum correlation at which two thumbnails count as the same layout. It stays above 0.95 if only the cursor moves;
# brightness and contrast have no effect. Two races under the same sky reach 0.93, menus of different games 0.5
# (docs/checks.md).
LIKENESS: Final = 0.95
# A thumbnail with a smaller standard deviation (of 255) is a plain colour and has no layout to compare.
_PLAIN: Final = 4.0
# Frames per step: 432 float32 each, about 28 MB.
_CHUNK: Final = 1 << 14
_LARGEST: Final = 64 << 20
_REFUSED: Final = "leads to a folder of secrets or processes"
_CELLS: Final = SIGNATURE_SHAPE[0] * SIGNATURE_SHAPE[1] * SIGNATURE_SHAPE[2]


@dataclass(frozen=True, slots=True)
class MenuReferences:
    """Reference pictures, as unit vectors.

    Attributes:
        vectors: shape (R, 432), float32; zero for plain pictures.
        names: file names, R of them.
    """

    vectors: npt.NDArray[np.float32]
    names: tuple[str, ...]

    @classmethod
    def read(cls, folder: str) -> MenuReferences:
        """Read every PNG and JPEG file of a folder.

        Raises:
            UsageError: the folder does not exist, has no pictures or leads to secrets, or a picture cannot be read.
        """
        root = Path(folder)
        if not root.is_dir():
            raise UsageError(
                f"--menu-references {folder}: folder does not exist; expected a folder with {_kinds()} files"
            )
        if leads_to_secrets(folder):
            raise UsageError(f"--menu-references {folder}: {_REFUSED}; expected another folder")
        # A pipe would never end, and neither would a link to a device.
        files = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        if not files:
            raise UsageError(f"--menu-references {folder}: folder has no pictures; expected {_kinds()} files")
        rows, columns, _ = SIGNATURE_SHAPE
        try:
            # Without PyAV, the decoder process would die without naming it.
            import av  # noqa: F401
        except ImportError as error:
            raise ExtraMissing(
                "--menu-references needs PyAV; pip install 'telecine[gamedata]'", extra="gamedata", module="av"
            ) from error
        with DecodeChild() as child:
            pictures = [_picture(child, path).transpose(2, 0, 1) for path in files]
        thumbnails = np.stack([shrink(picture, rows, columns).transpose(1, 2, 0) for picture in pictures])
        return cls(_unit(thumbnails), tuple(path.name for path in files))

    def likeness(self, signatures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return each frame's correlation with its most similar reference: (F, 9, 16, 3) -> (F,), from -1 to 1."""
        best = np.zeros(len(signatures), np.float32)
        for start in range(0, len(signatures), _CHUNK):
            part = slice(start, start + _CHUNK)
            best[part] = (_unit(signatures[part]) @ self.vectors.T).max(axis=1)
        return best

    def menu_like(self, signatures: pl.Series, count: npt.NDArray[np.int64]) -> pl.Series:
        """Return which frames of S sessions resemble a reference.

        Args:
            signatures: the part column ``frame_signature``: D * 432 bytes per session.
            count: frames per session, shape (S,).

        Returns:
            One list per session, with a bool for each of its D frames.
        """
        import polars as pl

        raw = b"".join(signatures.fill_null(b"").to_list())
        pixels = np.frombuffer(raw, np.uint8).reshape(-1, *SIGNATURE_SHAPE)
        if len(pixels) != int(count.sum()):
            raise ValueError(f"frame_signature holds {len(pixels)} frames but frame_time_s has {int(count.sum())}")
        alike = self.likeness(pixels) >= LIKENESS
        ends = np.cumsum(count)
        return pl.Series(
            "frame_menu_like",
            [alike[end - size : end].tolist() for end, size in zip(ends.tolist(), count.tolist(), strict=True)],
            dtype=pl.List(pl.Boolean),
        )


def _picture(child: DecodeChild, path: Path) -> npt.NDArray[np.uint8]:
    if holds_secrets(os.path.realpath(path)):
        raise UsageError(f"--menu-references: '{path}' {_REFUSED}; expected a picture; remove the link")
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"--menu-references: '{path}' is larger than 64 MB; expected a picture; remove the file")
        return child.picture(path.read_bytes())
    except (ItemError, OSError) as error:
        why = error.message if isinstance(error, ItemError) else error.strerror
        raise UsageError(f"--menu-references: '{path}' cannot be read: {why}; repair or remove the file") from error


def _unit(thumbnails: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Subtract each thumbnail's mean and scale it to length 1; plain ones become 0: (…) -> (N, 432)."""
    flat = thumbnails.reshape(-1, _CELLS).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.sqrt((flat * flat).sum(axis=1, keepdims=True))
    return np.where(length >= _PLAIN * _CELLS**0.5, flat / np.maximum(length, 1e-6), 0).astype(np.float32)


def _kinds() -> str:
    return ", ".join(SUFFIXES)
