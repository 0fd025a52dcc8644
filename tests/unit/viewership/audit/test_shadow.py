"""The CSV of a comparison of rules."""

from __future__ import annotations

import csv
import io
from typing import Any

from jobs.viewership.audit.shadow import Compared
from jobs.viewership.audit.shadow_document import ChangedKey, MatchState

NONE = MatchState(
    status="review", bucket=None, confidence=None, episode_id=None, ref_id=None, title=None, reasons=["A"]
)


def key(title: str) -> ChangedKey:
    values: dict[str, Any] = dict.fromkeys(("series", "season", "episode", "content_name_2", "content_id"))
    numbers: dict[str, Any] = {"rows": 1, "hours": "-1.5", "revenue": "0", "final_rows": 0, "final_hours": "0"}
    return ChangedKey(
        outcome="lost", key_id=1, platform="roku", content_name=title, **values, **numbers, before=NONE, after=NONE
    )


def test_a_title_with_a_line_break_stays_one_cell_and_runs_nowhere() -> None:
    titles = ["Storm\r=1+1", "Storm\n=1+1", "=1+1", "Storm;=1+1"]
    text = Compared(None, tuple(map(key, titles))).csv().decode()  # type: ignore[arg-type]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["content_name"] for row in rows] == ["Storm\r'=1+1", "Storm\n'=1+1", "'=1+1", "Storm;'=1+1"]
    assert {row["hours"] for row in rows} == {"-1.5"}
