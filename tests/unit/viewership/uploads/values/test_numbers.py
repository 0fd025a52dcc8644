"""Numbers: every form, one decimal mark per column, and the column reader against a reader of single texts."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.viewership.errors import NOTES, REJECTS, NeedsChoice
from jobs.viewership.model import CellKind
from jobs.viewership.uploads.values.column import Cells, State
from jobs.viewership.uploads.values.fold import fold, is_blank
from jobs.viewership.uploads.values.number_text import read_number
from jobs.viewership.uploads.values.numbers import AMOUNT, COUNT, MONEY, NumberRules, parse_numbers

D = Decimal


def cells(*texts: str | None, kinds: list[CellKind] | None = None, first_line: int = 2) -> Cells:
    return Cells(
        pl.Series(texts, dtype=pl.String),
        None if kinds is None else pl.Series(kinds, dtype=pl.UInt8),
        pl.Series(range(first_line, first_line + len(texts)), dtype=pl.UInt32),
        "Hours",
    )


def values(*texts: str | None, rules: NumberRules = AMOUNT, mark: object = None) -> list[object]:
    parsed = parse_numbers(cells(*texts), rules, mark)  # type: ignore[arg-type]
    return [
        value if state == State.VALUE else (code or "blank")
        for value, state, code in zip(parsed.values, parsed.state, parsed.code, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("(1,234.50)", "-1234.50", None),
        ("50.00-", "-50", None),
        ("$-0.20", "-0.2", "$"),
        ("-$3.10", "-3.1", "$"),
        ("($0.01)", "-0.01", "$"),
        ("$ (5.5)", "-5.5", "$"),
        ("\u22125.5", "-5.5", None),
        ("\u20135.5", "-5.5", None),
        ("- 5.5", "-5.5", None),
        ("+5.5", "5.5", None),
        ("\u20ac5.5", "5.5", "EUR"),
        ("5.5 \u20ac", "5.5", "EUR"),
        ("USD 5.5", "5.5", "USD"),
        ("5.5usd", "5.5", "USD"),
        ("$5.50 CAD", "5.5", "CAD"),
        ("US$5.5", "5.5", "USD"),
        ("R$ 1,234.5", "1234.5", "BRL"),
        ("Rs. 1,34,896.5", "134896.5", "Rs"),
        ("1'234'567.5", "1234567.5", None),
        ("1\u2019234.5", "1234.5", None),
        ("1\u00a0234\u202f567.5", "1234567.5", None),
        ("12,34,567.5", "1234567.5", None),
        ("1.2E-05", "0.000012", None),
        ("1.5e3", "1500", None),
        (".5", "0.5", None),
        ("\u200b1.5\ufeff", "1.5", None),
        ("\u0661\u0662\u066b\u0665", "12.5", None),
        ("\uff11\uff12\uff0e\uff15", "12.5", None),
        ("0012.5", "12.5", None),
        ("999999999999999999.9999999999", "999999999999999999.9999999999", None),
    ],
)
def test_every_form_of_a_number_keeps_its_sign_digits_and_currency(text: str, value: str, currency: str | None) -> None:
    parsed = parse_numbers(cells(text, "0.5"), MONEY)
    assert parsed.values[0] == D(value)
    assert parsed.detail is not None
    assert parsed.detail[0] == currency


@pytest.mark.parametrize(
    "text",
    [
        *(
            "abc",
            "1.2.3.4",
            "1,23,4",
            "--5",
            "-(5)",
            "(5)-",
            "$",
            "$5 \u20ac",
            "5 h",
            "12:30",
            "1/2",
            "0x10",
            "1e",
            "e5",
        ),
        *("1e9999", "inf", "5;6", "1 2", "1  234", "1\u0662", "=1+1", "1_000", "5.5%", "01,234.5", "1,234'567.5"),
    ],
)
def test_text_that_is_not_a_number_is_never_a_value(text: str) -> None:
    assert values(text, "0.5", rules=MONEY) == ["NUMBER", D("0.5")]


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "-", "--", "\u2013", "\u2014", "N/A", "n/a", "NULL", "none", "NaN", " $ -   ", "- \u20ac", "$ (-)"],
)
def test_blank_is_neither_zero_nor_an_error(text: str | None) -> None:
    assert values(text, "0", rules=MONEY) == ["blank", D(0)]


def test_an_error_of_a_workbook_saved_as_text_is_named() -> None:
    assert values("#N/A", "#DIV/0!") == ["CELL_ERROR", "CELL_ERROR"]


def test_currencies_belong_to_money_only_and_percent_to_amounts_only() -> None:
    assert values("$5.5", "5.5%") == ["NUMBER", D("0.055")]
    assert values("$5.5", "5.5%", rules=MONEY) == [D("5.5"), "NUMBER"]
    assert values("$5", "5%", "5", rules=COUNT) == ["NUMBER", "NUMBER", 5]


@pytest.mark.parametrize(
    ("texts", "expected", "mark", "deciding"),
    [
        (("-1.000", "1.234,56"), (-1000, "1234.56"), ",", "'1.234,56' in line 3"),
        (("1,000", "0.5"), (1000, "0.5"), ".", "'0.5' in line 3"),
        (("1.234", "0.123"), ("1.234", "0.123"), ".", "'0.123' in line 3"),
        (("1.234", "1234.567"), ("1.234", "1234.567"), ".", "'1234.567' in line 3"),
        (("1.234", "1.234.567"), (1234, 1234567), ",", "'1.234.567' in line 3"),
        (("1.234", "1 234,567"), (1234, "1234.567"), ",", "'1 234,567' in line 3"),
        (("1,234", "1,34,896"), (1234, 134896), ".", "'1,34,896' in line 3"),
        (("1,234", "12,5 %"), ("1.234", "0.125"), ",", "'12,5 %' in line 3"),
    ],
)
def test_one_value_settles_the_decimal_mark_of_its_column(
    texts: tuple[str, ...], expected: tuple[object, ...], mark: str, deciding: str
) -> None:
    parsed = parse_numbers(cells(*texts), AMOUNT)
    assert parsed.values.to_list() == [D(str(value)) for value in expected]
    assert parsed.convention == mark
    assert parsed.evidence is not None
    assert deciding in parsed.evidence


@pytest.mark.parametrize(
    "texts", [("1.234",), ("1,234", "87"), ("12.345", "1 000"), ("1,5", "1.5"), ("-1.000", "junk")]
)
def test_a_column_that_settles_nothing_asks_for_the_decimal_mark(texts: tuple[str, ...]) -> None:
    with pytest.raises(NeedsChoice, match="--decimal-mark") as error:
        parse_numbers(cells(*texts), AMOUNT)
    assert error.value.code == "NEEDS_CHOICE"
    assert error.value.exit_code == 65
    assert error.value.data["flags"] == ["--decimal-mark"]
    assert "line 2" in error.value.message


def test_a_given_mark_settles_everything_and_rejects_what_does_not_fit() -> None:
    assert values("1.234", "1,5", mark=",") == [D(1234), D("1.5")]
    assert values("1.234", "1,5", mark=".") == [D("1.234"), "NUMBER"]


def test_counts_are_whole_and_so_settle_their_grouping() -> None:
    assert values("18,306", "1,204", rules=COUNT) == [18306, 1204]
    assert values("18.306", "1.204", rules=COUNT) == [18306, 1204]
    assert values("10.0", "10.5", "7", rules=COUNT) == [10, "NOT_WHOLE", 7]
    assert values("1.000", "18.306", rules=COUNT) == [1000, 18306]
    with pytest.raises(NeedsChoice):
        values("1.000", "2.000", rules=COUNT)


def test_money_is_never_rounded_and_other_amounts_are_with_a_warning() -> None:
    assert values("0.12345678901", "0.1234567890000", rules=MONEY) == ["TOO_PRECISE", D("0.123456789")]
    parsed = parse_numbers(cells("0.00000000005", "0.00000000015", "1.5"), AMOUNT)
    assert parsed.values.to_list() == [D(0), D("0.0000000002"), D("1.5")]
    [note] = parsed.notes
    assert (note.code, note.line, note.column) == ("ROUNDED", 2, "Hours")
    assert note.code in NOTES


def test_numbers_beyond_18_digits_are_rejects() -> None:
    assert values("1000000000000000000", "0.5") == ["TOO_LARGE", D("0.5")]
    assert values("1e40", "0.5") == ["TOO_LARGE", D("0.5")]
    assert values("1000000000000000000", rules=COUNT) == ["TOO_LARGE"]


def test_several_currencies_are_a_warning() -> None:
    parsed = parse_numbers(cells("$5.5", "\u20ac5.5", "7"), MONEY)
    assert [note.code for note in parsed.notes] == ["CURRENCIES"]


def test_a_workbooks_numbers_are_exact_and_settle_nothing_for_texts() -> None:
    kinds = [CellKind.NUMBER, CellKind.NUMBER, CellKind.TEXT]
    parsed = parse_numbers(cells("1234.5", "1e-05", "7", kinds=kinds), AMOUNT)
    assert parsed.values.to_list() == [D("1234.5"), D("0.00001"), D(7)]
    assert parsed.convention is None
    with pytest.raises(NeedsChoice, match="line 4"):
        parse_numbers(cells("1234.5", "1.234", "1.234", kinds=kinds), AMOUNT)
    assert parse_numbers(cells("1.234", "1.234", kinds=kinds[1:]), AMOUNT, ",").values.to_list() == [
        D("1.234"),
        D(1234),
    ]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (CellKind.FORMULA, "FORMULA"),
        (CellKind.ERROR, "CELL_ERROR"),
        (CellKind.BOOLEAN, "NUMBER"),
        (CellKind.DATE, "NUMBER"),
        (CellKind.DURATION, "NUMBER"),
    ],
)
def test_cells_of_other_kinds_are_rejects_even_without_text(kind: CellKind, code: str) -> None:
    text = None if kind in (CellKind.FORMULA, CellKind.ERROR) else "1"
    parsed = parse_numbers(cells(text, "5", None, kinds=[kind, CellKind.NUMBER, CellKind.TEXT]), AMOUNT)
    assert parsed.code.to_list() == [code, None, None]
    assert parsed.state.to_list() == [State.UNPARSABLE, State.VALUE, State.BLANK]
    assert parsed.values.to_list() == [None, D(5), None]


@pytest.mark.parametrize("distinct", [30_000, 100])
def test_long_columns_read_the_same_whether_texts_repeat_or_not(distinct: int) -> None:
    texts = [None if row % 7 == 0 else "oops" if row % 1001 == 0 else f"{row % distinct}.25" for row in range(30_000)]
    parsed = parse_numbers(Cells(pl.Series(texts, dtype=pl.String), column="Hours"), AMOUNT)
    assert parsed.values.to_list() == [None if text is None or text == "oops" else D(text) for text in texts]
    assert parsed.code.to_list() == ["NUMBER" if text == "oops" else None for text in texts]
    assert parsed.evidence == "'1.25' in line 2 is a number only with the decimal mark '.'"


@pytest.mark.parametrize("texts", [(), (None,), (None, None)])
def test_columns_without_values_have_only_blanks(texts: tuple[None, ...]) -> None:
    parsed = parse_numbers(cells(*texts), COUNT)
    assert parsed.values.to_list() == list(texts)
    assert parsed.state.to_list() == [State.BLANK] * len(texts)


@given(st.text(max_size=30))
def test_any_text_is_read_or_rejected_without_an_exception(text: str) -> None:
    for rules in (AMOUNT, COUNT, MONEY):
        for code in parse_numbers(cells(text), rules, ".").code.drop_nulls():
            assert code in REJECTS


_DIGITS = st.integers(min_value=0, max_value=10**12).map(str)


@st.composite
def _written(draw: st.DrawFn) -> str:
    """Write a number in one of the ways that platforms do, right or wrong."""
    whole = draw(_DIGITS)
    group = draw(st.sampled_from(["", "", ",", ".", "'", " ", "\u00a0"]))
    if group:
        size = draw(st.sampled_from([3, 3, 3, 2]))
        whole = group.join([whole[max(0, end - size) : end] for end in range(len(whole), 0, -size)][::-1])
    part = draw(
        st.one_of(st.just(""), st.builds(str.__add__, st.sampled_from(".,"), st.from_regex(r"\A[0-9]{0,13}\Z")))
    )
    exponent = draw(st.sampled_from(["", "", "", "E-05", "e3"]))
    before = draw(st.sampled_from(["", "", "-", "$", "-$", "$-", "(", "\u2212", " ", "EUR ", "+", "Rs. "]))
    after = draw(st.sampled_from(["", "", "-", ")", "%", " \u20ac", "x", " "]))
    return before + whole + part + exponent + after


def _reference(text: str, mark: str, rules: NumberRules) -> object:
    """Read one text alone, with decimals of Python."""
    folded = fold(text)
    if is_blank(folded):
        return "blank"
    number = read_number(folded)
    value = number and number.value(mark)  # type: ignore[arg-type]
    if (
        number is None
        or value is None
        or (number.percent and not rules.percent)
        or (number.currency and not rules.money)
    ):
        return "NUMBER"
    if abs(value) >= 10**18:
        return "TOO_LARGE"
    if rules.whole:
        return int(value) if value == value.to_integral_value() else "NOT_WHOLE"
    fitted = value.quantize(D("1e-10"), rounding=ROUND_HALF_EVEN)
    return fitted if rules.rounded or fitted == value else "TOO_PRECISE"


_PLAIN = st.lists(st.from_regex(r"\A-?[0-9]{1,6}([.,][0-9]{1,4})?\Z"), max_size=10)


@given(
    st.one_of(_PLAIN, st.lists(_written(), max_size=40)), st.sampled_from(".,"), st.sampled_from([AMOUNT, COUNT, MONEY])
)
def test_a_column_reads_as_its_texts_read_alone(texts: list[str], mark: str, rules: NumberRules) -> None:
    assert values(*texts, rules=rules, mark=mark) == [_reference(text, mark, rules) for text in texts]


@given(st.lists(_written(), max_size=40), st.sampled_from([AMOUNT, MONEY]))
def test_a_mark_is_decided_only_if_no_number_reads_otherwise(texts: list[str], rules: NumberRules) -> None:
    numbers = [number for text in texts if (number := read_number(fold(text)))]
    sets = [{mark for mark in (".", ",") if number.value(mark) is not None} for number in numbers]  # type: ignore[arg-type]
    one_way = {mark for marks in sets if len(marks) == 1 for mark in marks}
    open_ones = [number for number in numbers if len({number.value("."), number.value(",")}) == 2]
    try:
        parsed = parse_numbers(cells(*texts), rules)
    except NeedsChoice:
        assert len(one_way) == 2 or (not one_way and open_ones)
    else:
        assert len(one_way) < 2
        assert parsed.convention == (next(iter(one_way)) if one_way else None)
        assert one_way or not open_ones


@given(
    st.decimals(min_value=-(10**17), max_value=10**17, places=4, allow_nan=False), st.sampled_from(["{:,}", "({:,})"])
)
def test_a_number_that_is_written_reads_as_itself(number: Decimal, form: str) -> None:
    text = form.format(abs(number)) if form != "{:,}" else form.format(number)
    assume(number != 0 or form == "{:,}")
    assert values(text, mark=".") == [-abs(number) if form != "{:,}" else number]
