"""Letters of columns, as spreadsheets show them."""

from __future__ import annotations

__all__ = ["column_letters", "column_number"]


def column_letters(position: int) -> str:
    """Return the letters of a column.

    Args:
        position: from 0.

    Example:
        >>> column_letters(0), column_letters(26), column_letters(16383)
        ('A', 'AA', 'XFD')
    """
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def column_number(letters: str) -> int:
    """Return the position of a column, from 0.

    Args:
        letters: upper case, from A to Z.

    Example:
        >>> column_number("A"), column_number("XFD")
        (0, 16383)
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
