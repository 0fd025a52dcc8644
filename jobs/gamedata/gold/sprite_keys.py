"""Keys of sprites, which contain the session, a digest of the sampled content, and the geometry."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final, NamedTuple

from jobs.gamedata.gold.sprite_sheet import Geometry

__all__ = ["SPRITES", "SpriteKey", "digest_of"]

SPRITES: Final = "_sprites/"
# Increment when sprites are drawn differently; all are then remade.
_VERSION: Final = 1
_KEY_MAX: Final = 1024
_NUMBER: Final = "([1-9][0-9]{0,3})"
_PATTERN: Final = re.compile(
    f"{SPRITES}(.+)\\.([0-9a-f]{{16}})-{_NUMBER}x{_NUMBER}-{_NUMBER}-{_NUMBER}\\.webp", re.DOTALL
)


def digest_of(s3_key: str, source_etag: str, spec_digest: str) -> str:
    """Return the digest of a sprite's content, 16 hex digits.

    It does not use the bytes of the ``.pt`` file, which contain the time of extraction: extracting the same TAR again
    with the same sampling yields the same frames.
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
        """True if a store accepts the key: S3 limits keys to 1,024 bytes."""
        return len(self.text.encode("utf-8", "replace")) <= _KEY_MAX

    @classmethod
    def parse(cls, key: str) -> SpriteKey | None:
        """Return the parts of a listed key; None if it is not the key of a sprite."""
        match = _PATTERN.fullmatch(key)
        return match and cls(match[1], match[2], Geometry(*map(int, match.groups()[2:])))
