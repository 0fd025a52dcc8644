"""Run a Jupyter notebook cell by cell without Jupyter, and keep what each cell shows."""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Cell", "CellError", "cells", "run"]


class CellError(Exception):
    """A cell raised; the message begins with the file and the number of the cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a notebook.

    Attributes:
        kind: ``code`` or ``markdown``.
        source: its text.
        stored: outputs in the file.
        shown: what it printed, then its last expression as HTML or text; empty until it ran.
    """

    kind: str
    source: str
    stored: tuple[Any, ...] = ()
    shown: str = ""


def cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [Cell(each["cell_type"], "".join(each["source"]), tuple(each.get("outputs", ()))) for each in found]


def run(path: Path) -> list[Cell]:
    """Run the code cells in one namespace and return them with what they show.

    Raises:
        CellError: a cell raised.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    done = []
    for number, cell in enumerate(cells(path), 1):
        if cell.kind == "code":
            place = f"{path.name}, cell {number}"
            try:
                done.append(Cell(cell.kind, cell.source, cell.stored, _shown(cell.source, place, names)))
            except (Exception, SystemExit) as error:
                raise CellError(f"{place}: {type(error).__name__}: {error}") from error
    return done


def _shown(source: str, place: str, names: dict[str, Any]) -> str:
    tree = ast.parse(source, place)
    last = tree.body[-1].value if isinstance(tree.body[-1], ast.Expr) else None
    tree.body = tree.body if last is None else tree.body[:-1]
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, place, "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last), place, "eval"), names)
    html = getattr(value, "_repr_html_", None)
    return printed.getvalue() + ("" if value is None else html() if html else repr(value))
