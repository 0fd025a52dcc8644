"""The fenced blocks of a Markdown page: what they are, and whether they are run.

Run are ``console``, ``python`` and ``sql`` blocks. A comment on the line above keeps one from being run:

    <!-- not run: needs a cluster -->

console
    Lines that begin with ``$ `` are commands for bash; a line that ends with a backslash continues on the next. What
    follows a command is its output; a command without output is only run. It must exit with 0, unless a comment says
    otherwise: ``$ telecine … # exits with 65``.
python
    Plain statements, or ``>>>`` as in a doctest. After a plain statement ``# -> text`` is what it printed, or
    its value. A block that begins with ``# name.py`` is a file: it is written into the page's folder and not executed.
sql
    For PostgreSQL; ``sql duckdb`` for DuckDB. Lines ``-- -> a | b`` at the end are the rows of the last statement.

In every output ``...`` stands for any text; alone on a line, for any number of lines. A run's id and a time of day
match any other. A command's log lines are compared as a terminal shows them: ``12:00:00 gamedata plan: 3 TARs …``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "BlockError", "Command", "commands", "find_blocks", "matches", "python_file", "sql_parts"]

RUN = ("console", "python", "sql")
SHOWN = ("", "csv", "html", "ini", "json", "text", "toml", "yaml")
_INSTEAD = {"bash": "console", "sh": "console", "shell": "console", "py": "python", "postgresql": "sql"}


_FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*(.*?)\s*")
_MARK = re.compile(r"\s*<!--\s*not run\b\s*:?\s*(.*?)\s*-->\s*")
_FILE = re.compile(r"# ([\w-]+\.py)\s*")
_EXIT = re.compile(r"#.*\b(?:exits|ends) with (\d+)\b")
_ROW = "-- -> "
# What is another with each run, and reads better than dots: the id of a run, the time at the start of a log line.
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "RUN"),
    (re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE), "TIME "),
)


class BlockError(Exception):
    """A page is not as the tests need it. The message begins with the file and line."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: path from the root.
        line: of its first line of text, from 1.
        language: first word after the fence.
        words: the others.
        text: without the fences' indentation.
        reason: why it is not run; None if it is.
    """

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str
    reason: str | None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console block, what it prints (None: not compared) and its exit code."""

    line: int
    text: str
    output: str | None
    code: int = 0


def find_blocks(page: str, text: str) -> list[Block]:
    """Return the blocks of a page that are run or marked as not run, in order.

    Raises:
        BlockError: a block is not closed, its language is unknown, or a mark has no reason or no block.
    """
    found = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        mark = _MARK.fullmatch(lines[number])
        if mark and not mark[1]:
            raise BlockError(f"{page}:{number + 1}: no reason; expected <!-- not run: REASON -->")
        opening = _FENCE.fullmatch(lines[number + 1 if mark and number + 1 < len(lines) else number])
        if mark and not opening:
            raise BlockError(f"{page}:{number + 1}: `not run` is not above a block; expected ``` on the next line")
        number += 1 if mark else 0
        if not opening:
            number += 1
            continue
        end = _closing(lines, number, opening[2], f"{page}:{number + 1}")
        body = "\n".join(line.removeprefix(opening[1]) for line in lines[number + 1 : end])
        language, *words = opening[3].split() or [""]
        if _is_run(language, f"{page}:{number + 1}"):
            found.append(Block(page, number + 2, language, tuple(words), body, mark[1] if mark else None))
        elif mark:
            raise BlockError(f"{page}:{number + 1}: a {language or 'plain'} block is never run; remove the mark")
        number = end + 1
    for block in found:
        if block.reason is None:
            _check(block)
    return found


def _closing(lines: list[str], start: int, fence: str, place: str) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip().startswith(fence) and not lines[number].strip().strip(fence[0]):
            return number
    raise BlockError(f"{place}: the block is not closed; expected {fence} on a line of its own")


def _is_run(language: str, place: str) -> bool:
    if language in RUN:
        return True
    if language not in SHOWN:
        known = f"expected one of {', '.join((*RUN, *SHOWN[1:]))}"
        hint = f"use ```{_INSTEAD[language]}" if language in _INSTEAD else known
        raise BlockError(f"{place}: a ```{language} block is neither run nor known as text; {hint}")
    return False


def _check(block: Block) -> None:
    """Fail for a block that cannot be run, before anything is."""
    if block.language == "console":
        list(commands(block))
    elif block.language == "python" and ">>> " not in block.text:
        try:
            compile(block.text, block.place, "exec")
        except SyntaxError as error:
            raise BlockError(f"{block.page}:{block.line + (error.lineno or 1) - 1}: not Python ({error.msg})") from None
    elif block.language == "sql" and not block.text.strip():
        raise BlockError(f"{block.place}: the sql block is empty")


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block with their outputs.

    Raises:
        BlockError: it does not begin with a command.
    """
    lines = block.text.splitlines()
    if not lines or not lines[0].startswith("$ "):
        raise BlockError(
            f"{block.place}: the console block has no command; expected `$ ` at the start of its first line"
        )
    number = 0
    while number < len(lines):
        first = number
        text = lines[number].removeprefix("$ ")
        while text.endswith("\\") and number + 1 < len(lines):
            number += 1
            text = f"{text[:-1].rstrip()} {lines[number].removeprefix('>').strip()}"
        number += 1
        output = []
        while number < len(lines) and not lines[number].startswith("$ "):
            output.append(lines[number])
            number += 1
        code = _EXIT.search(text)
        shown = "\n".join(output).strip("\n") if any(line.strip() for line in output) else None
        yield Command(block.line + first, text, shown, int(code[1]) if code else 0)


def python_file(block: Block) -> str | None:
    """The name of the file that a Python block is."""
    found = _FILE.match(block.text)
    return found[1] if found else None


def sql_parts(block: Block) -> tuple[str, str | None]:
    """The statements of an SQL block, and the rows that it expects."""
    lines = block.text.rstrip().splitlines()
    first = len(lines)
    while first and lines[first - 1].startswith(_ROW.strip()):
        first -= 1
    rows = [line.removeprefix(_ROW.strip()).strip() for line in lines[first:]]
    return "\n".join(lines[:first]), "\n".join(rows) if rows else None


def matches(expected: str, actual: str) -> bool:
    """Compare an output with what came; ``...`` stands for any text, spaces at the ends of lines do not count."""

    def plain(text: str) -> str:
        for varying, name in _VARYING:
            text = varying.sub(name, text)
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    pattern = re.escape(f"\n{plain(expected)}\n")
    pattern = pattern.replace(re.escape("\n...\n"), "\n(?:.*\n)?").replace(re.escape("..."), "[^\n]*")
    return re.fullmatch(pattern, f"\n{plain(actual)}\n", re.DOTALL) is not None
