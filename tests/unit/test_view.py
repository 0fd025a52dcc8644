from __future__ import annotations

import io

from rich.console import Console

from jobs.gamedata import manifest, view
from jobs.gamedata.quality_report import report_of
from jobs.gamedata.settings import ManifestSettings
from shared.report import Report
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
    view.show(report, Console(file=stream, width=width))
    return stream.getvalue()


def test_one_line_a_session_with_its_flags():
    lines = shown(
        parts.gameplay("a.tar"), parts.dark("b.tar"), parts.menu("c.tar", share=0.9), parts.error_row("d.tar"),
    ).splitlines()  # fmt: skip
    assert lines[0].split() == ["session", "seconds", "menu", "dark", "flags"]
    assert lines[1].split() == ["a.tar", "600.0", "0%", "0%"]
    assert lines[2].split() == ["b.tar", "600.0", "0%", "100%", "dark,", "empty"]
    assert lines[3].split()[-1] == "menu"
    assert lines[4].split() == ["d.tar", "-", "-", "-", "moov_missing"]
    assert lines[-1] == "4 sessions, 2 flagged, 1 errors -> out/manifest.parquet"


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
