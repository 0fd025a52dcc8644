"""Cells of a CSV file that a spreadsheet may read as formulas: formulas neutralised on export, restored on import.

A cell that begins with one of ``= + - @``, a tab or a carriage return is a formula to a spreadsheet, which may run a
command or send data away (CWE-1236). Export writes an apostrophe before it, and before any such text that already
begins with apostrophes; import removes one. So every text comes back as it was, and ``'Til Death`` is not touched.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["neutralised", "restored"]

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\0]")
_NEUTRAL: Final = re.compile(r"'+[=+\-@\t\r\0]")


def neutralised(text: str) -> str:
    """Return the text of a cell for a CSV file.

    >>> neutralised("=1+1"), neutralised("The Storm"), neutralised("'=1")
    ("'=1+1", 'The Storm', "''=1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restored(cell: str) -> str:
    """Return the text of a cell that :func:`neutralised` wrote.

    >>> restored("'=1+1"), restored("'Til Death")
    ('=1+1', "'Til Death")
    """
    return cell[1:] if _NEUTRAL.match(cell) else cell
