"""The gamedata commands from a user's view: arguments in, files and exit codes out."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.gamedata import load
from jobs.gamedata.steps.sample import GROUND_TRUTH, key_of
from shared.text import duration
from tests.cli import sample_tars
from tests.forked_cli import ForkedCli
from tests.postgres_server import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres"]

pytestmark = pytest.mark.slow

PLACES = ("--source-bucket", "./tars", "--manifest-bucket", "./out")
CHECK = """
from jobs.gamedata.checks import frames_check, statistics_check

@statistics_check("is_long", bool)
def is_long(session, settings):
    return session.duration_s > 15

@statistics_check("raises", int)
def raises(session, settings):
    if session.duration_s > 15:
        raise ValueError("no such luck")
    return 7
"""
DYING = """
import os, signal

from jobs.gamedata.checks import statistics_check

@statistics_check("dies", int)
def dies(session, settings):
    print("at", session.s3_key)
    if session.s3_key == "menu.tar":
        os.kill(os.getpid(), signal.SIGSEGV)
    return len(session.s3_key)
"""


@pytest.fixture(scope="module")
def cli(postgres: str) -> Iterator[ForkedCli]:
    with ForkedCli.on(postgres, {"TELECINE_GAMEDATA_WORKERS": "1"}) as made:
        sample_tars(made.folder / "tars", {key_of(kind): kind for kind in GROUND_TRUTH}, seconds=18)
        done = made("gamedata", "run", *PLACES, "--log-file", "run.log").expect(0)
        (made.folder / "run.out").write_text(done.out)
        # The worker of this run was a process of its own.
        made.forks_worker = True
        yield made


@pytest.mark.parametrize("kind", GROUND_TRUTH)
def test_the_manifest_tells_the_truth(cli, kind):
    truth, row = GROUND_TRUTH[kind], cli.manifest()[key_of(kind)]
    assert row["error_code"] == truth.error_code
    if truth.error_code is not None:
        assert row["error"]
        assert row["error_stage"] == "extraction"
        return
    assert row["is_video_mostly_dark"] is truth.mostly_dark
    assert row["is_dpi_scale_issue"] is truth.dpi_scale_issue
    assert row["is_video_mostly_menu"] is truth.mostly_menu
    assert row["input_device_class"] == truth.device
    assert row["has_unusable_timestamps"] is truth.unusable_timestamps
    assert row["is_session_empty"] is truth.empty
    if truth.menu_share is None:
        assert row["video_menu_percent"] is None
    else:
        assert row["menu_share"] == row["video_menu_percent"] == pytest.approx(truth.menu_share, abs=0.1)


def test_the_table_ends_with_what_there_is(cli):
    lines = (cli.folder / "run.out").read_text().splitlines()
    good = sum(truth.error_code is None for truth in GROUND_TRUTH.values())
    wanted = (
        rf"{len(GROUND_TRUTH)} sessions, [1-9]\d* flagged, {len(GROUND_TRUTH) - good} errors -> (\./)?manifest\.parquet"
    )
    assert re.fullmatch(wanted, lines[-2])
    place = lines[-1].removeprefix("report: file://")
    assert place.startswith(f"{cli.folder}/.telecine/reports/")
    assert Path(place).is_file()
    assert {path.name for path in (cli.folder / "out").rglob("*.pt")} >= {"gameplay.pt", "portrait.pt"}
    assert len(cli.etags("out")) == good
    assert (cli.folder / "out/mobile/portrait.pt").is_file()


def test_the_log_file_equals_the_log(cli):
    text = (cli.folder / "run.log").read_text()
    assert "gamedata run" in text
    assert "postgresql+psycopg://" not in text


def test_runs_list_and_show(cli):
    listed = cli("runs", "list").expect(0).out.splitlines()
    run = [line.split()[0] for line in listed if " partial " in line][-1]
    shown = cli("runs", "show", run).expect(0).out
    assert "extract" in shown
    assert "manifest" in shown
    assert "corrupt.tar" in shown
    assert "decode_failed" in shown
    # The number of workers, none of which is Ray's.
    assert re.search(r"\bworker_processes [1-9]", shown)
    assert "ray_workers" not in shown
    assert "run '00000000' does not exist" in cli("runs", "show", "00000000").expect(65).err


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("gamedata", "run", *PLACES, "--task-list", "few.txt"), 0),
        (("gamedata", "manifest", "--manifest-bucket", "./out", "--prefix", "id"), 0),
        (("gamedata", "manifest", "--manifest-bucket", "./out", "--prefix", "nothing"), 65),
    ],
)
def test_a_run_took_as_long_wherever_it_is_shown(cli, argv, code):
    (cli.folder / "few.txt").write_text("idle.tar\n")
    done = cli(*argv, "--output-path", "again.parquet").expect(code)
    report = cli.report(done)
    words = duration(report["seconds"])
    assert report["seconds"] > 0.05
    assert any(line["message"].partition("; report:")[0].endswith(f"{words}") for line in done.logs)
    page = (cli.folder / ".telecine/reports" / report["run_id"] / "report.html").read_text()
    assert f"<dt>took</dt><dd>{words}</dd>" in page
    (line,) = (line for line in cli("runs", "list").out.splitlines() if line.startswith(report["run_id"]))
    assert f"  {words}" in line
    shown = cli("runs", "show", report["run_id"]).out
    assert f"UTC, took {words}\n" in shown
    for name, stage in report["stages"].items() or [("manifest", report)]:
        rows = (line for line in shown.splitlines() if line.split()[:1] == [name])
        (line,) = (line for line in rows if line.split()[1] != "wrote")
        assert f"  {duration(stage['seconds'])} " in line


def test_a_second_sample_writes_nothing(cli):
    argv = ("gamedata", "sample", "--output", "./sample", "--seconds", "10", "--include", "idle")
    done = cli(*argv).expect(0)
    assert cli.report(done)["counts"] == {"written": 1, "unchanged": 0}
    before = (cli.folder / "sample/idle.tar").stat()
    done = cli(*argv).expect(0)
    assert cli.report(done)["counts"] == {"written": 0, "unchanged": 1}
    assert (cli.folder / "sample/idle.tar").stat() == before


def test_a_pt_file_has_the_issues_fields(cli):
    data = load(cli.folder / "out/gameplay-60fps.pt")
    assert (data.s3_key, data.video_id) == ("gameplay-60fps.tar", "recording")
    assert set(data.sampled_frames) == {"stride-3_chw", "stride-30_chw", "stride-60_chw"}
    frames = data.sampled_frames["stride-3_chw"]
    assert (frames.dtype, frames.shape) == (np.uint8, (5, 3, 360, 640))
    assert data.sampled_frames["stride-60_chw"].shape == (0, 3, 360, 640)
    assert data.video_metadata["format"]["format_name"].startswith("mov,mp4")
    assert data.session_metadata["game_exe"]


def test_no_store_writes_the_same_rows(cli):
    keys = ["idle.tar", "dark.tar", "no-metadata.tar", "short.tar", "menu-40.tar"]
    (cli.folder / "some.txt").write_text("# few\n\n" + "\n".join(keys) + "\n")
    places = ("--source-bucket", "./tars", "--manifest-bucket", "./none", "--output-path", "none.parquet")
    cli("gamedata", "run", *places, "--no-store", "--task-list", "some.txt").expect(0)
    assert not cli.etags("none")
    assert pq.read_schema(cli.folder / "none.parquet").equals(pq.read_schema(cli.folder / "manifest.parquet"))
    stored, unstored = cli.manifest(), cli.manifest("none.parquet")
    assert set(unstored) == set(keys)
    for key, row in unstored.items():
        assert {**row, "processed_time": None} == {**stored[key], "processed_time": None}


def test_manifest_prefix_checks_and_menu_references(cli):
    (cli.folder / "mine.py").write_text(CHECK)
    places = ("--manifest-bucket", "./out", "--prefix", "m", "--output-path", "deep/er/mine.parquet")
    done = cli("gamedata", "manifest", *places, "--checks", "mine.py").expect(0)
    rows = cli.manifest("deep/er/mine.parquet")
    assert set(rows) == {key for key in cli.manifest() if key.startswith("m")}
    assert {key for key, row in rows.items() if row["is_long"]} == {"menu.tar", "menu-40.tar", "menu-in-game.tar"}
    for row in rows.values():
        assert row["raises"] == (None if row["is_long"] else 7)
        assert row["error_code"] == ("check_failed" if row["is_long"] else None)
        assert "no such luck" in row["check_errors"][0] if row["is_long"] else not row["check_errors"]
    assert rows["menu.tar"]["checks_sha256"] != cli.manifest()["menu.tar"]["checks_sha256"]
    assert cli.report(done)["rejects"] == {"check_failed": 3}


def test_a_check_that_ends_its_process_costs_neither_the_manifest_nor_other_checks(cli):
    (cli.folder / "mine.py").write_text(CHECK)
    (cli.folder / "bad.py").write_text(DYING)
    places = ("--manifest-bucket", "./out", "--prefix", "m", "--output-path", "dying.parquet")
    done = cli("gamedata", "manifest", *places, "--checks", "bad.py", "--checks", "mine.py").expect(0)
    rows = cli.manifest("dying.parquet")
    assert set(rows) == {key for key in cli.manifest() if key.startswith("m")}
    for key, row in rows.items():
        assert row["dies"] == (None if key == "menu.tar" else len(key))
        assert row["raises"] == (None if row["is_long"] else 7)
    assert "at menu.tar" in done.out
    assert "dies: the process died (killed by SIGSEGV)" in rows["menu.tar"]["check_errors"]
    assert cli.report(done)["rejects"] == {"check_failed": 3}


def test_likeness_to_a_reference_picture_is_menu(cli):
    import av

    folder = cli.folder / "references"
    folder.mkdir()
    frame = load(cli.folder / "out/gameplay.pt").sampled_frames["stride-3_chw"][2]
    av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), "rgb24").to_image().save(
        folder / "menu.png"
    )
    places = ("--manifest-bucket", "./out", "--prefix", "game", "--output-path", "like.parquet")
    cli("gamedata", "manifest", *places, "--menu-references", "./references").expect(0)
    rows = cli.manifest("like.parquet")
    assert rows["gameplay.tar"]["menu_method"] == "references"
    assert rows["gameplay.tar"]["video_menu_percent"] > 0
    assert rows["gamepad.tar"]["video_menu_percent"] == 0


def test_two_manifests_at_once_are_both_right(cli):
    before = cli.etags("out")
    running = [
        cli.start("gamedata", "manifest", "--manifest-bucket", "./out", "--output-path", f"{n}.parquet") for n in "ab"
    ]
    for process in running:
        cli.finish(process).expect(0)
    for name in "ab":
        rows = cli.manifest(f"{name}.parquet")
        assert {key: {**row, "processed_time": None} for key, row in rows.items()} == {
            key: {**row, "processed_time": None} for key, row in cli.manifest().items()
        }
    assert cli.etags("out") == before


def test_an_empty_bucket_gives_the_command_and_it_works(cli):
    (cli.folder / "game-data").mkdir()
    (cli.folder / "game-data/one.tar").write_bytes((cli.folder / "tars/gameplay-60fps.tar").read_bytes())
    done = cli("gamedata", "manifest", "--manifest-bucket", "./a b").expect(65)
    line = re.search(r"run extract first: (telecine gamedata extract [^\"]*)", done.err)
    assert line is not None
    # Environment variables replace flags.
    asked = {"SAMPLING": "exact", "FRAMES": "packets", "STRIDES": "3:5,8:2", "WORKERS": "1"}
    env = {f"TELECINE_GAMEDATA_{name}": value for name, value in asked.items()}
    cli(*shlex.split(line[1])[1:], env=env).expect(0)
    cli("gamedata", "manifest", "--manifest-bucket", "./a b", "--output-path", "ab.parquet").expect(0)
    assert set(cli.manifest("ab.parquet")) == {"one.tar"}

    path = cli.folder / "a b/one.pt"
    data = load(path)
    assert {name: len(frames) for name, frames in data.sampled_frames.items()} == {
        "stride-3_chw": 5,
        "stride-8_chw": 2,
    }
    frames = data.sampled_frames["stride-3_chw"]
    assert (frames.dtype, frames.shape) == (np.uint8, (5, 3, 360, 640))
    assert data.sampled_times_s["stride-3_chw"] == pytest.approx([3, 6, 9, 12, 15], abs=1 / 60)
    assert len({hashlib.sha256(frame.tobytes()).digest() for frame in frames}) == 5
    # Seven frames as packets take less than five as pixels.
    assert path.stat().st_size < (cli.folder / "out/gameplay-60fps.pt").stat().st_size


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gamedata", "extract", "--samplng", "auto"], ["--samplng", "--sampling"]),
        (["gamedata", "extract", "--sampling", "all"], ["--sampling", "all", "auto", "keyframe", "exact"]),
        (["gamedata", "run", "--stage", "extract"], ["--stage", "extraction", "manifest", "both"]),
        (["gamedata", "manifest", "--log-level", "LOUD"], ["LOUD", "DEBUG", "INFO", "WARNING", "ERROR"]),
        (["gamedata", "extract", "--strides", "3"], ["--strides", "SECONDS:COUNT"]),
        (["gamedata", "extract", "--source-bucket", "ftp://x"], ["--source-bucket", "ftp://x"]),
        (["gamedata", "extract", *PLACES, "--task-list", "nowhere.txt"], ["nowhere.txt", "--task-list"]),
        (["gamedata", "manifest", "--manifest-bucket", "./out", "--checks", "no.py"], ["no.py"]),
        (["gamedata", "manifest", "--manifest-bucket", "./out", "--menu-references", "./no"], ["./no"]),
        (["gamedata", "sample", "--output", "./tars", "--include", "cats"], ["cats", "gameplay"]),
        (["gamedata", "extrct"], ["extrct", "extract"]),
        (["gamdata"], ["gamdata", "gamedata"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "-" in " ".join(value) else None,
)
def test_invalid_values_are_named_with_the_valid_ones(cli, argv, said):
    done = cli(*argv)
    assert done.code == 2, done.err
    assert [word for word in said if word not in done.err] == []
    assert "Traceback" not in done.err
