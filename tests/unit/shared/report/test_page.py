from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from docs.generate import ROOT
from shared.errors import TelecineError
from shared.report import (
    Amounts,
    Code,
    Failure,
    Figure,
    Figures,
    Histogram,
    Part,
    Report,
    Shares,
    Span,
    Spans,
    StageSummary,
    Table,
    Text,
    Trend,
    write,
)
from shared.report.page import render
from shared.report.sections import TONES
from shared.report.trend import drawn
from shared.report.twin import twin

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (160).to_bytes(4, "big") + (90).to_bytes(4, "big")
SECTIONS = [
    Table(
        "Sessions", ["key", "is_dark", "share", "note"], [["a.tar", True, 0.123456, None], ["b.tar", False, None, "x"]]
    ),
    Table("Empty", ["key"], []),
    Histogram("Menu", "share", [0, 0.5, 1], [3, 1], marker=0.5, note="two bins"),
    Histogram("Dark", "luma", list(range(31)), [0] * 30),
    Figures("Flagged", [Figure(PNG, "a.tar: dark"), Figure(b"\xff\xd8\xff\xe0", "jpeg")], note="few"),
    Trend("Burn", "%", ["a", "b"], [1, 2], limit=1),
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
        "CPU-bound:", "video_invalid", "b.tar", "cannot be opened", "may succeed", "1 of 2 shown; to print all, run:",
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
            Figures(evil, [Figure(PNG, evil)]),
            Text(evil, evil),
            Table(evil, [evil], [[Code(evil, evil)]]),
            Shares(evil, evil, [Part(evil, "red")], [(evil, [1])], evil),
        ],
    )
    assert "script" not in outline(report).tags


def test_secrets_do_not_reach_the_page_or_the_json():
    url = "postgresql://me:hush-hush@host/db"
    report = full(failures=[Failure("a", "b", url)], parameters={"url": url}, sections=[Table("t", ["c"], [[url]])])
    assert "hush-hush" not in render(report)
    assert "hush-hush" not in report.model_dump_json()


def test_counts_stand_under_their_stage():
    stages = {
        "extract": StageSummary(status="partial", seconds=80, bound="queue", bound_reason="too little work"),
        "manifest": StageSummary(seconds=3.5),
    }
    counts = {"extract.done_before": 3, "extract.failed": 1, "manifest.rows": 0}
    rates = {"extract.store_p95_s": 0.0123, "extract.video_s_per_s": 98.7, "manifest.items_per_s": 4.0}
    page = outline(full(counts=counts, bytes={"extract.read": 2_000_000}, rates=rates, stages=stages))
    assert [title.strip() for title in page.titles] == ["extract", "manifest"]
    for words in ("partial, 1 min 20 s", "3 done before", "2 MB read", "12.3 ms store p95", "98.7 video-s/s",
                  "Waiting for items: too little work", "success, 3.5 s"):  # fmt: skip
        assert words in page.words
    assert "CPU-bound" not in page.words
    assert outline(full()).titles == []


def test_counts_can_be_left_out_of_the_tiles():
    page = outline(full(tiles=("items",), counts={"items": 3, "is_video_mostly_dark": 77}))
    assert "3 items" in page.words
    assert "77" not in page.words


def test_the_headline_leads_the_page_and_the_log():
    report = full(headline="27 TARs: 22 extracted, 5 failed")
    assert "27 TARs: 22 extracted, 5 failed." in outline(report).words
    assert report.summary() == "gamedata run: 27 TARs: 22 extracted, 5 failed; 1 min 23 s"
    report.status = "failed"
    assert report.summary() == "gamedata run: failed; 27 TARs: 22 extracted, 5 failed; 1 min 23 s"


def test_labels_stand_side_by_side_in_a_cell():
    page = outline(
        full(sections=[Table("Sessions", ["key", "flags"], [["a", ("dark", "<b>")], ["b", ()], ["c", None]])])
    )
    assert "a dark <b> b c \N{EN DASH}" in page.words


def test_failures_beyond_the_first_few_unfold_and_codes_are_counted_above():
    page = outline(
        full(failures=[Failure(f"{n}.tar", "tar_empty", "nothing") for n in range(20)], rejects={"tar_empty": 20})
    )
    assert "tar_empty 20" in page.words
    assert "12 more" in page.words
    assert "19.tar" in page.words


def test_strips_get_more_room():
    strip = PNG[:16] + (960).to_bytes(4, "big") + (90).to_bytes(4, "big")
    assert 'class="pictures wide"' in render(full(sections=[Figures("p", [Figure(strip)])]))
    assert 'class="pictures"' in render(full(sections=[Figures("p", [Figure(PNG), Figure(b"\xff\xd8\xff")])]))


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
    assert full().summary() == "gamedata run: partial, 12,345 items, 2 failed, 1 min 23 s, bound by cpu"
    assert Report(pipeline="p", step="s", counts={"a": 0, "b": 1}).summary() == "p s: success, 1 b, 0 s"
    assert Report(pipeline="p", step="s", counts={"a": 0}).summary() == "p s: success, 0 a, 0 s"


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


PARTS = [Part("good", "blue-1"), Part("open", "amber"), Part("never", "gray")]


def test_bars_show_the_shares_of_their_parts():
    shares = Shares("Rows", "rows", PARTS, [("a", [3, 1, 0]), ("b", [0, 0, 0]), ("c", [999_999, 1, 0])])
    html = render(full(sections=[shares]))
    assert re.findall(r'<i class="([\w-]+)" style="width: ([\d.]+)%"', html) == [
        ("blue-1", "75.0"), ("amber", "25.0"), ("blue-1", "100.0"), ("amber", "0.0"),
    ]  # fmt: skip
    assert "a, good: 3 rows, 75.0 %" in html
    assert "c, good: 999,999 rows, &gt; 99.9 %" in html
    assert "c, open: 1 rows, &lt; 0.1 %" in html
    assert "1,000,000 rows" in html
    legend = re.findall(r'<span><i class="[\w-]+"></i> (\w+)</span>', html)
    assert legend == ["good", "open"], "a part that no bar has is left out"


def test_a_negative_value_has_no_width():
    shares = Shares("Revenue", "USD", PARTS[:2], [("a", [Decimal("-2.5"), Decimal(5)])])
    html = render(full(sections=[shares]))
    assert re.findall(r'<i class="([\w-]+)" style="width: ([\d.]+)%"', html) == [("amber", "100.0")]
    assert "<b>2.5 USD</b>" in html


def test_bars_that_lack_a_value_or_a_colour_are_refused():
    with pytest.raises(ValueError, match="got 1 values for 'a'; expected 2"):
        Shares("Rows", "rows", PARTS[:2], [("a", [1])])
    with pytest.raises(ValueError, match="tone 'url\\(x\\)' is unknown; expected one of blue-1"):
        Part("good", "url(x)")


def test_every_tone_has_a_colour():
    css = render(full(sections=[]))
    assert [tone for tone in TONES if not re.search(rf"\.{tone} {{ background: #", css)] == []


def test_decimals_keep_every_digit_and_stand_right():
    row = [Decimal("1234567.0000000001"), Decimal("2.5000000000"), Decimal("0E-10")]
    html = render(full(sections=[Table("Sums", ["a", "b", "c"], [row])]))
    cells = re.findall(r'<td class="num">([^<]*)</td>', html)
    assert cells == ["1,234,567.0000000001", "2.5", "0"]


def test_a_command_keeps_its_lines():
    html = render(full(sections=[Table("Next", ["command"], [[Code("telecine a\ntelecine b 'c d'")]])]))
    assert "<code>telecine a</code><code>telecine b &#39;c d&#39;</code>" in html


def test_what_a_command_answers_is_above_it():
    html = render(full(sections=[Table("Next", ["command"], [[Code("telecine a", about="<b> or <i>?")]])]))
    assert "<p><bdi>&lt;b&gt; or &lt;i&gt;?</bdi></p><code>telecine a</code>" in html


def test_a_failure_that_a_table_explains_is_listed_there_only():
    failures = [Failure("a.csv", "WHICH", "one or two?"), Failure("b.csv", "WHICH", "left or right?")]
    table = Table("Asked", ["question"], [["one or two?"]], explains=[("a.csv", "WHICH")])
    report = full(failures=failures, rejects={"WHICH": 2}, sections=[table])
    html = render(report)
    assert (html.count("one or two?"), html.count("left or right?")) == (1, 1)
    # The document for programs has both.
    assert [failure.item for failure in report.failures] == ["a.csv", "b.csv"]


def test_cells_of_a_narrow_row_with_commands_are_named():
    rows = [["a.csv", 3, None, True, Code("telecine a")]]
    html = render(full(sections=[Table("Next", ["file", "ro<ws", "note", "ok", "command"], rows)]))
    table = html.partition(">Next<")[2]
    assert re.findall(r'<td class="[^"]*" data-label="([^"]*)">|<td data-label="([^"]*)">', table) == [
        ("file", ""), ("ro&lt;ws", ""), ("note", ""), ("", "ok"), ("command", ""),
    ]  # fmt: skip
    assert "data-label=" not in render(full(sections=[Table("Next", ["file"], [["a.csv"]])])).partition(">Next<")[2]


def test_a_trend_is_a_line_with_its_limit():
    section = Trend(
        "Burn", "% spent", ["11-27", "11-28", "11-29"], [0.0, 60.0, 240.0], limit=100.0, note="Of a window."
    )
    text = render(full(sections=[section]))
    assert '<polyline class="trend" points="111.33,170.0 242.0,' in text
    assert "<title>11-29: 240 % spent</title>" in text
    assert "limit 100" in text
    assert "Of a window." in text
    assert text.count('<circle class="trend"') == 3


def test_a_trend_is_interrupted_where_there_is_no_value():
    made = drawn(Trend("Late", "comments", ["a", "b", "c", "d"], [1, None, float("nan"), 4]))
    assert (len(made.points), made.lines) == (2, [])
    pair = drawn(Trend("Late", "comments", ["a", "b", "c", "d"], [1, 2, None, 4]))
    assert len(pair.lines) == 1
    assert pair.lines[0] == f"{pair.points[0].x},{pair.points[0].y} {pair.points[1].x},{pair.points[1].y}"


@pytest.mark.parametrize(
    ("values", "labels"), [([0.0], ["1"]), ([0.4, 0.1], ["0.1", "0.2", "0.3", "0.4"]), ([3e6], None)]
)
def test_the_axis_of_a_trend_begins_at_0_and_holds_every_value(values, labels):
    found = drawn(Trend("T", "x", [str(number) for number in range(len(values))], values))
    assert all(found.bottom >= point.y >= 0 for point in found.points)
    assert labels is None or [tick.label for tick in found.y_ticks] == labels


def test_a_trend_shows_its_last_label_and_few_others():
    found = drawn(Trend("T", "x", [str(number) for number in range(28)], [1.0] * 28))
    assert found.x_ticks[-1].label == "27"
    assert len(found.x_ticks) <= 6


def test_a_trend_without_values_says_so():
    assert "nothing to show" in render(full(sections=[Trend("T", "x", ["a"], [None])]))
    with pytest.raises(ValueError, match="got 2 values for 1 labels"):
        Trend("T", "x", ["a"], [1, 2])


def test_a_cut_list_says_how_much_of_it_is_shown_and_where_the_rest_is():
    rows = [[number] for number in range(3)]
    cut = Table("Keys", ["key"], rows, "Sorted.", total=1234, where="the manifest")
    assert '<p class="note">3 of 1,234 shown; all are in the manifest. Sorted.</p>' in render(full(sections=[cut]))
    assert '<p class="note">Sorted.</p>' in render(full(sections=[Table("Keys", ["key"], rows, "Sorted.", total=3)]))
    bars = Amounts("Keys", "s", PARTS[:1], [("a", [1])], total=20)
    assert "1 of 20 shown." in outline(full(sections=[bars])).words


def test_the_page_says_where_failures_are_that_it_does_not_list():
    failures = [Failure("a.csv", "WHICH", "one or two?"), Failure("b.csv", "OTHER", "left or right?")]
    table = Table("Asked", ["question"], [["one or two?"]], explains=[("a.csv", "WHICH")])
    words = outline(full(failures=failures, failures_truncated=0, sections=[table])).words
    assert "1 more below, under 'Asked'." in words
    words = outline(full(failures=failures[:1], failures_truncated=7, sections=[table])).words
    assert "Listed below, under 'Asked'." in words
    assert "to print all" not in words, "the table says how much of it is shown"
    assert "Counted by code; the sections below" in outline(full(failures=[], failures_truncated=0)).words


def test_counts_without_a_tile_are_counted():
    assert "and 2 counts not shown above." in outline(full(tiles=("items",), counts={"items": 1, "a": 1, "b": 1})).words
    assert "not shown above" not in outline(full()).words


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        (Table("t", ["a", "b"], [["x" * 200, 1]]), ""),
        (Table("t", ["a", "b", "c"], [["x", 1, 2]]), ""),
        (Table("t", ["a", "b", "c"], [["x", 1, "y" * 25]]), "stack"),
        (Table("t", list("abcd"), []), "stack"),
        (Table("t", list("abcdefghij"), []), "dense stack"),
        (Table("t", ["a"], [[Code("telecine a")]]), "stack"),
    ],
)
def test_wide_rows_become_cards_on_a_phone(table, classes):
    html = render(full(failures=[], rejects={}, sections=[table]))
    assert f'<table class="{classes}">' in html if classes else "<table>" in html


@pytest.mark.parametrize(
    ("chart", "rows"),
    [
        (Histogram("H", "s", [0, 1, 2], [3, 0]), [["0 to 1", 3]]),
        (Trend("T", "%", ["a", "b"], [1, None]), [["a", 1], ["b", None]]),
        (Shares("S", "rows", PARTS, [("x", [1, 2, 0])]), [["x", 1, 2]]),
        (Amounts("A", "rows", PARTS, [("x", [1, 0, 2])]), [["x", 1, 2]]),
        (Spans("P", [Span("plan", "success", datetime(2026, 1, 2, tzinfo=UTC), 3)]), [["plan", "success", "3 s"]]),
    ],
)
def test_a_chart_has_its_values_as_a_table(chart, rows):
    values = twin(chart)
    assert values is not None
    assert [list(row) for row in values.rows] == rows
    assert "As a table" in outline(full(sections=[chart])).words


def test_a_chart_whose_values_are_text_has_no_second_table():
    assert twin(Amounts("A", "rows", PARTS[:1], [("x", [1])])) is None
    assert twin(Histogram("H", "s", [0, 1], [0])) is None


def test_charts_next_to_each_other_share_a_row():
    charts = [Amounts("A", "rows", PARTS[:1], [("x", [1])]), Histogram("H", "s", [0, 1], [1]), Text("", "words")]
    assert render(full(sections=charts)).count('<div class="pair">') == 1


def test_a_histogram_of_values_has_20_bins_from_0_to_the_largest():
    made = Histogram.of("H", "s", [0.0, 5.0, 10.0])
    assert (made.edges[0], made.edges[-1], len(made.counts), sum(made.counts)) == (0.0, 10.0, 20, 3)
    assert Histogram.of("H", "s", [0.0]).edges[-1] == 1.0


def test_a_part_that_is_nearly_all_is_not_all():
    html = render(full(sections=[Shares("Rows", "rows", PARTS, [("a", [996, 4, 0])])]))
    assert ">&gt; 99 %</i>" in html


def test_percentages_in_columns_have_one_style():
    page = outline(full(sections=[Table("t", ["k", "share"], [["a", "12.5%"], ["b", "7 %"]])]))
    assert "a 12.5 % b 7 %" in page.words
