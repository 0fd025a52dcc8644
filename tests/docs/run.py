"""Run the blocks of one page, in order, in its own folder."""

from __future__ import annotations

import ast
import doctest
import io
import json
import re
import subprocess
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from tests.docs.blocks import Block, commands, matches, python_file, sql_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.postgres_server import Database

__all__ = ["Page", "script"]

LIMIT_S = 150
_ARROW = re.compile(r"\s*# -> ?(.*)")
_MORE = re.compile(r"\s*#    ?(.*)")


class Page:
    """Runs blocks: commands in ``folder`` with ``env``, Python in one namespace, SQL in ``database``.

    Attributes:
        failures: one text for each difference from the page.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], database: Database) -> None:
        self.folder = folder
        self.env = dict(env)
        self.database = database
        self.names: dict[str, Any] = {"__name__": "__docs__"}
        self.failures: list[str] = []

    def run(self, block: Block) -> None:
        """Run one block; errors are added to :attr:`failures`, so that the next block can run."""
        runners: dict[str, Callable[[Block], None]] = {
            "console": self._console,
            "python": self._python,
            "sql": self._sql,
        }
        try:
            runners[block.language](block)
        except Exception as error:  # noqa: BLE001 - the code on the page may raise anything
            self.failures.append(f"{block.place}: {type(error).__name__}: {error}")

    def _console(self, block: Block) -> None:
        for command in commands(block):
            completed = subprocess.run(
                ["bash", "-c", command.text],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            location = f"{block.page}:{command.line}"
            if completed.returncode != command.code:
                self.failures.append(
                    f"{location}: exit code {completed.returncode}, expected {command.code}: {command.text}\n"
                    f"{completed.stdout}{completed.stderr[-3000:]}"
                )
            elif command.output is not None:
                log = _log_lines(completed.stderr)
                if not any(
                    matches(command.output, output) for output in (completed.stdout, log, log + completed.stdout)
                ):
                    self._differs(location, command.output, log + completed.stdout, of=command.text)

    def _python(self, block: Block) -> None:
        if name := python_file(block):
            (self.folder / name).write_text(f"{block.text}\n", encoding="utf-8")
        elif ">>> " in block.text:
            self._doctest(block)
        else:
            self._statements(block)

    def _doctest(self, block: Block) -> None:
        parsed = doctest.DocTestParser().get_doctest(
            f"{block.text}\n", self.names, block.place, block.page, block.line - 1
        )
        parsed.globs = self.names  # the parser copies them
        output = io.StringIO()
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        if runner.run(parsed, out=output.write, clear_globs=False).failed:
            self.failures.append(f"{block.place}: {output.getvalue()}")

    def _statements(self, block: Block) -> None:
        lines = block.text.splitlines()
        for statement in ast.parse(block.text).body:
            output = io.StringIO()
            with redirect_stdout(output):
                if isinstance(statement, ast.Expr):
                    value = eval(compile(ast.Expression(statement.value), block.place, "eval"), self.names)
                    if value is not None:
                        print(repr(value))
                else:
                    exec(compile(ast.Module([statement], []), block.place, "exec"), self.names)
            end = statement.end_lineno or statement.lineno
            expected = _arrows(lines[end:])
            if expected is not None and not matches(expected, output.getvalue()):
                self._differs(f"{block.page}:{block.line + end - 1}", expected, output.getvalue(), of=lines[end - 1])

    def _sql(self, block: Block) -> None:
        statements, expected = sql_parts(block)
        rows = self._duckdb(statements) if "duckdb" in block.words else self._postgres(statements)
        actual = "\n".join(" | ".join(map(str, row)) for row in rows)
        if expected is not None and not matches(expected, actual):
            self._differs(block.place, expected, actual, of="the last statement")

    def _postgres(self, statements: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            cursor = connection.execute(statements)  # without parameters, psycopg accepts several statements at once
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def _duckdb(self, statements: str) -> list[tuple[Any, ...]]:
        import duckdb

        with duckdb.connect() as connection:
            fetched: list[tuple[Any, ...]] = connection.execute(statements).fetchall()
            return fetched

    def _differs(self, location: str, expected: str, actual: str, *, of: str) -> None:
        self.failures.append(f"{location}: {of}\nthe page says:\n{expected}\nwhat came:\n{actual.rstrip()}\n")


def _log_lines(stderr: str) -> str:
    """Return log lines as on a terminal, without those of the progress, for which a terminal shows a bar."""
    lines = []
    for line in stderr.splitlines():
        if not line.startswith('{"ts": '):
            lines.append(line)
            continue
        entry = json.loads(line)
        if entry["logger"] != "shared.progress":
            lines.append(f"{entry['ts'][11:19]} {entry['message']}")
    return "".join(f"{line}\n" for line in lines)


def _arrows(lines: list[str]) -> str | None:
    expected: list[str] = []
    for line in lines:
        match = (_MORE if expected else _ARROW).fullmatch(line) or (_ARROW.fullmatch(line) if expected else None)
        if not match:
            break
        expected.append(match[1])
    return "\n".join(expected) if expected else None


def script(path: Path, text: str) -> None:
    """Write an executable, so that no command depends on what is installed."""
    path.write_text(text)
    path.chmod(0o755)
