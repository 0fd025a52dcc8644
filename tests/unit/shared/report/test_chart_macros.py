"""The macros of charts as the console draws them: no style attribute, all text escaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from jinja2 import Environment, StrictUndefined

from shared.report.charts import FILTERS, loader
from shared.report.columns import Columns
from shared.report.format import number
from shared.report.rates import Rates
from shared.report.sections import Amounts, Part, Shares, Span, Spans

PARTS = (Part("final", "blue-2"), Part("<b>", "amber"))
HTML = "<script>x</script>"


def drawn(macro: str, section: object) -> str:
    environment = Environment(loader=loader(), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(FILTERS, number=number)
    source = f"{{% from 'charts.html.j2' import {macro} %}}{{{{ {macro}(section) }}}}"
    return environment.from_string(source).render(section=section)


def test_shares_are_drawn_next_to_each_other_over_the_full_width():
    shares = Shares("Rows", "rows", PARTS, [(HTML, [Decimal(3), Decimal(1)]), ("none", [Decimal(), Decimal()])])
    svg = drawn("shares", shares)
    places = re.findall(r'<rect class="([\w-]+)" x="([\d.]+)" y="0" width="([\d.]+)"', svg)
    assert places == [("blue-2", "0.0", "75.0"), ("amber", "75.0", "25.0")]
    assert "<script>" not in svg
    assert "&lt;b&gt;" in svg


def test_charts_have_no_style_and_name_themselves():
    charts = {
        "amounts": Amounts(HTML, "rows", PARTS, [(HTML, [Decimal(1), Decimal(2)])]),
        "columns": Columns(HTML, "rows", PARTS, [HTML], [[1.0, 2.0]]),
        "rates": Rates(HTML, [HTML], [(HTML, [Decimal("0.5")])]),
        "shares": Shares(HTML, "rows", PARTS, [(HTML, [Decimal(1), Decimal(2)])]),
    }
    for macro, section in charts.items():
        svg = drawn(macro, section)
        assert "style=" not in svg
        assert "<script>" not in svg
        assert f'role="img" aria-label="{HTML}'.replace("<", "&lt;").replace(">", "&gt;") in svg


def test_amounts_share_one_scale_and_their_parts_are_in_their_words():
    amounts = Amounts("Pages", "pages", PARTS, [("a", [30, 10]), ("b", [10, 0]), ("c", [0, 0])])
    svg = drawn("amounts", amounts)
    places = re.findall(r'<rect class="([\w-]+)" x="([\d.]+)" y="0" width="([\d.]+)"', svg)
    assert places == [("blue-2", "0.0", "75.0"), ("amber", "75.0", "25.0"), ("blue-2", "0.0", "25.0")]
    labels = re.findall(r'aria-label="([^"]*)"', svg)
    assert labels == ["a: 40 pages; final 30, &lt;b&gt; 10", "b: 10 pages; final 10", "c: 0 pages"]
    single = drawn("amounts", Amounts("Pages", "pages", PARTS[:1], [("a", [4])]))
    assert "legend" not in single
    assert "nothing to show" in drawn("amounts", Amounts("Pages", "pages", PARTS, []))


def test_stages_are_bars_on_one_axis_from_the_first_start():
    start = datetime(2026, 11, 30, tzinfo=UTC)
    spans = [
        Span(HTML, "success", start, 30),
        Span("b", "failed", start + timedelta(seconds=60), 60),
        Span("c", "pending", None, 0),
    ]
    svg = drawn("stages", Spans("When", spans))
    assert re.findall(r'<rect class="([\w-]+)" x="([\d.]+)" y="2" width="([\d.]+)"', svg) == [
        ("status-success", "0.0", "200.0"), ("status-failed", "400.0", "400.0"),
    ]  # fmt: skip
    assert "style=" not in svg
    assert "<script>" not in svg
