"""Uploads with the same rows or days, as they are stored and described."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from jobs.viewership.phases.overlap import Other, shown, told


def other(number: int, units: int = 10, **values: Any) -> Other:
    facts: dict[str, Any] = {
        "upload_id": number,
        "filename": f"report-{number}.csv",
        "kind": "overlap",
        "units": units,
        "hours": Decimal("1.50"),
        "revenue": Decimal(0),
        "own_units": 10,
        "own_hours": Decimal(1),
        "own_revenue": Decimal(0),
        "first": "2025-07-01",
        "last": "2025-07-01",
        "outside": 0,
    }
    return Other(**{**facts, **values})


def test_few_uploads_are_stored_whole_in_their_order():
    listed, left_out = shown([other(1), other(2, 500)])
    assert [each["upload_id"] for each in listed] == [1, 2]
    assert left_out == 0
    assert listed[0]["hours"] == "1.50"


def test_of_many_uploads_copies_and_the_largest_are_stored():
    many = [other(number, units=number % 400) for number in range(1, 2001)]
    many[7] = other(8, units=1, kind="copy", filename="x" * 1024)
    listed, left_out = shown(many)
    assert len(listed) == 50
    assert left_out == 1950
    numbers = [each["upload_id"] for each in listed]
    assert numbers == sorted(numbers)
    assert 8 in numbers
    assert {number % 400 for number in numbers if number != 8} == set(range(390, 400))
    assert len(json.dumps(listed)) < 64 << 10


def test_the_description_counts_all():
    assert told([other(number) for number in range(1, 101)]).endswith("and 95 more uploads (950 rows, 142.5 hours)")
