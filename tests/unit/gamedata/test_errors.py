"""Every error code that a user may see is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.gamedata.errors import CODES, COMMAND_CODES, SPRITE_CODES
from shared import errors

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/gamedata.md").read_text()
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
CLASSES = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.TelecineError)
]


@pytest.mark.parametrize("code", [*CODES, *COMMAND_CODES])
def test_the_guide_has_every_code_of_the_pipeline(code: str) -> None:
    assert re.search(rf"^\| `{code}` \| .{{10,}} \|", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("code", sorted({error.default_code for error in CLASSES}))
def test_the_page_on_exit_codes_has_every_code_of_the_error_tree(code: str) -> None:
    assert re.search(rf"^\| `{code}` \| \d+ \| .{{10,}} \|", ARCHITECTURE, re.MULTILINE)


def test_no_other_code_is_raised_in_the_pipeline_or_by_a_store() -> None:
    raised: set[str] = set()
    for folder in ("jobs/gamedata", "shared/storage"):
        for path in (ROOT / folder).rglob("*.py"):
            raised |= set(re.findall(r'(?:code=|item_error\(\s*)"([a-z_]+)"', path.read_text()))
    assert len(raised) > 20
    assert raised - {*CODES, *COMMAND_CODES, *SPRITE_CODES} == set()
