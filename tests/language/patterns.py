"""Match texts against the patterns of ``patterns.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.language.texts import Text, matches, of_file, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS = ("docstring", "comment", "message", "help", "prose", "chart")
_FILE = Path(__file__).with_name("patterns.toml")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One rule.

    Attributes:
        name: shown in brackets.
        regex: matched without regard to case; a space also matches a line wrap.
        scope: kinds of text it applies to.
        instead: the words to write.
        contexts: expressions whose match makes the words inside it right.
        paths: globs of files it does not apply to.
        catches: sentences with the words.
        passes: sentences that look like it and are right.
    """

    name: str
    regex: re.Pattern[str]
    scope: frozenset[str]
    instead: str
    contexts: tuple[re.Pattern[str], ...]
    paths: tuple[str, ...]
    catches: tuple[str, ...]
    passes: tuple[str, ...]

    def find(self, text: Text) -> Iterator[re.Match[str]]:
        """Yield the places where a text breaks the rule."""
        if text.kind not in self.scope or any(matches(text.path, glob) for glob in self.paths):
            return
        for match in self.regex.finditer(text.body):
            right = (found for context in self.contexts for found in context.finditer(text.body))
            if not any(found.start() <= match.start() and match.end() <= found.end() for found in right):
                yield match


@dataclass(frozen=True, slots=True)
class Breach:
    """One place that breaks a rule."""

    path: str
    line: int
    pattern: Pattern
    around: str

    def __str__(self) -> str:
        """Return one line, as a compiler would print it."""
        return f"{self.path}:{self.line}: [{self.pattern.name}] {self.around} -> write: {self.pattern.instead}"


def patterns() -> tuple[Pattern, ...]:
    """Load the patterns."""
    loaded = tomllib.loads(_FILE.read_text(encoding="utf-8"))["pattern"]
    return tuple(_pattern(entry) for entry in loaded)


def _pattern(entry: dict[str, object]) -> Pattern:
    allowed = entry.pop("allowed", [])
    if lacking := [one for one in allowed if not one.get("why") or not ("text" in one) ^ ("path" in one)]:
        raise ValueError(f"pattern {entry['name']}: allowed {lacking}; expected text or path, and why")
    found = Pattern(
        regex=re.compile(entry.pop("pattern"), re.IGNORECASE),
        scope=frozenset(entry.pop("scope", KINDS)),
        contexts=tuple(re.compile(one["text"], re.IGNORECASE) for one in allowed if "text" in one),
        paths=tuple(one["path"] for one in allowed if "path" in one),
        catches=tuple(entry.pop("catches")),
        passes=tuple(entry.pop("passes")),
        **entry,
    )
    if unknown := found.scope - set(KINDS):
        raise ValueError(f"pattern {found.name}: scope {sorted(unknown)}; expected {', '.join(KINDS)}")
    return found


def breaches(names: Iterable[str] | None = None, known: tuple[Pattern, ...] | None = None) -> Iterator[Breach]:
    """Yield each place that breaks a pattern.

    Args:
        names: files, relative to the repository; default all.
        known: default all of the file.
    """
    known = patterns() if known is None else known
    for text in texts(names):
        yield from of_text(text, known)


def of_text(text: Text, known: tuple[Pattern, ...]) -> Iterator[Breach]:
    """Yield the places of one text that break a pattern."""
    for pattern in known:
        for match in pattern.find(text):
            yield Breach(text.path, text.line(match.start()), pattern, _around(text.body, match))


def of_sentence(sentence: str, pattern: Pattern) -> list[Breach]:
    """Return the places of a sentence that break a pattern, read as one text of the first kind in its scope."""
    kind = next(kind for kind in KINDS if kind in pattern.scope)
    path, source = {
        "docstring": ("sentence.py", f'"""{sentence}"""\n'),
        "comment": ("sentence.py", "".join(f"# {line}\n" for line in sentence.split("\n"))),
        "message": ("sentence.py", f"raise E({sentence!r})\n"),
        "help": ("sentence.py", f"Field(description={sentence!r})\n"),
        "prose": ("sentence.md", sentence),
        "chart": ("charts/NOTES.txt", sentence),
    }[kind]
    return [breach for text in of_file(path, source) for breach in of_text(text, (pattern,))]


def _around(body: str, match: re.Match[str]) -> str:
    start, end = max(match.start() - 30, 0), min(match.end() + 30, len(body))
    return ("…" if start else "") + body[start:end].replace("\n", " ") + ("…" if end < len(body) else "")
