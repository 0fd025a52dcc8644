"""The given cases with a catalogue: each row matches the episode that its case names, or a person decides."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import Decision
from jobs.viewership.matching.prepare import MatchKey
from shared.database.session import transaction
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401

if TYPE_CHECKING:
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

CASES = Path(__file__).parents[1] / "viewership_cases"
FIELDS = ("series", "season", "episode", "content_name", "content_name_2", "content_id")
NAMES = sorted(path.parent.name for path in CASES.glob("*/expected.json") if "match" in json.loads(path.read_text()))


def rows(case: Path, mapping: dict[str, str]) -> list[dict[str, str]]:
    text = (case / "upload.csv").read_text(encoding="utf-8")
    fields = {
        source.strip(): field.replace("content_name (second)", "content_name_2") for source, field in mapping.items()
    }
    return [
        {fields[name.strip()]: cell for name, cell in row.items() if name.strip() in fields}
        for row in csv.DictReader(text.splitlines())
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_row_matches_the_episode_that_its_case_names(database: Database, name: str):
    case = CASES / name
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    uploaded = rows(case, expected["mapping"])
    keys = [
        MatchKey(number, "canonical", **{field: row.get(field) or None for field in FIELDS})
        for number, row in enumerate(uploaded, 1)
    ]
    with transaction(database.settings()) as session:
        files = [(path.name, path.read_bytes()) for path in sorted(case.glob("*.csv")) if path.name != "upload.csv"]
        imported = import_files(session, files, source="case", by="test")
        assert imported.written, imported.plan.bad
        result = match_keys(session, keys)
    assert not result.failed
    found = {}
    for key, match in zip(keys, result.matches, strict=True):
        shown = match.ref_id if match.decision is Decision.MATCHED else match.decision.value
        found[str(key.key)] = found[key.content_name or ""] = shown
    assert {row: found[row] for row in expected["match"]} == expected["match"], result.matches
    if expected.get("warnings"):
        assert "MANGLED_ID" in result.matches[0].reasons
