"""Collect every text a person reads, with its path, line and kind.

Kinds: ``docstring``, ``comment``, ``message`` (string literals), ``help`` (descriptions of settings, help of commands),
``prose`` (Markdown) and ``chart`` (values, notes, alerts and boards).
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]

# Test inputs, the patterns with their own examples, and files that a tool writes for a tool.
LEFT_OUT = (
    "LICENSE",
    "requirements/*.txt",
    "tests/chart/samples/*",
    "tests/hostile/corpus/*",
    "tests/language/patterns.toml",
    "tests/unit/gamedata/steps/golden/*",
    "tests/*/wordlists/*",
)
_BUILT = {".git", ".venv", "venv", "build", "dist", "node_modules", "__pycache__"}

_HASH_SUFFIXES = {".sh", ".toml", ".yaml", ".yml", ".mako", ".example", ".mod", ".cfg"}
_HASH_NAMES = {"Makefile", "Dockerfile", "run", ".gitignore", ".dockerignore", ".helmignore"}


@dataclass(frozen=True, slots=True)
class Text:
    """One docstring, comment block, message or paragraph.

    Attributes:
        path: relative to the repository.
        kind: see the module.
        body: the text with each run of whitespace as one space; a blank line stays as a line break.
        starts: where each line begins in ``body``.
        lines: the line number of each.
    """

    path: str
    kind: str
    body: str
    starts: tuple[int, ...]
    lines: tuple[int, ...]

    def line(self, offset: int) -> int:
        """Return the line of the file that an offset of ``body`` is on."""
        return self.lines[max(bisect_right(self.starts, offset) - 1, 0)]


def files(root: Path = ROOT) -> list[str]:
    """List the files to read: what git tracks or would track, else everything but build outputs."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        names = sorted(set(filter(None, listed.decode().split("\0"))))
    except (OSError, subprocess.CalledProcessError):
        names = sorted(_walk(root))
    return [name for name in names if not any(matches(name, glob) for glob in LEFT_OUT) and (root / name).is_file()]


def matches(path: str, glob: str) -> bool:
    """Check if a path matches a glob; ``*`` also matches slashes at the end of the glob."""
    if glob.endswith("/*"):
        return any(_match(str(parent), glob[:-2]) for parent in Path(path).parents)
    return _match(path, glob)


def _match(path: str, glob: str) -> bool:
    return len(Path(path).parts) == len(Path(glob).parts) and Path(path).match(glob)


def _walk(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not _BUILT & set(relative.parts) and not any(part.endswith(".egg-info") for part in relative.parts):
            yield relative.as_posix()


def texts(names: Iterable[str] | None = None, root: Path = ROOT) -> Iterator[Text]:
    """Yield the texts of some files, or of the whole repository.

    Args:
        names: paths relative to the repository.
        root: the repository.
    """
    for name in files(root) if names is None else names:
        try:
            source = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from of_file(name, source)


def of_file(name: str, source: str) -> Iterator[Text]:
    """Yield the texts of one file.

    Args:
        name: its path; the suffix decides how it is read.
        source: its content.
    """
    path = Path(name)
    if path.suffix == ".py":
        yield from _python(name, source)
    elif path.suffix == ".md":
        yield from _markdown(name, source)
    elif path.suffix == ".json":
        yield from _json(name, source)
    elif path.suffix in (".c", ".go", ".css"):
        yield from _slashes(name, source)
    elif path.suffix == ".j2":
        yield from _template(name, source)
    elif path.suffix == ".tpl" or path.name == "NOTES.txt":
        yield from _helm_comments(name, source)
        yield from _paragraphs(name, "chart", _without_helm_comments(source))
    elif path.suffix in _HASH_SUFFIXES or path.name in _HASH_NAMES:
        yield from _hashes(name, source)
        if name.startswith(("charts/", "workflows/")) and path.suffix == ".yaml":
            yield from _helm_comments(name, source)
            yield from _yaml_values(name, _without_helm_comments(source))
        elif path.suffix == ".sh" or path.name in ("Makefile", "run"):
            yield from _shell_messages(name, source)


# ---- joining

_CODE = re.compile(r"(`+)([^`\n]+)\1")
_SPACES = re.compile(r"\s+")


def _text(path: str, kind: str, numbered: Iterable[tuple[int, str]]) -> Text | None:
    parts: list[str] = []
    starts: list[int] = []
    lines: list[int] = []
    size = 0
    for number, raw in numbered:
        line = _SPACES.sub(" ", raw.strip())
        if not line:
            if parts and parts[-1] != "\n":
                parts[-1:] = [parts[-1].removesuffix(" "), "\n"]
                size = sum(map(len, parts))
            continue
        starts.append(size)
        lines.append(number)
        parts.append(line + " ")
        size += len(line) + 1
    # Code spans are names and commands, not words; the length stays, so that offsets do.
    body = _CODE.sub(lambda found: found[1] + "…" * len(found[2]) + found[1], "".join(parts)).rstrip()
    return Text(path, kind, body, tuple(starts), tuple(lines)) if body else None


def _one(path: str, kind: str, numbered: Iterable[tuple[int, str]]) -> Iterator[Text]:
    if found := _text(path, kind, numbered):
        yield found


def _paragraphs(path: str, kind: str, source: str) -> Iterator[Text]:
    block: list[tuple[int, str]] = []
    for number, line in enumerate(source.split("\n"), 1):
        if line.strip():
            block.append((number, line))
        elif block:
            yield from _one(path, kind, block)
            block = []
    yield from _one(path, kind, block)


# ---- Python

# Strings first, so that a # inside one is not a comment.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|(#[^\n]*)', re.DOTALL
)
_HELP_KEYWORDS = ("description", "help")
_HELP_CALLS = ("Step", "Tool")


def _python(name: str, source: str) -> Iterator[Text]:
    yield from _python_comments(name, source)
    lines = source.split("\n")
    docstrings: set[int] = set()
    stack: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while stack:
        node, is_help = stack.pop()
        kind = "help" if is_help else "message"
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and " " in node.value and id(node) not in docstrings:
                yield from _message(name, kind, node.value, node, lines)
        elif isinstance(node, ast.JoinedStr):
            body = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            if " " in body:
                yield from _message(name, kind, body, node, lines)
            stack.extend((part.value, False) for part in node.values if isinstance(part, ast.FormattedValue))
        else:
            for value in _docstrings(node):
                docstrings.add(id(value))
                yield from _one(name, "docstring", enumerate(str(value.value).split("\n"), value.lineno))
            stack.extend(_children(node))


def _docstrings(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the docstring of a node, and the strings in its body that document a constant or a field."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        for statement in node.body:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the children of a node, and for each if it is a help text."""
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        yield node.func, False
        yield from ((argument, called in _HELP_CALLS) for argument in node.args)
        yield from ((keyword.value, keyword.arg in _HELP_KEYWORDS) for keyword in node.keywords)
        return
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            yield from ((child, False) for child in value if isinstance(child, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            yield value, False


def _message(name: str, kind: str, body: str, node: ast.expr, lines: list[str]) -> Iterator[Text]:
    first, last = node.lineno, node.end_lineno or node.lineno
    if first == last:
        yield from _one(name, kind, [(first, body)])
    elif last - first == body.count("\n"):
        yield from _one(name, kind, enumerate(body.split("\n"), first))
    else:
        yield from _one(name, kind, _spread(body, first, lines[first - 1 : last]))


def _spread(body: str, first: int, lines: list[str]) -> list[tuple[int, str]]:
    """Split the value of an implicit concatenation at the lines that its source has, as far as they can be told."""
    found: list[tuple[int, str]] = []
    at, current = 0, first
    for number, line in enumerate(lines, first):
        head = re.search(r"""[A-Za-z]*["']+([^"'{}\\]+)""", line)
        place = body.find(head[1], at) if head else -1
        if place > at or (place == at and not found):
            if place > at:
                found.append((current, body[at:place]))
            at, current = place, number
    found.append((current, body[at:]))
    # A word that is cut by the split would get a space.
    joined: list[tuple[int, str]] = []
    for number, part in found:
        if joined and not joined[-1][1][-1:].isspace() and not part[:1].isspace():
            joined[-1] = (joined[-1][0], joined[-1][1] + part)
        else:
            joined.append((number, part))
    return joined


def _python_comments(name: str, source: str) -> Iterator[Text]:
    found: list[tuple[int, int, bool, str]] = []  # line, column, alone on its line, text
    newlines = [0, *(match.end() for match in re.finditer("\n", source))]
    for match in _STRING_OR_COMMENT.finditer(source):
        if match[1]:
            line = bisect_right(newlines, match.start())
            column = match.start() - newlines[line - 1]
            alone = not source[newlines[line - 1] : match.start()].strip()
            found.append((line, column, alone, match[1].lstrip("#!")))
    yield from _blocks(name, found)


def _blocks(name: str, found: list[tuple[int, int, bool, str]]) -> Iterator[Text]:
    """Join comments on consecutive lines in one column."""
    block: list[tuple[int, int, bool, str]] = []
    for comment in found:
        if block and not (comment[0] == block[-1][0] + 1 and comment[1] == block[-1][1] and comment[2]):
            yield from _one(name, "comment", [(line, text) for line, _, _, text in block])
            block = []
        block.append(comment)
    yield from _one(name, "comment", [(line, text) for line, _, _, text in block])


# ---- other languages


def _hash_at(line: str) -> int:
    """Return where the comment of a line begins, -1 without one."""
    if (stripped := line.lstrip()).startswith("#"):
        return len(line) - len(stripped)
    quote = ""
    for match in re.finditer(r"""\\.|["']|(?<=\s)#(?=[#\s])""", line):
        sign = match[0]
        if sign == "#" and not quote:
            return match.start()
        if sign in "\"'" and (not quote or sign == quote):
            quote = "" if quote else sign
    return -1


def _hashes(name: str, source: str) -> Iterator[Text]:
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        if "#" in line and (at := _hash_at(line)) >= 0:
            found.append((number, at, not line[:at].strip(), line[at:].lstrip("#!")))
    yield from _blocks(name, found)


def _shell_messages(name: str, source: str) -> Iterator[Text]:
    for number, line in enumerate(source.split("\n"), 1):
        if not line.lstrip().startswith("#") and re.search(r"\b(echo|printf|die|fail|say|log)\b", line):
            yield from _one(name, "message", [(number, line)])


_KEY = re.compile(r"""^\s*(?:- )*(?:(?:[\w./$-]+|"[^"]*"|'[^']*'):(?=\s|$)\s*)?(.*)$""")


def _yaml_values(name: str, source: str) -> Iterator[Text]:
    """Yield the values of a YAML file or template, each with the lines that continue it."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(source.split("\n"), 1):
        at = _hash_at(line) if "#" in line else -1
        code = line if at < 0 else line[:at]
        found = _KEY.match(code)
        value = found[1] if found else code
        if not code.strip() or (value != code.lstrip()):
            yield from _one(name, "chart", block)
            block = []
        if value.strip():
            block.append((number, value))
    yield from _one(name, "chart", block)


_HELM_COMMENT = re.compile(r"\{\{-?\s*/\*(.*?)\*/\s*-?\}\}", re.DOTALL)


def _helm_comments(name: str, source: str) -> Iterator[Text]:
    yield from _matches(name, "comment", _HELM_COMMENT, source)


def _without_helm_comments(source: str) -> str:
    return _HELM_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)


def _matches(name: str, kind: str, pattern: re.Pattern[str], source: str) -> Iterator[Text]:
    for match in pattern.finditer(source):
        first = source.count("\n", 0, match.start(1)) + 1
        yield from _one(name, kind, enumerate((line.strip(" *") for line in match[1].split("\n")), first))


def _slashes(name: str, source: str) -> Iterator[Text]:
    yield from _matches(name, "comment", re.compile(r"/\*(.*?)\*/", re.DOTALL), source)
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        if match := re.search(r"(?:^|\s)//(.*)", line):
            found.append((number, match.start(1), not line[: match.start()].strip(), match[1]))
    yield from _blocks(name, found)
    if not name.endswith(".css"):
        yield from _matches(name, "message", re.compile(r'"((?:[^"\\\n]|\\.)* (?:[^"\\\n]|\\.)*)"'), source)


def _template(name: str, source: str) -> Iterator[Text]:
    comment = re.compile(r"\{#-?(.*?)-?#\}", re.DOTALL)
    yield from _matches(name, "comment", comment, source)
    plain = comment.sub(lambda found: "\n" * found[0].count("\n"), source)
    plain = re.sub(r"\{%.*?%\}|<[^>]*>", lambda found: "\n" * found[0].count("\n") or " ", plain, flags=re.DOTALL)
    for number, line in enumerate(plain.split("\n"), 1):
        yield from _one(name, "message", [(number, line)])


_JSON_TEXT = re.compile(r'"(title|description|summary|text)"\s*:\s*"((?:[^"\\]|\\.)*)"')


def _json(name: str, source: str) -> Iterator[Text]:
    for match in _JSON_TEXT.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        value = json.loads(f'"{match[2]}"')
        yield from _one(name, "chart" if name.startswith("charts/") else "prose", [(line, value)])


_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s|\s*(?:#|\||>|<!--)")


def _markdown(name: str, source: str) -> Iterator[Text]:
    """Yield paragraphs, list items, headings and table rows; of a code block only its comments."""
    block: list[tuple[int, str]] = []
    fence = ""
    for number, line in enumerate(source.split("\n"), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (not fence or mark[1].startswith(fence)):
            yield from _one(name, "prose", block)
            block, fence = [], "" if fence else mark[1]
            continue
        if fence:
            if match := re.search(r"(?:^|\s)# (.*)", line):
                yield from _one(name, "comment", [(number, match[1])])
            continue
        if not line.strip() or _ITEM.match(line):
            yield from _one(name, "prose", block)
            block = []
        if line.strip():
            block.append((number, line))
    yield from _one(name, "prose", block)
