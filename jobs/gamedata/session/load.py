"""Read a ``.pt`` file; decode its packets, if it stores any, in a decoder process (`decode_packets`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.gamedata.pt import file
from jobs.gamedata.session.child import decode_packets

if TYPE_CHECKING:
    import os

    from jobs.gamedata.model import ExtractedData

__all__ = ["load"]


def load(path: str | os.PathLike[str] | bytes) -> ExtractedData:
    """Read a ``.pt`` file of the current format version.

    Args:
        path: a path, a ``file://`` or ``s3://`` URI, or the file's bytes.

    Raises:
        ItemError: ``pt_legacy`` for a pickled file of the original pipeline, which is never unpickled; ``pt_invalid``
            for any other file that is damaged or was not written by telecine.
        ObjectMissing: the file does not exist.

    Example:
        >>> from jobs.gamedata import load
        >>> load(".telecine/demo/game-data-manifest/gameplay.pt")
        ExtractedData('gameplay.tar', 60.0 s, stride-3: 15 frames 360x640, stride-30: 1 frame, stride-60: 0 frames)
    """
    return file.load(path, decode=decode_packets)
