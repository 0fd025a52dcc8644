from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from jobs.gamedata.manifest.contact_sheets import contact_sheet
from jobs.gamedata.manifest.report import SESSIONS, _bound, report_of
from jobs.gamedata.manifest.table import flagged
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared.report import Figures, Histogram, Table
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

av = pytest.importorskip("av")
SETTINGS = ManifestSettings(manifest_bucket="s3://memory")


def report(store, **settings):
    chosen = SETTINGS.model_copy(update=settings)
    made = manifest.build(store, chosen, MemoryStageRun())
    return report_of(made, store, chosen, manifest.failures_of(made.table))


def section(made, kind, title):
    (found,) = [each for each in made.sections if isinstance(each, kind) and each.title == title]
    return found


def size_of(body):
    assert body.startswith(b"\x89PNG")
    return struct.unpack(">II", body[16:24])


def decoded(body):
    with av.open(io.BytesIO(body)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.fixture
def store():
    store = MemoryStore()
    parts.commit(
        store, parts.gameplay("a.tar"), parts.dark("b.tar"), parts.bars("c.tar"), parts.menu("d.tar", share=0.9),
        parts.error_row("e.tar"), parts.error_row("f.tar", code="tar_empty"), parts.error_row("g.tar"),
    )  # fmt: skip
    return store


def test_counts_flags_and_rejects(store):
    made = report(store)
    assert made.counts["sessions"] == 7
    assert made.counts["judged"] == 4
    assert made.counts["errors"] == 3
    assert made.counts["flagged"] == 3
    assert made.counts["is_video_mostly_menu"] == 1
    assert made.rejects == {"moov_missing": 2, "tar_empty": 1}
    assert made.bound is None  # too short to say
    assert made.headline == "3 of 7 sessions flagged, 3 without data"
    assert made.tiles == ("sessions", "judged", "flagged", "errors")
    assert made.rates["items_per_s"] > 0
    flags = {row[0]: row[1:] for row in section(made, Table, "Flags").rows}
    assert flags["bars (is_dpi_scale_issue)"] == [1, "25.0%", 3]


def test_a_long_manifest_says_what_bound_it():
    assert _bound({"read": 18.0, "assemble": 1.0}) == (
        "network",
        "reading parts and .pt files took 18.00 of 19.00 s, checks took the rest",
    )
    assert _bound({"read": 1.0, "assemble": 18.0})[0] == "cpu"


def test_the_table_has_flagged_sessions_first_then_errors(store):
    table = section(report(store), Table, SESSIONS)
    assert list(table.columns) == ["session", "seconds", "menu", "dark", "flags", "error"]
    assert [row[0] for row in table.rows] == ["b.tar", "c.tar", "d.tar", "e.tar", "f.tar", "g.tar", "a.tar"]
    assert list(table.rows[0]) == ["b.tar", 600.0, "0%", "100%", ("dark", "empty"), None]
    assert list(table.rows[3]) == ["e.tar", None, None, None, None, "moov_missing: e.tar: no moov box"]
    assert table.rows[-1][4] == ()


def test_histograms_carry_their_thresholds(store):
    made = report(store, menu_threshold=0.7, dark_share=0.2)
    menu, darkness = section(made, Histogram, "Menu share"), section(made, Histogram, "Darkness")
    assert (menu.marker, darkness.marker) == (0.7, 0.2)
    assert sum(menu.counts) == sum(darkness.counts) == 4
    assert darkness.counts[0] == 3
    assert darkness.counts[-1] == 1


def test_the_report_travels_as_json(store):
    made = report(store)
    assert '"sections"' not in made.model_dump_json()


def test_flagged_sessions_have_pictures_of_their_own_frames():
    store = MemoryStore()
    session = make_session(duration_s=60.0, size=(64, 36))
    body = bytes(pt.dump(session, s3_key="a.tar", source_etag="e", spec=SamplingSpec(), extracted_at="t"))
    info = store.set("a.pt", body)
    parts.commit(
        store, parts.dark("a.tar", stored=True, pt_key="a.pt", pt_size=info.size, pt_etag=info.etag), parts.gameplay()
    )
    (picture,) = section(report(store), Figures, "Flagged sessions").items
    assert picture.caption == "a.tar: dark, empty"
    sheet = decoded(picture.png)
    assert sheet.shape == (2 * 90 + 2, 3 * 160 + 2 * 2, 3)
    # The frame at 3 s is filled with 3, the last one, at 45 s, with 45.
    assert set(np.unique(sheet[:90, :160])) == {3}
    assert set(np.unique(sheet[-90:, -160:])) == {45}


def test_without_pt_files_pictures_are_thumbnails(store):
    items = section(report(store), Figures, "Flagged sessions").items
    assert [item.caption.partition(":")[0] for item in items] == ["b.tar", "c.tar", "d.tar"]
    assert size_of(items[0].png) == (3 * 160 + 2 * 2, 2 * 90 + 2)


def test_each_flag_has_its_share_of_the_pictures():
    store = MemoryStore()
    many = [parts.dark(f"dark{number:03d}.tar") for number in range(60)]
    parts.commit(store, *many, parts.bars("z.tar"))
    items = section(report(store), Figures, "Flagged sessions").items
    assert len(items) == 24
    assert items[-1].caption == "z.tar: bars"


def test_flagged_sessions_without_a_picture_are_counted_with_their_reason():
    store = MemoryStore()
    many = [parts.dark(f"dark{number:03d}.tar") for number in range(60)]
    still = parts.part_row("still.tar", input_events=0, input_desk_s=0, input_keyboard=0, input_mouse=0)
    parts.commit(store, *many, still, parts.gameplay("z.tar"))
    note = section(report(store), Figures, "Flagged sessions").note
    assert (
        "24 of 61 flagged sessions are shown. Not shown: 1 with only the flag 'empty', which a picture cannot show; "
        "36 beyond the 24 that fit here." in note
    )
    few = MemoryStore()
    parts.commit(few, parts.dark("a.tar"), parts.gameplay("z.tar"))
    assert "flagged sessions are shown" not in section(report(few), Figures, "Flagged sessions").note


def test_a_broken_pt_leaves_its_picture_out():
    store = MemoryStore()
    info = store.set("a.pt", b"any")
    parts.commit(store, parts.dark("a.tar", stored=True, pt_key="a.pt", pt_size=3, pt_etag=info.etag))
    assert not [each for each in report(store).sections if isinstance(each, Figures)]


def test_the_table_shows_flagged_sessions_first_when_there_are_many():
    store = MemoryStore()
    rows = [parts.part_row(f"{number:04d}.tar", times=(3.0, 6.0)) for number in range(300)]
    parts.commit(store, *rows, parts.dark("zz.tar"), parts.error_row("zzz.tar"))
    table = section(report(store), Table, SESSIONS)
    assert len(table.rows) == 200
    assert [row[0] for row in table.rows[:3]] == ["zz.tar", "zzz.tar", "0000.tar"]
    assert table.left_out == "200 of 302 shown; all are in the manifest."


def test_portrait_frames_keep_their_proportions():
    sheet = decoded(contact_sheet([np.full((3, 360, 202), 255, np.uint8)]))
    assert sheet.shape == (90, 160, 3)
    white = (sheet == 255).all(axis=(0, 2))
    assert white.sum() == pytest.approx(50, abs=1)
    assert not white[:40].any()


def test_flagged_rows_are_those_with_any_flag(store):
    made = manifest.build(store, SETTINGS, MemoryStageRun())
    assert flagged(made.table) == [1, 2, 3]
