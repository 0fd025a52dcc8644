from __future__ import annotations

import io
import json
import shutil
import tarfile

import av
import numpy as np
import pytest

from jobs.gamedata.errors import CODES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import FileSource
from jobs.gamedata.session.decode import extract_session
from jobs.gamedata.settings import SampleSettings
from jobs.gamedata.steps.sample import GROUND_TRUTH, key_of, make, run
from shared.errors import ItemError, UsageError
from shared.samples import RECORD
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun

SECONDS = 10
GOOD = [name for name, truth in GROUND_TRUTH.items() if truth.error_code is None]
BAD = [name for name, truth in GROUND_TRUTH.items() if truth.error_code is not None]
SMALL = ("dark", "vfr", "matroska", "rotated", "cut-off")


def _settings(folder, **changes):
    return SampleSettings(output=str(folder), seconds=SECONDS, **changes)


def _etags(folder):
    return {info.key: info.etag for info in open_store(str(folder)).list()}


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "game-data"
    stage = MemoryStageRun()
    report = run(_settings(folder), stage)
    return folder, report, stage


def _session(folder, name):
    return extract_session(FileSource(folder / key_of(name)), SamplingSpec(), max_pixels=1 << 25)


def test_the_set_is_written_with_its_ground_truth(whole_set):
    folder, report, stage = whole_set
    record = json.loads((folder / RECORD).read_bytes())["objects"]
    assert set(_etags(folder)) == {RECORD, *record} == {RECORD, *map(key_of, GROUND_TRUTH)}
    assert report.counts == {"written": len(GROUND_TRUTH), "unchanged": 0}
    assert report.bytes["written"] == sum(entry["size"] for entry in record.values())
    assert stage.progress.done == stage.progress.total == len(GROUND_TRUTH)
    assert record[key_of("dark")]["truth"]["mostly_dark"] is True
    assert len(report.sections[0].rows) == len(GROUND_TRUTH)


def test_there_are_a_dozen_kinds_and_their_errors_have_codes():
    assert len(GROUND_TRUTH) >= 12
    assert {truth.error_code for truth in GROUND_TRUTH.values()} - {None} <= set(CODES)


def test_a_second_run_writes_nothing(whole_set):
    folder, _, _ = whole_set
    before = _etags(folder)
    report = run(_settings(folder), MemoryStageRun())
    assert report.counts == {"written": 0, "unchanged": len(GROUND_TRUTH)}
    assert _etags(folder) == before


@pytest.fixture
def small_set(whole_set, tmp_path):
    """The small TARs of the set in a folder of their own, with the record; replace a TAR, do not write to it."""
    shutil.copy2(whole_set[0] / RECORD, tmp_path / RECORD)
    for key in map(key_of, SMALL):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        # A copy has another ETag, so the run below would draw the TAR again: 2 s for all.
        (tmp_path / key).hardlink_to(whole_set[0] / key)
    settings = _settings(tmp_path, include=SMALL)
    assert run(settings, MemoryStageRun()).counts == {"written": 0, "unchanged": len(SMALL)}
    return settings


def test_without_the_record_equal_bytes_are_not_written_again(small_set, tmp_path):
    before = _etags(tmp_path)
    (tmp_path / RECORD).write_bytes(b"not JSON")
    report = run(small_set, MemoryStageRun())  # builds them all, and compares the bytes
    after = _etags(tmp_path)
    assert report.counts == {"written": 0, "unchanged": len(SMALL)}
    assert {key: after[key] for key in after if key != RECORD} == {key: before[key] for key in before if key != RECORD}


def test_only_deleted_or_replaced_tars_are_built_again(small_set, tmp_path):
    expected = (tmp_path / key_of("vfr")).read_bytes()
    (tmp_path / key_of("dark")).unlink()
    (tmp_path / key_of("vfr")).unlink()
    (tmp_path / key_of("vfr")).write_bytes(b"other")
    assert run(small_set, MemoryStageRun()).counts == {"written": 2, "unchanged": len(SMALL) - 2}
    assert (tmp_path / key_of("vfr")).read_bytes() == expected


@pytest.mark.parametrize("name", SMALL)
def test_another_seed_gives_different_bytes(name):
    """That equal settings give equal bytes is seen above, where all are built again."""
    assert make(name, seconds=2) != make(name, seconds=2, seed=2)


def test_an_unknown_kind_is_rejected_with_a_list_of_kinds(tmp_path):
    with pytest.raises(UsageError, match=r"'nonesuch' is not a kind .* one of gameplay-60fps, .*two-videos"):
        run(_settings(tmp_path, include=("dark", "nonesuch")), MemoryStageRun())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_tar_raises_the_error_of_its_ground_truth(whole_set, name):
    with pytest.raises(ItemError) as caught:
        _session(whole_set[0], name)
    assert caught.value.code == GROUND_TRUTH[name].error_code


@pytest.mark.parametrize("name", GOOD)
def test_a_good_tar_matches_its_ground_truth(whole_set, name):
    session, truth = _session(whole_set[0], name), GROUND_TRUTH[name]
    statistics = session.statistics
    if truth.mostly_dark is None:
        assert len(statistics.time_s) == 0
        return
    assert (np.mean(statistics.luma_mean < 15) > 0.5) == truth.mostly_dark
    if not truth.mostly_dark:
        sides = (statistics.border_top, statistics.border_bottom), (statistics.border_left, statistics.border_right)
        assert any(min(a.min(), b.min()) > 0.05 for a, b in sides) == truth.dpi_scale_issue
    if truth.device is None:
        assert session.inputs is None
    else:
        inputs = session.inputs
        assert (inputs.gamepad > 0) == (truth.device == "gamepad")
        assert (inputs.keyboard > 0) == (inputs.mouse > 0) == (truth.device == "keyboard_mouse")
        assert (inputs.integer_timestamps, inputs.invalid) == (truth.unusable_timestamps, 0)
    assert not statistics.corrupt.any()
    assert session.session_metadata["duration"] == pytest.approx(
        session.duration_s, abs=1
    )  # the last frame is displayed as long as the one before it


def test_the_60_fps_clip_is_encoded_like_the_recorder(whole_set):
    with tarfile.open(whole_set[0] / key_of("gameplay-60fps"), "r:") as archive:
        assert archive.getnames() == ["recording.mp4", "inputs.csv", "metadata.json"]
        video = archive.extractfile("recording.mp4").read()
    assert video.rfind(b"moov") > video.rfind(b"mdat") > 0
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames, stream.width, stream.height) == (60, 60 * SECONDS, 640, 360)
        assert container.streams.audio[0].codec_context.name == "aac"
        packets = [packet for packet in container.demux(stream) if packet.size]
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert 250 in keyframes
    assert any(packet.pts != packet.dts for packet in packets)  # B-frames


def test_the_vfr_clip_has_a_variable_frame_rate(whole_set):
    with tarfile.open(whole_set[0] / key_of("vfr"), "r:") as archive:
        video = archive.extractfile("recording.mp4").read()
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        times = np.sort([float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size])
    steps = np.diff(times)
    assert steps.max() > 4 * np.median(steps)


def test_the_rotated_clip_is_displayed_upright(whole_set):
    session = _session(whole_set[0], "rotated")
    assert session.frames.rotation == 90
    assert (session.frames.height, session.frames.width) == (270, 480)
    upper, lower = (
        session.frames.images[:, :, rows].mean(axis=(0, 2, 3)) for rows in (slice(60, 100), slice(230, 270))
    )
    assert upper[2] > upper[0]  # the sky is blue
    assert lower[0] > lower[2]  # the ground is red


def test_menus_are_static_and_games_are_not(tmp_path):
    run(SampleSettings(output=str(tmp_path), seconds=60, include=("menu-40",)), MemoryStageRun())
    session = _session(tmp_path, "menu-40")
    times, static = session.statistics.time_s, session.statistics.static_share
    menu = ((times > 10.5) & (times < 22.5)) | ((times > 28.5) & (times < 40.5))
    assert static[menu].min() > 0.6
    assert static[~menu].max() < 0.1
