from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.console.pages.viewership.upload import ANSWER_FLAGS
from jobs.console.web.flags import LABELS, with_fields
from jobs.viewership import phases, uploads


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("12 dates may be either; pass --date-order", "12 dates may be either; choose “date order”"),
        ("pass another --delimiter, or none", "choose another “delimiter”, or none"),
        ("these are stored; pass --on-overlap skip or replace", "these are stored; choose skip or replace"),
        ("read it again with --period and --on-overlap replace", "read it again with “period” and “overlap” replace"),
        ("--reread finds the lines, --map-all does not", "--reread finds the lines, --map-all does not"),
        ("a--map and --mapped", "a--map and --mapped"),
        ("run `telecine x --map`; pass --map", "run `telecine x --map`; choose “map”"),
        ("the file's column '--map' isn't read; pass --map", "the file's column '--map' isn't read; choose “map”"),
        (None, ""),
    ],
)
def test_flags_of_forms_are_shown_as_their_fields(message, shown):
    assert with_fields(message) == shown


def test_every_flag_of_the_form_has_a_label():
    assert set(ANSWER_FLAGS) == set(LABELS) - {"on-overlap"}


def test_every_flag_that_a_message_of_a_file_asks_for_has_a_label():
    folders = [Path(phases.__file__).parent, Path(uploads.__file__).parent]
    sources = [path.read_text() for folder in folders for path in folder.rglob("*.py")]
    asked = {flag for source in sources for flag in re.findall(r"\bpass (?:another )?--([a-z-]+)", source)}
    assert {"format", "on-overlap"} < asked
    assert asked - set(LABELS) == set()
