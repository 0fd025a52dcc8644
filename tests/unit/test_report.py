from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.errors import TelecineError
from shared.report import Failure, Histogram, Picture, Pictures, Report, Table, Text, write
from shared.report._chart import chart, number
from shared.report.page import render
from tests.docs_pages import ROOT

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (160).to_bytes(4, "big") + (90).to_bytes(4, "big")
SECTIONS = [
    Table(
        "Sessions", ["key", "is_dark", "share", "note"], [["a.tar", True, 0.123456, None], ["b.tar", False, None, "x"]]
    ),
    Table("Empty", ["key"], []),
    Histogram("Menu", "share", [0, 0.5, 1], [3, 1], marker=0.5, note="two bins"),
    Histogram("Dark", "luma", list(range(31)), [0] * 30),
    Pictures("Flagged", [Picture(PNG, "a.tar: dark"), Picture(b"\xff\xd8\xff\xe0", "jpeg")], note="few"),
    Text("About", "First.\n\nSecond."),
]


def full(**given) -> Report:
    return Report(**{
        "pipeline": "gamedata",
        "step": "run",
        "run_id": "r-1",
        "status": "partial",
        "started_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "seconds": 83.4,
        "counts": {"items": 12345, "failed": 2},
        "bytes": {"read": 48_233_120},
        "rejects": {"video_invalid": 2},
        "rates": {"mb_per_s": 1.234567, "workers_busy_share": 0.87},
        "bound": "cpu",
        "bound_reason": "decoding",
        "failures": [Failure("b.tar", "video_invalid", "cannot be opened", retryable=True)],
        "failures_truncated": 1,
        "outputs": {"manifest": "manifest.parquet"},
        "durations": {"extract": 80.0, "manifest": 3.4},
        "parameters": {"workers": None, "strides": [[3, 15]], "source_bucket": "s3://game-data"},
        "sections": SECTIONS,
        **given,
    })  # fmt: skip


class Outline(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "wbr", "line", "rect", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.titles: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data
        if self.open[-1:] == ["h3"]:
            self.titles.append(data)


def outline(report: Report) -> Outline:
    found = Outline()
    found.feed(render(report))
    assert found.open == []
    found.words = " ".join(found.words.split())
    return found


def test_the_page_is_whole_and_shows_everything():
    page = outline(full())
    for words in (
        "gamedata run", "partial", "2026-01-02 03:04:05 UTC", "1 min 23 s", "12,345", "48.2 MB", "1.23", "MB/s", "87 %",
        "The processors set the pace.", "video_invalid", "b.tar", "cannot be opened", "may help", "and 1 more",
        "telecine runs show r-1", "0.123", "yes", "no", "threshold 0.5", "two bins", "a.tar: dark", "Second.",
        "manifest.parquet", "[[3, 15]]", "nothing to show",
    ):  # fmt: skip
        assert words in page.words


def test_nothing_is_fetched_and_nothing_runs():
    html = render(full())
    page = outline(full())
    assert "script" not in page.tags
    assert all(source.startswith("data:image/") for source in page.sources)
    assert [source[:15] for source in page.sources] == ["data:image/png;", "data:image/jpeg"]
    assert not re.search(r"(?i)@import|url\(|https?://", html)
    assert "default-src 'none'" in html


def test_what_items_are_called_is_only_text():
    evil = '"><script>alert(1)</script>'
    report = full(
        run_id=evil,
        failures=[Failure(evil, evil, evil)],
        outputs={evil: evil},
        parameters={evil: evil},
        counts={evil: 1},
        rejects={evil: 1},
        durations={evil: 1.0},
        sections=[
            Table(evil, [evil], [[evil]], evil),
            Histogram(evil, evil, [0, 1], [1], note=evil),
            Pictures(evil, [Picture(PNG, evil)]),
            Text(evil, evil),
        ],
    )
    assert "script" not in outline(report).tags


def test_secrets_do_not_reach_the_page_or_the_json():
    url = "postgresql://me:hush-hush@host/db"
    report = full(failures=[Failure("a", "b", url)], parameters={"url": url}, sections=[Table("t", ["c"], [[url]])])
    assert "hush-hush" not in render(report)
    assert "hush-hush" not in report.model_dump_json()


def test_counts_stand_under_their_stage():
    page = outline(full(counts={"extract: items": 3, "extract: failed": 1, "manifest: rows": 0}))
    assert page.titles == ["extract", "manifest", "bytes"]
    assert outline(full()).titles == []


def test_strips_get_more_room():
    strip = PNG[:16] + (960).to_bytes(4, "big") + (90).to_bytes(4, "big")
    assert 'class="pictures wide"' in render(full(sections=[Pictures("p", [Picture(strip)])]))
    assert 'class="pictures"' in render(full(sections=[Pictures("p", [Picture(PNG), Picture(b"\xff\xd8\xff")])]))


def test_a_report_of_nothing_is_a_page_too():
    assert "success" in outline(Report(pipeline="p", step="s")).words


def test_both_colour_schemes_and_print_are_styled():
    html = render(Report())
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_the_json_fits_the_published_schema_and_reads_back():
    schema = json.loads((ROOT / "docs/schemas/report.schema.json").read_text())
    for report in (full(), Report()):
        document = json.loads(report.model_dump_json())
        Draft202012Validator(schema).validate(document)
        assert "sections" not in document
        again = Report.model_validate_json(report.model_dump_json())
        assert again.model_dump_json() == report.model_dump_json()


def test_at_most_50_failures_are_kept_and_the_rest_counted():
    failures = [Failure(str(index), "c", "m") for index in range(70)]
    report = Report(failures=failures)
    assert (len(report.failures), report.failures_truncated) == (50, 20)
    later = Report()
    later.failures = failures
    assert (len(later.failures), later.failures_truncated) == (50, 20)
    later.status = "failed"
    assert (len(later.failures), later.failures_truncated) == (50, 20)


def test_numbers_that_are_none_are_left_out():
    report = Report(rates={"a": float("nan"), "b": float("inf"), "c": 1.0}, durations={"d": float("nan")})
    assert (report.rates, report.durations) == ({"c": 1.0}, {})


def test_unknown_fields_and_states_are_refused():
    for wrong in ({"cuonts": {}}, {"status": "done"}, {"bound": "disk"}, {"seconds": -1}):
        with pytest.raises(ValidationError):
            Report(**wrong)


def test_the_summary_is_one_line():
    assert full().summary() == "gamedata run: partial, 12,345 items, 2 failed, 83.4 s, bound by cpu"
    assert Report(pipeline="p", step="s", counts={"a": 0, "b": 1}).summary() == "p s: success, 1 b, 0.0 s"
    assert Report(pipeline="p", step="s", counts={"a": 0}).summary() == "p s: success, 0 a, 0.0 s"


def test_both_files_are_written(tmp_path):
    places = write(full(), str(tmp_path / "deep" / "folder") + "/")
    assert places["report.json"] == str(tmp_path / "deep" / "folder" / "report.json")
    assert json.loads((tmp_path / "deep" / "folder" / "report.json").read_text())["run_id"] == "r-1"
    assert (tmp_path / "deep" / "folder" / "report.html").read_text().startswith("<!doctype html>")
    uri = (tmp_path / "by-uri").as_uri()
    assert write(Report(), uri)["report.html"] == f"{uri}/report.html"
    assert (tmp_path / "by-uri" / "report.html").exists()


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TelecineError):
        write(Report(), str(tmp_path / "file" / "below"))


def test_a_histogram_needs_one_edge_more_than_counts():
    with pytest.raises(ValueError, match="2 counts need 3 edges, not 2"):
        Histogram("t", "u", [0, 1], [1, 2])


def test_bars_are_to_scale():
    drawn = chart(Histogram("t", "u", [0, 1, 3], [4, 2], marker=3))
    first, second = drawn.bars
    assert first.height == pytest.approx(2 * second.height)
    assert second.width == pytest.approx(2 * first.width, rel=0.05)
    assert drawn.marker is not None
    assert drawn.marker_anchor == "end"
    assert chart(Histogram("t", "u", [0, 1], [1], marker=2)).marker is None


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40, unique=True).map(sorted),
    st.data(),
)
def test_no_bar_leaves_the_chart(edges, data):
    size = len(edges) - 1
    counts = data.draw(st.lists(st.integers(0, 10**7), min_size=size, max_size=size))
    drawn = chart(Histogram("t", "u", edges, counts))
    for bar in drawn.bars:
        assert drawn.left <= bar.x <= drawn.right
        assert drawn.top - 0.01 <= bar.y <= drawn.bottom
    assert all(drawn.left - 0.01 <= tick.at <= drawn.right + 0.01 for tick in drawn.x_ticks)
    assert 1 <= len(drawn.y_ticks) <= 5
    assert len(drawn.x_ticks) <= 8


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.5, "0.5"), (0.00123456, "0.00123"), (12.3456, "12.3"), (1234.56, "1,235"),
     (-0.25, "-0.25"), (float("nan"), "\N{EN DASH}"), (1e-30, "0")],
)  # fmt: skip
def test_numbers_have_the_digits_that_matter(value, text):
    assert number(value) == text
