"""Everything a person reads follows the language rules of ``tests/language/patterns.toml``."""

from __future__ import annotations

import time

import pytest

from jobs.cli import PIPELINES, TOOLS, commands
from shared.rayjob.settings import RaySettings
from shared.settings import StepSettings
from shared.settings.flags import flags
from shared.step import guard
from tests.language.patterns import breaches, of_sentence, patterns
from tests.language.texts import files, of_file

PATTERNS = patterns()
LONGEST_HELP = 80


def _bodies(path: str, source: str) -> str:
    return "\n".join(text.body for text in of_file(path, source))


def test_no_text_breaks_a_pattern():
    began = time.monotonic()
    found = [str(breach) for breach in breaches(rules=PATTERNS)]
    assert not found, f"{len(found)} places ({time.monotonic() - began:.1f} s):\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        pytest.param(pattern, sentence, id=f"{pattern.name}: {sentence!r}")
        for pattern in PATTERNS
        for sentence in pattern.catches
    ],
)
def test_a_pattern_catches_its_examples(pattern, sentence):
    assert of_sentence(sentence, pattern)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        pytest.param(pattern, sentence, id=f"{pattern.name}: {sentence!r}")
        for pattern in PATTERNS
        for sentence in pattern.passes
    ],
)
def test_a_pattern_passes_its_counterexamples(pattern, sentence):
    assert not of_sentence(sentence, pattern)


def test_each_pattern_has_both_kinds_of_examples_and_a_name_of_its_own():
    assert all(pattern.catches and pattern.passes and pattern.instead for pattern in PATTERNS)
    assert len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize(
    ("path", "source", "kind", "line"),
    [
        ("a.py", '"""One.\n\nTwo that\n    match here.\n"""\n', "docstring", 3),
        ("a.py", "x = 1\n# one\n# that\n# match\n", "comment", 3),
        ("a.py", "x = 'a # that'  # one that match\n# two\n", "comment", 1),
        ("a.py", 'raise E(\n    f"{a} has "\n    f"one that "\n    "match"\n)\n', "message", 3),
        ("a.py", 'x: int = Field(\n    1,\n    description="one that match",\n)\n', "help", 3),
        ("a.py", 'Tool("a", "b", "Do that match.", "c")\n', "help", 1),
        ("a.md", "# A\n\none\ntwo that\nmatch\n", "prose", 4),
        ("a.md", "- one\n- two that\n  match\n", "prose", 2),
        ("a.md", "```\nthat  match  # one that match\nthat match\n```\n", "comment", 2),
        ("a.sh", "x='# a'  # one\n# two that\n# match\n", "comment", 2),
        ("Makefile", "a:\n\t@echo that match\n", "message", 2),
        ("a.toml", '# one\n\nx = "#"  # that match\n', "comment", 3),
        ("charts/a.yaml", "a:\n  - b: >-\n      one that\n      match\n", "chart", 3),
        ("charts/a.json", '{\n"title": "that match"}\n', "chart", 2),
        ("charts/NOTES.txt", "One\n\ntwo that\nmatch\n", "chart", 3),
        ("charts/_a.tpl", "{{/* one\nthat\nmatch */}}\n", "comment", 2),
        ("a.css", "/* one\n   that match */\n", "comment", 2),
        ("a.html.j2", "<p>\n{{ x }} <b>that</b> match\n", "message", 2),
        ("a.c", "// one\n// that match\n", "comment", 2),
    ],
)
def test_texts_are_found_with_their_kind_and_line(path, source, kind, line):
    found = [
        (text.kind, text.line(text.body.index("that match")))
        for text in of_file(path, source)
        if "that match" in text.body
    ]
    assert found == [(kind, line)]


def test_names_in_backticks_are_not_words():
    assert _bodies("a.py", '"""Return ``as`` of `two`."""\n') == "Return ``……`` of `………`."


def test_the_files_cover_every_room_and_leave_out_test_inputs():
    found = files()
    for room in (
        "jobs/",
        "shared/",
        "workflows/",
        "images/",
        "charts/",
        "docs/",
        "tests/",
        "requirements/",
        "README.md",
    ):
        assert any(name.startswith(room) for name in found), room
    assert not [name for name in found if "/corpus/" in name or "/golden/" in name or name == "LICENSE"]


def _help_texts() -> dict[str, str]:
    found = {f"telecine {name}": text for name, text in PIPELINES.items()}
    found |= {f"telecine {name}": text for name, (text, _) in TOOLS.items()}
    models = {"every step": StepSettings, "RayJob": RaySettings}
    for group in (*PIPELINES, *TOOLS):
        for command in commands(group):
            found[command.program] = command.help
            models[command.program] = guard.load(command.settings)
    for program, model in models.items():
        found |= {f"{program} {flag.flag}": flag.description for flag in flags(model)}
    return found


def test_a_help_text_has_at_most_80_characters():
    texts = _help_texts()
    assert len(texts) > 100
    long = {text: name for name, text in reversed(texts.items()) if len(text) > LONGEST_HELP}
    assert not long, f"{len(long)}:\n" + "\n".join(f"{name}: {len(text)}: {text}" for text, name in long.items())


def test_every_flag_and_command_has_a_help_text():
    assert not [name for name, text in _help_texts().items() if not text.strip()]
