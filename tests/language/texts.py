"""Collect all texts that people read, with path, line and kind.

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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]

# Test inputs, the patterns with their examples, and files that tools write for tools.
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
        path: path relative to the repository.
        kind: kind; see the module.
        body: the text, with runs of whitespace replaced by one space, and a blank line by a line break.
        starts: offset in ``body`` at which each line begins.
        lines: line number of each line.
    """

    path: str
    kind: str
    body: str
    starts: tuple[int, ...]
    lines: tuple[int, ...]

    def line(self, offset: int) -> int:
        """Return the line number in the file for an offset in ``body``."""
        return self.lines[max(bisect_right(self.starts, offset) - 1, 0)]


def files(root: Path = ROOT) -> list[str]:
    """Return the files that git tracks or would track; without git, all files except build outputs."""
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
    """Return whether a path matches a glob; at the end of the glob, ``*`` also matches slashes."""
    return _of_glob(glob).fullmatch(path) is not None


@cache
def _of_glob(glob: str) -> re.Pattern[str]:
    beginning = glob.removesuffix("/*")
    return re.compile(re.escape(beginning).replace(r"\*", "[^/]*") + ("/.+" if beginning != glob else ""))


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
        name: path of the file; the suffix determines how it is parsed.
        source: contents of the file.
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
    # Code spans are names and commands, not prose. Their length is kept, so that offsets stay valid.
    body = _CODE.sub(lambda span: span[1] + "…" * len(span[2]) + span[1], "".join(parts)).rstrip()
    return Text(path, kind, body, tuple(starts), tuple(lines)) if body else None


def _one(path: str, kind: str, numbered: Iterable[tuple[int, str]]) -> Iterator[Text]:
    if text := _text(path, kind, numbered):
        yield text


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

# Strings come first, so that a # inside a string does not begin a comment.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|(#[^\n]*)', re.DOTALL
)
_HELP_KEYWORDS = ("description", "help")
_HELP_CALLS = ("Step", "Tool")
# Without text below them: half of all nodes.
_WORDLESS = frozenset({ast.Name, ast.Load, ast.Store, ast.Del, ast.alias, ast.Pass, ast.Global})


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
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for value in _docstrings(node):
                    docstrings.add(id(value))
                    yield from _one(name, "docstring", enumerate(str(value.value).split("\n"), value.lineno))
            if isinstance(node, ast.Call):
                stack.extend(_arguments(node))
            else:
                stack.extend([(child, False) for child in _children(node) if child.__class__ not in _WORDLESS])


def _docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Constant]:
    """Yield the docstring of a node, and the strings in its body that document a constant or a field."""
    for statement in node.body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value


def _arguments(node: ast.Call) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the children of a call, and whether each is a help text."""
    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if node.func.__class__ is not ast.Name:
        yield node.func, False
    yield from ((argument, called in _HELP_CALLS) for argument in node.args if argument.__class__ is not ast.Name)
    yield from ((keyword.value, keyword.arg in _HELP_KEYWORDS) for keyword in node.keywords)


def _children(node: ast.AST) -> list[ast.AST]:
    """Return the children of a node in the order of the source."""
    found: list[ast.AST] = []
    for value in node.__dict__.values():
        kind = value.__class__
        if kind is list:
            found += [child for child in value if isinstance(child, ast.AST)]
        elif kind is not int and kind is not str and isinstance(value, ast.AST):
            found.append(value)
    return found


def _message(name: str, kind: str, body: str, node: ast.expr, lines: list[str]) -> Iterator[Text]:
    first, last = node.lineno, node.end_lineno or node.lineno
    if first == last:
        yield from _one(name, kind, [(first, body)])
    elif last - first == body.count("\n"):
        yield from _one(name, kind, enumerate(body.split("\n"), first))
    else:
        yield from _one(name, kind, _spread(body, first, lines[first - 1 : last]))


def _spread(body: str, first: int, lines: list[str]) -> list[tuple[int, str]]:
    """Return the parts of an implicit concatenation by source line, as far as they can be located."""
    parts: list[tuple[int, str]] = []
    offset, current = 0, first
    for number, line in enumerate(lines, first):
        head = re.search(r"""[A-Za-z]*["']+([^"'{}\\]+)""", line)
        position = body.find(head[1], offset) if head else -1
        if position > offset or (position == offset and not parts):
            if position > offset:
                parts.append((current, body[offset:position]))
            offset, current = position, number
    parts.append((current, body[offset:]))
    # Join parts that split a word, because a line break counts as a space.
    joined: list[tuple[int, str]] = []
    for number, part in parts:
        if joined and not joined[-1][1][-1:].isspace() and not part[:1].isspace():
            joined[-1] = (joined[-1][0], joined[-1][1] + part)
        else:
            joined.append((number, part))
    return joined


def _python_comments(name: str, source: str) -> Iterator[Text]:
    comments: list[tuple[int, int, bool, str]] = []  # line, column, alone on its line, text
    newlines = [0, *(match.end() for match in re.finditer("\n", source))]
    for match in _STRING_OR_COMMENT.finditer(source):
        if match[1]:
            line = bisect_right(newlines, match.start())
            column = match.start() - newlines[line - 1]
            alone = not source[newlines[line - 1] : match.start()].strip()
            comments.append((line, column, alone, match[1].lstrip("#!")))
    yield from _blocks(name, comments)


def _blocks(name: str, comments: list[tuple[int, int, bool, str]]) -> Iterator[Text]:
    """Yield comments, with those on consecutive lines in one column joined."""
    block: list[tuple[int, int, bool, str]] = []
    for comment in comments:
        if block and not (comment[0] == block[-1][0] + 1 and comment[1] == block[-1][1] and comment[2]):
            yield from _one(name, "comment", [(line, text) for line, _, _, text in block])
            block = []
        block.append(comment)
    yield from _one(name, "comment", [(line, text) for line, _, _, text in block])


# ---- other languages


def _hash_at(line: str) -> int:
    """Return the column where the comment of a line begins; -1 without a comment."""
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
    comments = []
    for number, line in enumerate(source.split("\n"), 1):
        if "#" in line and (column := _hash_at(line)) >= 0:
            comments.append((number, column, not line[:column].strip(), line[column:].lstrip("#!")))
    yield from _blocks(name, comments)


def _shell_messages(name: str, source: str) -> Iterator[Text]:
    for number, line in enumerate(source.split("\n"), 1):
        if not line.lstrip().startswith("#") and re.search(r"\b(echo|printf|die|fail|say|log)\b", line):
            yield from _one(name, "message", [(number, line)])


_KEY = re.compile(r"""^\s*(?:- )*(?:(?:[\w./$-]+|"[^"]*"|'[^']*'):(?=\s|$)\s*)?(.*)$""")


def _yaml_values(name: str, source: str) -> Iterator[Text]:
    """Yield the values of a YAML file or template, each with the lines that continue it."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(source.split("\n"), 1):
        column = _hash_at(line) if "#" in line else -1
        code = line if column < 0 else line[:column]
        entry = _KEY.match(code)
        value = entry[1] if entry else code
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
    return _HELM_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), source)


def _matches(name: str, kind: str, pattern: re.Pattern[str], source: str) -> Iterator[Text]:
    for match in pattern.finditer(source):
        first = source.count("\n", 0, match.start(1)) + 1
        yield from _one(name, kind, enumerate((line.strip(" *") for line in match[1].split("\n")), first))


def _slashes(name: str, source: str) -> Iterator[Text]:
    yield from _matches(name, "comment", re.compile(r"/\*(.*?)\*/", re.DOTALL), source)
    comments = []
    for number, line in enumerate(source.split("\n"), 1):
        if match := re.search(r"(?:^|\s)//(.*)", line):
            comments.append((number, match.start(1), not line[: match.start()].strip(), match[1]))
    yield from _blocks(name, comments)
    if not name.endswith(".css"):
        yield from _matches(name, "message", re.compile(r'"((?:[^"\\\n]|\\.)* (?:[^"\\\n]|\\.)*)"'), source)


def _template(name: str, source: str) -> Iterator[Text]:
    comment = re.compile(r"\{#-?(.*?)-?#\}", re.DOTALL)
    yield from _matches(name, "comment", comment, source)
    plain = comment.sub(lambda removed: "\n" * removed[0].count("\n"), source)
    plain = re.sub(r"\{%.*?%\}|<[^>]*>", lambda removed: "\n" * removed[0].count("\n") or " ", plain, flags=re.DOTALL)
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
    """Yield paragraphs, list items, headings and table rows, and the comments in code blocks."""
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
