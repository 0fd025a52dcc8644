"""Keys of sprites: they name the session, the content that was sampled, and the geometry."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final, NamedTuple

from jobs.gamedata.gold.sprite_sheet import Geometry

__all__ = ["SPRITES", "SpriteKey", "digest_of"]

SPRITES: Final = "_sprites/"
# Increase it when sprites are drawn in another way: all are then made again.
_VERSION: Final = 1
_KEY_MAX: Final = 1024
_NUMBER: Final = "([1-9][0-9]{0,3})"
_PATTERN: Final = re.compile(
    f"{SPRITES}(.+)\\.([0-9a-f]{{16}})-{_NUMBER}x{_NUMBER}-{_NUMBER}-{_NUMBER}\\.webp", re.DOTALL
)


def digest_of(s3_key: str, source_etag: str, spec_digest: str) -> str:
    """Return the identity of a sprite's pictures, 16 hex digits.

    A ``.pt`` file that is extracted again from the same TAR with the same sampling has the same frames, though not the
    same bytes: it contains the time of extraction.
    """
    text = json.dumps([_VERSION, s3_key, source_etag, spec_digest])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class SpriteKey(NamedTuple):
    """The parts of a sprite's key.

    Example:
        >>> key = SpriteKey("a/v.tar", "0123456789abcdef", Geometry(160, 90, 4, 12)).text
        >>> key
        '_sprites/a/v.tar.0123456789abcdef-160x90-4-12.webp'
        >>> SpriteKey.parse(key).geometry.tiles
        12
    """

    s3_key: str
    digest: str
    geometry: Geometry

    @property
    def text(self) -> str:
        """The key."""
        place = self.geometry
        size = f"{place.tile_width}x{place.tile_height}-{place.columns}-{place.tiles}"
        return f"{SPRITES}{self.s3_key}.{self.digest}-{size}.webp"

    @property
    def is_valid(self) -> bool:
        """Whether a store can hold it: S3 limits keys to 1,024 bytes."""
        return len(self.text.encode("utf-8", "replace")) <= _KEY_MAX

    @classmethod
    def parse(cls, key: str) -> SpriteKey | None:
        """Return the parts of a listed key; None if it is not the key of a sprite."""
        match = _PATTERN.fullmatch(key)
        return match and cls(match[1], match[2], Geometry(*map(int, match.groups()[2:])))
