"""All videos of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pictures.damages import damage_videos
from tests.pictures.encoders import encoder_videos
from tests.pictures.mixtures import mixture_videos
from tests.pictures.reported import reported_videos
from tests.pictures.structures import structure_videos
from tests.pictures.timestamps import timestamp_videos

if TYPE_CHECKING:
    from tests.pictures.studio import Video

__all__ = ["videos"]


def videos() -> list[Video]:
    """Return all videos, in the order of their kinds."""
    makers = (encoder_videos, structure_videos, timestamp_videos, damage_videos, mixture_videos, reported_videos)
    found = [video for maker in makers for video in maker()]
    assert len({video.name for video in found}) == len(found)
    return found
