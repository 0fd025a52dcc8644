from __future__ import annotations

import io
import json
import tarfile

import av
import numpy as np
import pytest

from jobs.gamedata.errors import CODES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import FileSource
from jobs.gamedata.session.decode import extract_session
from jobs.gamedata.settings import SampleSettings
from jobs.gamedata.steps.sample import TRUTH, key_of, make, run
from shared.errors import ItemError, UsageError
from shared.samples import RECORD
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun

SECONDS = 10
GOOD = [name for name, truth in TRUTH.items() if truth.error_code is None]
BAD = [name for name, truth in TRUTH.items() if truth.error_code is not None]
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


def test_the_set_is_written_with_its_truth(whole_set):
    folder, report, stage = whole_set
    record = json.loads((folder / RECORD).read_bytes())["objects"]
    assert set(_etags(folder)) == {RECORD, *record} == {RECORD, *map(key_of, TRUTH)}
    assert report.counts == {"written": len(TRUTH), "unchanged": 0}
    assert report.bytes["written"] == sum(entry["size"] for entry in record.values())
    assert stage.progress.done == stage.progress.total == len(TRUTH)
    assert record[key_of("dark")]["truth"]["mostly_dark"] is True
    assert len(report.sections[0].rows) == len(TRUTH)


def test_there_are_a_dozen_kinds_and_their_errors_have_codes():
    assert len(TRUTH) >= 12
    assert {truth.error_code for truth in TRUTH.values()} - {None} <= set(CODES)


def test_a_second_run_touches_nothing(whole_set):
    folder, _, _ = whole_set
    before = _etags(folder)
    report = run(_settings(folder), MemoryStageRun())
    assert report.counts == {"written": 0, "unchanged": len(TRUTH)}
    assert _etags(folder) == before


def test_without_the_record_equal_bytes_are_not_written_again(tmp_path):
    settings = _settings(tmp_path, include=SMALL)
    run(settings, MemoryStageRun())
    before = _etags(tmp_path)
    (tmp_path / RECORD).write_bytes(b"not JSON")
    report = run(settings, MemoryStageRun())
    after = _etags(tmp_path)
    assert report.counts == {"written": 0, "unchanged": len(SMALL)}
    assert {key: after[key] for key in after if key != RECORD} == {key: before[key] for key in before if key != RECORD}


def test_what_was_deleted_or_replaced_is_made_again_and_nothing_else(tmp_path):
    settings = _settings(tmp_path, include=SMALL)
    run(settings, MemoryStageRun())
    (tmp_path / key_of("dark")).unlink()
    (tmp_path / key_of("vfr")).write_bytes(b"other")
    assert run(settings, MemoryStageRun()).counts == {"written": 2, "unchanged": len(SMALL) - 2}
    assert (tmp_path / key_of("vfr")).read_bytes() == make("vfr", seconds=SECONDS)


@pytest.mark.parametrize("name", SMALL)
def test_equal_settings_give_equal_bytes_and_another_seed_others(name):
    first = make(name, seconds=SECONDS)
    assert first == make(name, seconds=SECONDS)
    assert first != make(name, seconds=SECONDS, seed=2)


def test_an_unknown_kind_is_named_with_the_valid_ones(tmp_path):
    with pytest.raises(UsageError, match=r"'nonesuch' is not a kind .* one of gameplay-60fps, .*two-videos"):
        run(_settings(tmp_path, include=("dark", "nonesuch")), MemoryStageRun())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_tar_gives_the_error_that_its_truth_names(whole_set, name):
    with pytest.raises(ItemError) as caught:
        _session(whole_set[0], name)
    assert caught.value.code == TRUTH[name].error_code


@pytest.mark.parametrize("name", GOOD)
def test_a_good_tar_shows_what_its_truth_says(whole_set, name):
    session, truth = _session(whole_set[0], name), TRUTH[name]
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
    )  # a last frame is shown for as long as the one before


def test_the_fast_clip_is_as_the_recorder_writes_it(whole_set):
    with tarfile.open(whole_set[0] / key_of("gameplay-60fps"), "r:") as archive:
        assert archive.getnames() == ["recording.mp4", "inputs.csv", "metadata.json"]
        video = archive.extractfile("recording.mp4").read()
    assert video.rfind(b"moov") > video.rfind(b"mdat") > 0
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames, stream.width, stream.height) == (60, 600, 640, 360)
        assert container.streams.audio[0].codec_context.name == "aac"
        packets = [packet for packet in container.demux(stream) if packet.size]
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert 250 in keyframes
    assert any(packet.pts != packet.dts for packet in packets)  # B-frames


def test_the_uneven_clip_is_uneven(whole_set):
    with tarfile.open(whole_set[0] / key_of("vfr"), "r:") as archive:
        video = archive.extractfile("recording.mp4").read()
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        times = np.sort([float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size])
    steps = np.diff(times)
    assert steps.max() > 4 * np.median(steps)


def test_the_clip_on_its_side_is_shown_upright(whole_set):
    session = _session(whole_set[0], "rotated")
    assert session.frames.rotation == 90
    assert (session.frames.height, session.frames.width) == (270, 480)
    upper, lower = (
        session.frames.images[:, :, rows].mean(axis=(0, 2, 3)) for rows in (slice(60, 100), slice(230, 270))
    )
    assert upper[2] > upper[0]  # the sky is blue
    assert lower[0] > lower[2]  # the ground is red


def test_menus_stand_still_and_games_do_not(tmp_path):
    run(SampleSettings(output=str(tmp_path), seconds=60, include=("menu-40",)), MemoryStageRun())
    session = _session(tmp_path, "menu-40")
    times, static = session.statistics.time_s, session.statistics.static_share
    menu = ((times > 10.5) & (times < 22.5)) | ((times > 28.5) & (times < 40.5))
    assert static[menu].min() > 0.6
    assert static[~menu].max() < 0.1
