"""The texts of comments: sentences drawn by number, with the oddities that real comments have."""

from __future__ import annotations

from typing import Final

from jobs.trakt.replayer.draw import mix

__all__ = ["REVIEW_WORDS", "is_review", "written"]

REVIEW_WORDS: Final = 200
"""A comment of at least this many words is a review."""

_SUBJECTS: Final = (
    "The first act",
    "That long final scene",
    "Her performance",
    "The score",
    "Every single episode",
    "The script",
    "The whole supporting cast",
    "This ending",
)
_VERBS: Final = (
    "drags a little in the middle",
    "stayed with me for days",
    "is better than I remembered",
    "never quite earns its twist",
    "deserves a second viewing",
    "looks stunning on a big screen",
)
_TAILS: Final = (
    "and I would watch it again.",
    "but the pacing is off &amp; it shows.",
    "which is rare these days :heart:",
    "though my friends disagree 🎬",
    "and that says it all…",
)
_SENTENCES: Final = tuple(f"{first} {then} {last}" for first in _SUBJECTS for then in _VERBS for last in _TAILS)
_WORDS: Final = tuple(len(sentence.split()) for sentence in _SENTENCES)

# Of 98 recorded comments, 22 have CRLF, 8 an inline spoiler and, of those, 1 the flag too.
_CRLF, _INLINE, _FLAGGED = 22, 8, 2
_REVIEWS: Final = 6
_SENTENCES_AT_MOST: Final = 6


def is_review(salt: int, number: int) -> bool:
    """Return whether a comment is a review, without writing it: see :func:`written`."""
    return _is_long(mix(salt, number))


def _is_long(bits: int) -> bool:
    return (bits >> 8) % 100 < _REVIEWS


def written(salt: int, number: int) -> tuple[str, bool, bool]:
    """Return the text of a comment, its spoiler flag and whether it is a review.

    Args:
        salt: from the seed, and for an edited comment from the number of the edit.
        number: of the comment.
    """
    bits = mix(salt, number)
    habit, long, count = bits % 98, _is_long(bits), 1 + (bits >> 16) % _SENTENCES_AT_MOST
    at = bits >> 24
    parts: list[str] = []
    words = 0
    while words < REVIEW_WORDS if long else len(parts) < count:
        at = (at * 69_069 + 12_345) & 0xFFFFFFFFFF
        chosen = (at >> 12) % len(_SENTENCES)
        parts.append(_SENTENCES[chosen])
        words += _WORDS[chosen]
    if habit < _INLINE:
        parts[-1] = f"[spoiler]{parts[-1]}[/spoiler]"
    between = "\r\n\r\n" if (bits >> 4) % 98 < _CRLF else " "
    return between.join(parts), habit == 0 or habit > 98 - _FLAGGED, words >= REVIEW_WORDS


# Only a text that is meant to be long has the words of a review.
assert max(_WORDS) * _SENTENCES_AT_MOST < REVIEW_WORDS
