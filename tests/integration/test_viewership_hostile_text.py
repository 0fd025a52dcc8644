"""Hostile text and numbers of a file, through the real database: bad input never loses good input."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_viewership_verify import found, verified
from tests.postgres_server import postgres  # noqa: F401
from tests.viewership_store import catalogued, store  # noqa: F401

if TYPE_CHECKING:
    from tests.viewership_store import Store

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEADER = b"Date,Partner,Channel,Territory,Series,Title,Content ID,Language,Hours,Views,Revenue\n"
GOOD = b"2025-07-01,Acme,Harbour TV,US,Harbour Lights,The Silent Lighthouse,HL-0101,en,10.5,3,0.25\n"
LAST = b"2025-07-02,Acme,Harbour TV,US,Harbour Lights,Homecoming at Midnight,HL-0103,en,2,4,1\n"


def line(**cells: bytes) -> bytes:
    """Return a row with some cells replaced."""
    values = {
        "date": b"2025-07-01",
        "partner": b"Acme",
        "channel": b"Harbour TV",
        "territory": b"US",
        "series": b"Harbour Lights",
        "title": b"A Letter from Lisbon",
        "content_id": b"X-1",
        "language": b"en",
        "hours": b"1",
        "views": b"2",
        "revenue": b"0",
    }
    assert set(cells) <= set(values)
    return b",".join({**values, **cells}.values()) + b"\n"


# Rows of another title: some control characters are text, a file of them is not.
FILLER = b"".join(
    b"2025-07-01,Acme,Harbour TV,US,Filler,Number %d,F-%d,en,1,1,0\n" % (each, each) for each in range(40)
)


def taken(store: Store, *rows: bytes, name: str = "report.csv", **settings: Any) -> int:
    """Take a file whose first and last rows are good, check that these are stored and matched, and verify all."""
    result = store.take(HEADER + GOOD + b"".join(rows) + LAST, name, **settings)
    assert result.outcome == "stored", result
    store.load(result.upload_id)
    good = store.database.rows(
        "SELECT platform_content_name, tot_hov, revenue, views FROM viewership.platform_viewership"
        " WHERE platform_content_id IN ('HL-0101', 'HL-0103') ORDER BY id"
    )
    assert good == [
        ("The Silent Lighthouse", 10.5, 0.25, 3),
        ("Homecoming at Midnight", 2, 1, 4),
    ]
    ids = "SELECT DISTINCT ref_id FROM viewership.episode_details WHERE platform_content_id LIKE 'HL%' ORDER BY 1"
    assert store.database.rows(ids) == [("HL-0101",), ("HL-0103",)]
    assert found(verified(store, reread=True)) == []
    return result.upload_id


FIELDS = ("partner", "channel", "territory", "series", "title", "content_id", "language")
COLUMNS = {
    "partner": "s.platform_partner_name",
    "channel": "s.platform_channel_name",
    "territory": "s.platform_territory",
    "series": "r.platform_series",
    "title": "r.platform_content_name",
    "content_id": "r.platform_content_id",
    "language": "r.language",
}


def texts(store: Store, field: str) -> list[str | None]:
    rows = store.database.rows(
        f"SELECT {COLUMNS[field]} FROM viewership.platform_viewership r JOIN viewership.scopes s USING (scope_id)"
        " WHERE r.platform_content_id NOT LIKE 'F-%' AND r.line NOT IN (SELECT min(line) FROM"
        " viewership.platform_viewership UNION ALL SELECT max(line) FROM viewership.platform_viewership) ORDER BY r.id"
    )
    return [row[0] for row in rows]


def test_a_nul_character_breaks_no_row(store):
    # Titles that differ: no row can be taken for another.
    number = taken(store, *[line(**{"title": b"Of %d" % at, field: b"Some\0thing"}) for at, field in enumerate(FIELDS)])
    for field in FIELDS:
        assert texts(store, field).count("Something") == 1, field
    [[notes]] = store.database.rows("SELECT notes FROM viewership.uploads WHERE upload_id = %s", number)
    assert "NUL" in {note["code"] for note in notes}


# Text in quotes -> as it is stored.
KEPT = {
    "a carriage return": (b'"One\rTwo"', "One\rTwo"),
    "line breaks": (b'"One\r\nTwo\nThree"', "One\r\nTwo\nThree"),
    "the end of data of COPY": (b'"One\n\\.\nTwo"', "One\n\\.\nTwo"),
    "only the end of data of COPY": (b"\\.", "\\."),
    "a null of COPY": (b"\\N", "\\N"),
    "quotes and delimiters": (b'"a ""b"", c"', 'a "b", c'),
    "backslashes": (b"a\\tb\\", "a\\tb\\"),
    "a tab": (b"a\tb", "a\tb"),
    "other controls": (b"a\x01\x1b[31m\x7fb", "a\x01\x1b[31m\x7fb"),
    "separators of the canonical hash": (b"a\x1fb\x1ec", "a\x1fb\x1ec"),
    "line separators": ("a\u2028b\u0085c".encode(), "a\u2028b\u0085c"),
    "a formula": (b'"=HYPERLINK(""http://x"")"', '=HYPERLINK("http://x")'),
    "characters beyond the plane": ("\U0001f600\U0010ffff".encode(), "\U0001f600\U0010ffff"),
    "a format": (b"{x} %s %(y)s :name", "{x} %s %(y)s :name"),
    "SQL": (b"'; DROP TABLE viewership.uploads; --", "'; DROP TABLE viewership.uploads; --"),
    "JSON": (b'"\\u0000 {""a"": 1}"', '\\u0000 {"a": 1}'),
}


@pytest.mark.parametrize("name", KEPT)
def test_strange_text_is_stored_as_it_is(store, name):
    body, expected = KEPT[name]
    fields = ("title", "channel", "series")
    taken(store, *[line(**{"content_id": b"X-%d" % at, field: body}) for at, field in enumerate(fields)], FILLER)
    for at, field in enumerate(fields):
        assert texts(store, field)[at] == expected, field


def test_bytes_of_a_lone_surrogate_are_no_character(store):
    # ED A0 80 is U+D800 in CESU-8: neither UTF-8 nor a character that PostgreSQL takes.
    taken(store, line(title=b"Lone \xed\xa0\x80 half"), encoding="utf-8")
    [text] = texts(store, "title")
    assert text is not None
    assert text.startswith("Lone ")
    assert text.endswith(" half")
    assert not any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize("size", [501, 4000])
def test_a_long_title_is_stored_whole(store, size):
    taken(store, line(title=b"x" * size, series=b"y" * size, content_id=b"z" * size))
    assert [len(texts(store, field)[0] or "") for field in ("title", "series", "content_id")] == [size] * 3


def test_a_title_beyond_the_limit_is_refused_or_stored_but_never_lost(store):
    taken(store, line(title=b"x y" * 2000))
    assert texts(store, "title") == ["x y" * 2000]


# Cell of a number -> code of the reject; None if it is stored.
NUMBERS = {
    "views": {
        b"9223372036854775808": "TOO_LARGE",
        b"9" * 400: "NUMBER",
        b"1e400": "TOO_LARGE",
        b"999999999999999999": None,
        b"-5": None,
        b"1.5": "NOT_WHOLE",
        b"NaN": None,
        b"Infinity": "NUMBER",
        b"0x10": "NUMBER",
    },
    "hours": {
        b"9" * 18 + b".9999999999": None,
        b"9" * 19: "TOO_LARGE",
        b"9" * 40: "TOO_LARGE",
        b"1e30": "TOO_LARGE",
        b"1e-30": None,
        b"-Infinity": "DURATION",
    },
    "revenue": {
        b"-" + b"9" * 18 + b".9999999999": None,
        b"9" * 29: "TOO_LARGE",
        b"0.12345678901": "TOO_PRECISE",
        b"1e-11": "TOO_PRECISE",
    },
}


@pytest.mark.parametrize("field", NUMBERS)
def test_numbers_beyond_the_columns_are_rejects(store, field):
    cells = NUMBERS[field]
    number = taken(store, *[line(**{"content_id": b"X-%d" % at, field: cell}) for at, cell in enumerate(cells)])
    rejects = store.database.rows("SELECT line, code FROM viewership.set_aside_rows WHERE upload_id = %s", number)
    # The header and a good row come first.
    assert dict(rejects) == {at: code for at, code in enumerate(cells.values(), 3) if code is not None}
    assert len(rejects) == len(dict(rejects))


def test_sums_of_the_largest_numbers_are_exact(store):
    most = b"9" * 18 + b".9999999999"
    number = taken(store, *[line(hours=most, revenue=most, content_id=b"X-%d" % each) for each in range(50)])
    [[hours, revenue]] = store.database.rows(
        "SELECT hours, revenue FROM viewership.uploads WHERE upload_id = %s", number
    )
    assert f"{hours:f}" == "50000000000000000012.4999999950"
    assert f"{revenue:f}" == "50000000000000000001.2499999950"


def test_dates_that_are_none_are_rejects(store):
    cells = (b"0000-00-00", b"2025-02-30", b"1969-12-31", b"99999-01-01", b"x")
    number = taken(store, *[line(date=cell) for cell in cells])
    rejects = store.database.rows("SELECT line FROM viewership.set_aside_rows WHERE upload_id = %s ORDER BY 1", number)
    assert rejects == [(at,) for at, _ in enumerate(cells, 3)]


def test_a_raw_text_of_a_reject_with_a_nul_is_stored(store):
    number = taken(store, line(hours=b"12\0h?"))
    rows = store.database.rows("SELECT code, raw FROM viewership.set_aside_rows WHERE upload_id = %s", number)
    assert rows == [("DURATION", "12h?")]


def test_a_nul_in_the_name_of_a_column_is_stored_in_no_note(store):
    body = HEADER.replace(b"Views", b"Vi\0ews") + GOOD + LAST
    result = store.take(body)
    assert result.outcome == "stored", result
    store.load(result.upload_id)
    assert store.database.rows("SELECT sum(views) FROM viewership.platform_viewership") == [(7,)]


NAMES = {
    "a lone surrogate": os.fsdecode(b"re\xffport.csv"),
    "a line break": "re\nport.csv",
    "an escape": "re\x1b[31mport.csv",
    "a long name": "x" * 250 + ".csv",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_strange_name_of_a_file_is_stored(store, name):
    number = taken(store, name=NAMES[name])
    [[stored]] = store.database.rows("SELECT filename FROM viewership.uploads WHERE upload_id = %s", number)
    assert stored.isprintable()
    assert len(stored) <= 255
