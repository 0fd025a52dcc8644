"""Cells of a CSV file that a spreadsheet may read as formulas: formulas neutralised on export, restored on import.

A cell that begins with one of ``= + - @``, a tab or a carriage return is a formula to a spreadsheet, which may run a
command or send data away (CWE-1236). Export writes an apostrophe before it, and before any such text that already
begins with apostrophes; import removes one. So every text comes back as it was, and ``'Til Death`` is not touched.
The same applies after a semicolon, bar, tab or line break within a cell: a spreadsheet set to that delimiter starts a
new cell there, and one that ignores the quotation marks starts a new row at the line break.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["neutralised", "restored"]

# A spreadsheet may drop a leading line break. Quotation marks after a delimiter begin a quoted cell for a spreadsheet
# set to that delimiter.
_FIRST: Final = r"(?='*[=+\-@\t\r\n\0])"
_LATER: Final = r"(?='*[=+\-@\t\r\0])"
_DELIMITER: Final = r'[;|\t\r\n]"*'
_FORMULA: Final = re.compile(rf"(^){_FIRST}|({_DELIMITER}){_LATER}")
_NEUTRAL: Final = re.compile(rf"^'{_FIRST}|({_DELIMITER})'{_LATER}")


def neutralised(text: str) -> str:
    """Return the text of a cell for a CSV file.

    >>> neutralised("=1+1"), neutralised("The Storm"), neutralised("'=1"), neutralised("Storm;=1")
    ("'=1+1", 'The Storm', "''=1", "Storm;'=1")
    """
    return _FORMULA.sub(r"\1\2'", text)


def restored(cell: str) -> str:
    """Return the text of a cell that :func:`neutralised` wrote.

    >>> restored("'=1+1"), restored("'Til Death")
    ('=1+1', "'Til Death")
    """
    return _NEUTRAL.sub(r"\1", cell)
