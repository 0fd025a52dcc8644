"""The macros of charts as the console draws them: no style attribute, all text escaped."""

from __future__ import annotations

import re
from decimal import Decimal

from jinja2 import Environment, StrictUndefined

from shared.report.charts import FILTERS, loader
from shared.report.columns import Columns
from shared.report.format import number
from shared.report.rates import Rates
from shared.report.sections import Part, Shares

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
        "columns": Columns(HTML, "rows", PARTS, [HTML], [[1.0, 2.0]]),
        "rates": Rates(HTML, [HTML], [(HTML, [Decimal("0.5")])]),
        "shares": Shares(HTML, "rows", PARTS, [(HTML, [Decimal(1), Decimal(2)])]),
    }
    for macro, section in charts.items():
        svg = drawn(macro, section)
        assert "style=" not in svg
        assert "<script>" not in svg
        assert f'role="img" aria-label="{HTML}'.replace("<", "&lt;").replace(">", "&gt;") in svg
