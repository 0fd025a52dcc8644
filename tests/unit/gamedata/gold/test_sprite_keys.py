"""Keys of sprites, and keys that look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.gold.sprite_keys import SpriteKey, digest_of
from jobs.gamedata.gold.sprite_sheet import Geometry


@given(st.text(min_size=1), st.tuples(*[st.integers(1, 9999)] * 4))
def test_a_key_is_parsed_back(s3_key, numbers):
    sprite = SpriteKey(s3_key, digest_of(s3_key, "e", "d"), Geometry(*numbers))
    assert SpriteKey.parse(sprite.text) == sprite


@pytest.mark.parametrize(
    "key",
    [
        "_sprites/a.tar.0123456789abcdef-160x90-4-12.png",
        "_sprites/.0123456789abcdef-160x90-4-12.webp",
        "_sprites/a.tar.0123456789ABCDEF-160x90-4-12.webp",
        "_sprites/a.tar.0123456789abcdef-0x90-4-12.webp",
        "_sprites/a.tar.0123456789abcdef-160x90-4-99999999999999999999.webp",
        "_sprites/a.tar.0123456789abcdef-160x90-4-\N{ARABIC-INDIC DIGIT FIVE}.webp",
        "_stats/a.tar.0123456789abcdef-160x90-4-12.webp",
        "a/_sprites/a.tar.0123456789abcdef-160x90-4-12.webp",
    ],
)
def test_another_key_is_not_a_sprite(key):
    assert SpriteKey.parse(key) is None


def test_the_digest_changes_with_session_content_and_sampling():
    digests = [digest_of(*each) for each in (("a", "e", "d"), ("b", "e", "d"), ("a", "f", "d"), ("a", "e", "g"))]
    assert len({*digests, digest_of("ae", "", "d"), digest_of("a", "ed", "")}) == 6


def test_a_key_longer_than_s3_allows_is_not_valid():
    place = Geometry(160, 90, 4, 12)
    assert SpriteKey("a" * 970, "0" * 16, place).is_valid
    assert not SpriteKey("a" * 1000, "0" * 16, place).is_valid
