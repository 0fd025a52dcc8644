from __future__ import annotations

import io

from rich.console import Console

from jobs.gamedata.manifest.report import report_of
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import _view, manifest
from jobs.gamedata.steps.run import merge
from shared.report import Report, Table
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore

SETTINGS = ManifestSettings(manifest_bucket="s3://memory")


def shown(*rows, width=120):
    store = MemoryStore()
    parts.commit(store, *rows)
    made = manifest.build(store, SETTINGS, MemoryStageRun())
    report = report_of(made, store, SETTINGS, [])
    report.outputs["manifest"] = "out/manifest.parquet"
    return text(report, width)


def text(report, width=120):
    stream = io.StringIO()
    _view.show(report, Console(file=stream, width=width))
    return stream.getvalue()


def test_one_line_a_session_with_its_flags():
    lines = shown(
        parts.gameplay("a.tar"), parts.dark("b.tar"), parts.menu("c.tar", share=0.9), parts.error_row("d.tar"),
    ).splitlines()  # fmt: skip
    assert lines[0].split() == ["session", "seconds", "menu", "dark", "flags"]
    assert lines[1].split() == ["b.tar", "600.0", "0%", "100%", "dark,", "empty"]
    assert lines[2].split()[-1] == "menu"
    assert lines[3].split() == ["d.tar", "-", "-", "-", "moov_missing"]
    assert lines[4].split() == ["a.tar", "600.0", "0%", "0%"]
    assert lines[-1] == "4 sessions, 2 flagged, 1 error -> out/manifest.parquet"


def test_the_last_line_of_a_run_counts_as_the_manifest_does():
    store = MemoryStore()
    parts.commit(store, parts.gameplay("a.tar"), parts.error_row("b.tar"))
    made = manifest.build(store, SETTINGS, MemoryStageRun())
    joined = merge({"extract": Report(), "manifest": report_of(made, store, SETTINGS, [])})
    assert text(joined).splitlines()[-1].startswith("2 sessions, 0 flagged, 1 error")


def test_many_sessions_are_cut():
    lines = shown(*(parts.part_row(f"{number:03d}.tar", times=(3.0,)) for number in range(50))).splitlines()
    assert lines[-2] == "… and 10 more in out/manifest.parquet"
    assert len(lines) == 43


def test_markup_in_a_key_is_text():
    assert "[red]x.tar" in shown(parts.gameplay("[red]x.tar"))


def test_control_characters_in_a_key_do_not_reach_the_terminal():
    assert "\x1b" not in shown(parts.gameplay("\x1b[31mx.tar"))


def test_a_report_without_sessions_shows_nothing():
    assert text(Report()) == ""


def sample(written):
    rows = [["dark.tar", "dark"], ["mobile/portrait.tar", "portrait"]]
    report = Report(
        counts={"written": written, "unchanged": 2 - written},
        outputs={"bucket": "file:///x", "truth": "file:///x/sample.json"},
        sections=[Table("The set and its truth", ["key", "shows"], rows)],
    )
    stream = io.StringIO()
    _view.show_sample(report, Console(file=stream, width=120))
    return stream.getvalue().splitlines()


def test_the_sample_says_what_is_where():
    assert sample(2) == ["2 TARs in file:///x (all written now): dark, portrait", "ground truth: file:///x/sample.json"]
    assert sample(0)[0] == "2 TARs in file:///x (all there): dark, portrait"
    assert sample(1)[0] == "2 TARs in file:///x (1 written now): dark, portrait"
