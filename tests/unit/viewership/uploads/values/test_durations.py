"""Durations: clocks, words, ISO 8601, numbers with a unit, each exact and rounded once."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.errors import REJECTS, NeedsChoice
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values.column import Cells, State
from jobs.viewership.uploads.values.duration_text import read_duration
from jobs.viewership.uploads.values.durations import in_unit, parse_durations

D = Decimal


def cells(*texts: str | None, kinds: list[CellKind] | None = None) -> Cells:
    lines = pl.Series(range(2, 2 + len(texts)), dtype=pl.UInt32)
    return Cells(
        pl.Series(texts, dtype=pl.String), None if kinds is None else pl.Series(kinds, dtype=pl.UInt8), lines, "Time"
    )


def read(*texts: str | None, into: object = "hours", **options: object) -> list[object]:
    parsed = parse_durations(cells(*texts), into, **options)  # type: ignore[arg-type]
    return [
        value if state == State.VALUE else (code or "blank")
        for value, state, code in zip(parsed.values, parsed.state, parsed.code, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1174:47:24", 4229244),
        ("12:34:56", 45296),
        ("0:37:44", 2264),
        ("-0:30:00", -1800),
        ("00:00:00", 0),
        ("1 day, 2:03:04", 93784),
        ("0 days 00:37:44", 2264),
        ("0:00:01.5", Fraction(3, 2)),
        ("37:44.5", Fraction(4529, 2)),
        ("1h 5m", 3900),
        ("1h5m", 3900),
        ("65m", 3900),
        ("90 min", 5400),
        ("2 hours 30 min", 9000),
        ("2 hours and 30 minutes", 9000),
        ("2 hrs, 30 mins., 5 secs", 9005),
        ("1.5 h", 5400),
        ("1,234.5 min", 74070),
        ("1 d 1 s", 86401),
        ("-1h", -3600),
        ("2 horas y 30 minutos", 9000),
        ("1 Std 30 Min", 5400),
        ("PT2H30M", 9000),
        ("PT1.5H", 5400),
        ("P1DT2H", 93600),
        ("P1W", 604800),
        ("-PT30M", -1800),
        ("pt90s", 90),
    ],
)
def test_every_form_of_a_duration_is_exact(text: str, seconds: Fraction) -> None:
    assert read(text, into="seconds") == [in_unit(Fraction(seconds), "seconds")]
    assert read(text) == [in_unit(Fraction(seconds), "hours")]
    assert read(text, into="minutes") == [in_unit(Fraction(seconds), "minutes")]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "abc",
            "12:60:00",
            "12:00:60",
            "5m 3h",
            "5m 5m",
            "2 hours 30",
            "1:2:3:4",
            "P1M",
            "P",
            "PT",
            "P1Y",
            "PT1.5H30M",
        ),
        *("1 day, 25:00:00", "1 day, 2:03", "h", ":30", "1h-5m", "3 parsecs", "1:30 pm", "1h 5", "--1h"),
    ],
)
def test_text_that_is_not_a_duration_is_rejected(text: str) -> None:
    assert read(text, "1:00:00") == ["DURATION", D(1)]


@pytest.mark.parametrize("text", ["$5", "50%", "1.2.3", "2025-07-01"])
def test_amounts_of_something_else_are_rejected(text: str) -> None:
    assert read(text, "0.5") == ["NUMBER", D("0.5")]


def test_a_number_without_a_unit_has_that_of_its_column() -> None:
    assert read("971845.75", unit="minutes") == [D("16197.4291666667")]
    assert read("5.5", "1:30:00") == [D("5.5"), D("1.5")]
    assert read("5400.5", unit="seconds", into="minutes") == [D("90.0083333333")]
    assert read("1.5", unit="hours", into="minutes") == [D(90)]
    assert read("1.5", "1:00:00", unit="minutes") == [D("0.025"), D(1)]


def test_values_are_rounded_half_to_even_once() -> None:
    assert read("0.0000000030", "0.0000000090", "-0.0000000090", unit="minutes") == [D(0), D("2E-10"), D("-2E-10")]


def test_numbers_inside_words_share_the_decimal_mark_of_their_column() -> None:
    assert read("1.234 h", "0,5") == [D(1234), D("0.5")]
    assert read("1.234", "0,5 h") == [D(1234), D("0.5")]
    assert read("1.234", "1.234 h", mark=".") == [D("1.234"), D("1.234")]
    with pytest.raises(NeedsChoice, match="--decimal-mark"):
        read("1.234 h", "1:00:00")


def test_a_clock_of_two_numbers_is_decided_by_its_column() -> None:
    assert read("37:44", "1:02:13", into="seconds") == [D(2264), D(3733)]
    assert read("37:44", "12:10.5", into="seconds") == [D(2264), D("730.5")]
    assert read("37:44", clock="hh:mm", into="minutes") == [D(2264)]
    assert read("37:44", clock="mm:ss", into="seconds") == [D(2264)]
    assert read("0:00", "1:00:00") == [D(0), D(1)]
    parsed = parse_durations(cells("37:44", "1:02:13"), "hours")
    assert parsed.convention == "mm:ss"
    assert parsed.evidence is not None
    assert "'1:02:13' in line 3" in parsed.evidence


@pytest.mark.parametrize("texts", [("37:44",), ("37:44", "0:02:13"), ("75:10", "1:02:13"), ("37:44", "5.5")])
def test_a_clock_of_two_numbers_that_nothing_settles_asks(texts: tuple[str, ...]) -> None:
    with pytest.raises(NeedsChoice, match="--clock") as error:
        read(*texts)
    assert "'37:44' in line 2" in error.value.message or "'75:10' in line 2" in error.value.message


def test_a_workbooks_durations_do_not_settle_its_texts() -> None:
    kinds = [CellKind.TEXT, CellKind.DURATION]
    with pytest.raises(NeedsChoice, match="--clock"):
        parse_durations(cells("37:44", "1:02:13", kinds=kinds), "hours")


def test_cells_of_a_workbook_are_read_by_their_kind() -> None:
    kinds = [CellKind.DURATION, CellKind.NUMBER, CellKind.FORMULA, CellKind.ERROR, CellKind.DATE, CellKind.BOOLEAN]
    parsed = parse_durations(cells("1174:47:24", "1.5", None, "#REF!", "2025-07-01", "TRUE", kinds=kinds), "hours")
    assert parsed.values.to_list() == [D("1174.79"), D("1.5"), None, None, None, None]
    assert parsed.code.to_list() == [None, None, "FORMULA", "CELL_ERROR", "DURATION", "DURATION"]


@pytest.mark.parametrize("text", [None, "", "-", "N/A", "\u2014"])
def test_blank_is_not_zero(text: str | None) -> None:
    assert read(text) == ["blank"]
    assert read(text, "1:00:00") == ["blank", D(1)]


def test_a_duration_beyond_18_digits_is_rejected() -> None:
    assert read("999999999999999999 d", into="seconds") == ["TOO_LARGE"]


_SECONDS = st.integers(min_value=0, max_value=10**9)


@given(st.lists(_SECONDS, min_size=1, max_size=30), st.sampled_from(["hours", "minutes", "seconds"]))
def test_a_column_of_clocks_reads_as_its_texts_read_alone(seconds: list[int], unit: object) -> None:
    texts = [f"{each // 3600}:{each // 60 % 60:02}:{each % 60:02}" for each in seconds]
    per_unit = {"hours": 3600, "minutes": 60, "seconds": 1}[unit]  # type: ignore[index]
    expected = [(D(each) / per_unit).quantize(D("1e-10"), rounding=ROUND_HALF_EVEN) for each in seconds]
    assert read(*texts, into=unit) == expected
    alone = [read_duration(text) for text in texts]
    assert [text and text.read(".", "hh:mm", 1) for text in alone] == [Fraction(each) for each in seconds]


@given(st.lists(st.decimals(min_value=-(10**15), max_value=10**15, places=6), min_size=1, max_size=30))
def test_minutes_become_hours_as_decimals_of_python_do(minutes: list[Decimal]) -> None:
    expected = [(each / 60).quantize(D("1e-10"), rounding=ROUND_HALF_EVEN) for each in minutes]
    assert read(*(f"{each:f}" for each in minutes), unit="minutes", mark=".") == expected


@given(st.text(max_size=30))
def test_any_text_is_read_or_rejected_without_an_exception(text: str) -> None:
    codes = parse_durations(cells(text), "hours", mark=".", clock="hh:mm").code.drop_nulls().to_list()
    assert set(codes) <= set(REJECTS)
