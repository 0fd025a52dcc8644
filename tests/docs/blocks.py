"""Find the fenced blocks of a Markdown page, and tell which of them are run.

``console``, ``python`` and ``sql`` blocks are run, unless a comment on the line above says otherwise:

    <!-- not run: needs a cluster -->

console
    Lines that begin with ``$ `` are commands for bash; a line that ends with a backslash continues on the next one. The
    lines after a command are its expected output; without any, the output is not compared. A command must exit with 0,
    unless a comment gives another exit code: ``$ telecine … # exits with 65``.
python
    Plain statements, or ``>>>`` as in a doctest. After a plain statement, ``# -> text`` is its expected output or
    value. A block that begins with ``# name.py`` is a file: it is written to the page's folder and not executed.
sql
    Statements for PostgreSQL, or with ``sql duckdb`` for DuckDB. Lines ``-- -> a | b`` at the end are the expected rows
    of the last statement.

In an expected output, ``...`` matches any text; alone on a line, any number of lines. A run's id and a time of day
match any other. A command's log lines are compared in the form of a terminal: ``12:00:00 gamedata plan: 3 TARs …``.
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
# Texts that differ in each run, but are more readable than dots: the id of a run, the time at the start of a log line.
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "RUN"),
    (re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE), "TIME "),
)


class BlockError(Exception):
    """A page cannot be tested; the message begins with the file and line."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: path from the root.
        line: number of the first line of text, from 1.
        language: first word after the fence.
        words: the other words after the fence.
        text: contents, without the indentation of the fences.
        reason: the reason not to run it; None if it is run.
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
    """A command of a console block, with its expected output (None: not compared) and exit code."""

    line: int
    text: str
    output: str | None
    code: int = 0


def find_blocks(page: str, text: str) -> list[Block]:
    """Return the blocks of a page that are run or marked as not run, in order.

    Raises:
        BlockError: a block is not closed, its language is unknown, or a mark has no reason or no block.
    """
    blocks = []
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
            blocks.append(Block(page, number + 2, language, tuple(words), body, mark[1] if mark else None))
        elif mark:
            raise BlockError(f"{page}:{number + 1}: a {language or 'plain'} block is never run; remove the mark")
        number = end + 1
    for block in blocks:
        if block.reason is None:
            _check(block)
    return blocks


def _closing(lines: list[str], start: int, fence: str, location: str) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip().startswith(fence) and not lines[number].strip().strip(fence[0]):
            return number
    raise BlockError(f"{location}: the block is not closed; expected {fence} on a line of its own")


def _is_run(language: str, location: str) -> bool:
    if language in RUN:
        return True
    if language not in SHOWN:
        expected = f"expected one of {', '.join((*RUN, *SHOWN[1:]))}"
        hint = f"use ```{_INSTEAD[language]}" if language in _INSTEAD else expected
        raise BlockError(f"{location}: a ```{language} block is neither run nor known as text; {hint}")
    return False


def _check(block: Block) -> None:
    """Raise an error for a block that cannot be run, before any block is run."""
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
    """Yield the commands of a console block with their expected outputs.

    Raises:
        BlockError: the block does not begin with a command.
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
    """Return the name of the file that a Python block contains; None if it is not a file."""
    match = _FILE.match(block.text)
    return match[1] if match else None


def sql_parts(block: Block) -> tuple[str, str | None]:
    """Return the statements of an SQL block, and the expected rows; None without any."""
    lines = block.text.rstrip().splitlines()
    first = len(lines)
    while first and lines[first - 1].startswith(_ROW.strip()):
        first -= 1
    rows = [line.removeprefix(_ROW.strip()).strip() for line in lines[first:]]
    return "\n".join(lines[:first]), "\n".join(rows) if rows else None


def matches(expected: str, actual: str) -> bool:
    """Return whether an output is as expected; ``...`` matches any text, and trailing spaces are ignored."""

    def plain(text: str) -> str:
        for varying, name in _VARYING:
            text = varying.sub(name, text)
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    pattern = re.escape(f"\n{plain(expected)}\n")
    pattern = pattern.replace(re.escape("\n...\n"), "\n(?:.*\n)?").replace(re.escape("..."), "[^\n]*")
    return re.fullmatch(pattern, f"\n{plain(actual)}\n", re.DOTALL) is not None
