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
        name: name of the rule, shown in brackets.
        regex: regular expression, matched without regard to case; a space also matches a line break.
        scope: kinds of text that the rule applies to.
        instead: the words to write instead.
        contexts: expressions; words inside a match of one of them are allowed.
        paths: globs of files that the rule does not apply to.
        catches: examples that break the rule.
        passes: similar examples that do not break it.
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
            allowed = (context_match for context in self.contexts for context_match in context.finditer(text.body))
            if not any(
                context_match.start() <= match.start() and match.end() <= context_match.end()
                for context_match in allowed
            ):
                yield match


@dataclass(frozen=True, slots=True)
class Breach:
    """One place that breaks a rule."""

    path: str
    line: int
    pattern: Pattern
    around: str

    def __str__(self) -> str:
        """Return one line in the format of a compiler message."""
        return f"{self.path}:{self.line}: [{self.pattern.name}] {self.around} -> write: {self.pattern.instead}"


def patterns() -> tuple[Pattern, ...]:
    """Return the patterns, loaded from the file."""
    loaded = tomllib.loads(_FILE.read_text(encoding="utf-8"))["pattern"]
    return tuple(_pattern(entry) for entry in loaded)


def _pattern(entry: dict[str, object]) -> Pattern:
    allowed = entry.pop("allowed", [])
    if invalid := [
        exception
        for exception in allowed
        if not exception.get("why") or not ("text" in exception) ^ ("path" in exception)
    ]:
        raise ValueError(f"pattern {entry['name']}: allowed {invalid}; expected text or path, and why")
    built = Pattern(
        regex=re.compile(entry.pop("pattern"), re.IGNORECASE),
        scope=frozenset(entry.pop("scope", KINDS)),
        contexts=tuple(re.compile(exception["text"], re.IGNORECASE) for exception in allowed if "text" in exception),
        paths=tuple(exception["path"] for exception in allowed if "path" in exception),
        catches=tuple(entry.pop("catches")),
        passes=tuple(entry.pop("passes")),
        **entry,
    )
    if unknown := built.scope - set(KINDS):
        raise ValueError(f"pattern {built.name}: scope {sorted(unknown)}; expected {', '.join(KINDS)}")
    return built


def breaches(names: Iterable[str] | None = None, rules: tuple[Pattern, ...] | None = None) -> Iterator[Breach]:
    """Yield each place that breaks a pattern.

    Args:
        names: files, relative to the repository; None for all.
        rules: patterns to match; None for all in the file.
    """
    rules = patterns() if rules is None else rules
    # Almost no rule finds anything in a text: the search comes before all else.
    searches = {kind: [(rule.regex.search, rule) for rule in rules if kind in rule.scope] for kind in KINDS}
    for text in texts(names):
        yield from of_text(text, tuple(rule for search, rule in searches[text.kind] if search(text.body)))


def of_text(text: Text, rules: tuple[Pattern, ...]) -> Iterator[Breach]:
    """Yield the places of one text that break a pattern."""
    for pattern in rules:
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
