"""Guards between similar titles: other numbers, and words that are not a typing error apart, forbid a match."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.titles import numbers
from jobs.viewership.keys.words import KIN, wordset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["SMALL", "aligned", "same_numbers", "with_plurals"]

# Words that titles gain and lose without naming another episode. "not" and "no" are absent.
SMALL: Final = wordset("the a an of and in on at to for with from by is are el la los las de del y le les du et")
_LETTERS_PER_EDIT: Final = 3
_SHORT_WORD: Final = 4
"""Words up to this length have no typing errors: "son" and "sun", "last" and "lost" are two words."""


def same_numbers(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether two titles have the same numbers: parts, chapters, years and others.

    Example:
        >>> same_numbers(("storm", "1"), ("storm", "2")), same_numbers(("2", "moms"), ("moms", "2"))
        (False, True)
    """
    return numbers(one) == numbers(other)


def aligned(one: tuple[str, ...], other: tuple[str, ...], known: Collection[str] = ()) -> bool:
    """Return whether two titles differ by typing errors only: few edits in long words, small words, spaces.

    Args:
        one: tokens of what was typed.
        other: tokens of the catalogue's title.
        known: words of the catalogue; one of them is not a typing error of another word.

    Example:
        >>> aligned(("shes", "my", "sister"), ("shes", "my", "sitser"))
        True
        >>> aligned(("my", "brother", "lied"), ("my", "mother", "lied"), {"brother", "mother"})
        False
        >>> aligned(("boys", "lie"), ("girls", "lie")), aligned(("air", "bnb", "lies"), ("airbnb", "lies"))
        (False, True)
    """
    left, right = _words(one), _words(other)
    if "".join(left).removeprefix("the") == "".join(right).removeprefix("the"):
        return True
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    return all(
        _fits(left[first:last], right[start:end], known)
        for tag, first, last, start, end in matcher.get_opcodes()
        if tag != "equal"
    )


def _words(words: tuple[str, ...]) -> list[str]:
    return [word for word in words if not word[:1].isdecimal()]


def _fits(left: list[str], right: list[str], known: Collection[str]) -> bool:
    """Return whether a run of words is the other run with typing errors."""
    if all(word in SMALL for word in (*left, *right)):
        return True
    if "".join(left) == "".join(right):
        return True
    if len(left) != len(right):
        left = [word for word in left if word not in SMALL]
        right = [word for word in right if word not in SMALL]
        if len(left) != len(right):
            return _typed("".join(left), "".join(right), known) if left and right else False
    return all(_typed(mine, its, known) for mine, its in zip(left, right, strict=True))


def _singular(word: str) -> str:
    return word.removesuffix("s")


def with_plurals(words: Iterable[str]) -> set[str]:
    """Return words with their plurals and singulars, which are not typing errors of each other.

    Apostrophes are already removed: "mother's" is "mothers".

    Example:
        >>> sorted(with_plurals({"brother"}))
        ['brother', 'brothers']
    """
    return {each for word in words for each in (word, f"{word}s", _singular(word)) if each}


def _typed(one: str, other: str, known: Collection[str]) -> bool:
    """Return whether a word is another one with typing errors."""
    if one == other:
        return True
    if one in known:
        return False
    mine, its = _singular(one), _singular(other)
    if mine != its and (mine in known or f"{mine}s" in known or {mine, its} <= KIN):
        return False
    from rapidfuzz.distance import OSA

    shorter, longer = sorted((len(one), len(other)))
    if longer <= _SHORT_WORD:
        return False
    return OSA.distance(one, other) <= max(1, shorter // _LETTERS_PER_EDIT)
