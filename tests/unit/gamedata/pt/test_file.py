from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata import load
from jobs.gamedata.model import SamplingSpec, StreamParameters
from jobs.gamedata.pt import file as pt
from jobs.gamedata.pt._layout import checksum
from jobs.gamedata.pt._packets import PacketFrames, select_runs
from jobs.gamedata.pt.kind import FORMAT, pt_kind
from shared.errors import ItemError, ObjectMissing
from tests.fakes.sessions import make_packets, make_session

SPEC = SamplingSpec()


def dump(session=None, spec=SPEC, at="2026-01-01T00:00:00+00:00"):
    session = session or make_session(spec=spec)
    return bytes(pt.dump(session, s3_key="a/v.tar", source_etag="tag", spec=spec, extracted_at=at))


def document(body):
    return torch.load(io.BytesIO(body), weights_only=True)


def failing(body):
    with pytest.raises(ItemError) as caught:
        load(body)
    return caught.value


@pytest.mark.parametrize(
    ("key", "expected"),
    [("v.tar", "v.pt"), ("a/b/v.tar", "a/b/v.pt"), ("v", "v.pt"), ("a.tar/v.tar", "a.tar/v.pt"), ("v.TAR", "v.TAR.pt")],
)
def test_the_key_follows_the_tar(key, expected):
    assert pt.pt_key(key) == expected


def test_frames_are_read_back_at_their_times():
    data = load(dump())
    assert {key: frames.shape for key, frames in data.sampled_frames.items()} == {
        "stride-3_chw": (15, 3, 12, 16),
        "stride-30_chw": (15, 3, 12, 16),
        "stride-60_chw": (5, 3, 12, 16),
    }
    for key, frames in data.sampled_frames.items():
        assert frames.dtype == np.uint8
        assert frames[:, 0, 0, 0].tolist() == [round(t) % 251 for t in data.sampled_times_s[key]]
        assert data.sampled_times_s[key].tolist() == data.asked_times_s[key].tolist()


def test_metadata_is_read_back():
    session = make_session(seed=7)
    data = load(dump(session))
    assert (data.s3_key, data.source_etag, data.spec_digest) == ("a/v.tar", "tag", SPEC.digest)
    assert data.video_metadata == session.video_metadata
    assert data.session_metadata == session.session_metadata
    assert data.video_id == "recording"
    assert data.extracted_at == "2026-01-01T00:00:00+00:00"
    assert set(data.versions) == {"telecine", "torch", "pyav", "libavcodec"}


def test_the_repr_is_one_line_and_counts_frames():
    session = make_session(seed=7)
    session.video_metadata = {"format": {"duration": "600.000000"}}
    assert repr(load(dump(session))) == (
        "ExtractedData('a/v.tar', 600.0 s, stride-3: 15 frames 12x16, stride-30: 15 frames, stride-60: 5 frames)"
    )
    session.video_metadata = {}
    assert repr(load(dump(session))).startswith("ExtractedData('a/v.tar', stride-3: 15 frames 12x16, ")


def test_the_repr_decodes_no_packets():
    frames = PacketFrames(
        make_packets(1), {"stride-3_chw": np.zeros(1, np.int64)}, height=2, width=4, rotation=0, decode=None
    )
    data = dataclasses.replace(load(dump()), sampled_frames=frames, sampled_times_s={"stride-3_chw": np.zeros(1)})
    assert "stride-3: 1 frame)" in repr(data)


def test_torch_alone_reads_the_file_without_pickles():
    raw = document(dump())
    frames = raw["sampled_frames"]["stride-60_chw"]
    assert frames.dtype == torch.uint8
    assert tuple(frames.shape) == (5, 3, 12, 16)
    assert raw["sampled_pts"]["stride-60_chw"].tolist() == [60 * 15360 * i for i in range(1, 6)]
    assert raw["sampled_index"]["stride-3_chw"].tolist() == list(range(15))


def test_strides_share_one_buffer_of_thirty_frames():
    session = make_session(size=(160, 90))
    body = dump(session)
    data = load(body)
    assert np.shares_memory(data.sampled_frames["stride-30_chw"], data.sampled_frames["stride-60_chw"])
    assert len(body) < 30 * 3 * 90 * 160 + 30_000


def test_repeated_keyframes_are_stored_once():
    session = make_session(gop_s=10.0, size=(160, 90))
    raw = document(dump(session))
    assert raw["sampled_frames"]["stride-3_chw"].shape[0] == len(np.unique(session.frames.strides[3.0].index))
    data = load(dump(session))
    assert session.repeated > 0
    assert data.sampled_frames["stride-3_chw"].shape == (15, 3, 90, 160)
    for key, frames in data.sampled_frames.items():
        assert frames[:, 0, 0, 0].tolist() == [round(t) % 251 for t in data.sampled_times_s[key]]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=4, unique_by=lambda pair: pair[0]),
    st.sampled_from([0.0, 1.0, 4.0, 17.0]),
    st.integers(0, 200),
)
def test_any_sampling_survives_the_file(strides, gop_s, duration_s):
    spec = SamplingSpec(strides=tuple((float(stride), count) for stride, count in strides))
    data = load(dump(make_session(spec=spec, gop_s=gop_s, duration_s=duration_s, size=(4, 2)), spec))
    assert list(data.sampled_frames) == [f"stride-{stride}_chw" for stride, _ in strides]
    for key, frames in data.sampled_frames.items():
        assert frames.shape == (len(data.asked_times_s[key]), 3, 2, 4)
        assert frames[:, 2, 1, 3].tolist() == [round(t) % 251 for t in data.sampled_times_s[key]]


def test_a_video_shorter_than_a_stride_has_empty_frames_of_the_right_shape():
    data = load(dump(make_session(duration_s=2.0)))
    assert all(frames.shape == (0, 3, 12, 16) for frames in data.sampled_frames.values())


def test_a_tensor_that_repeats_its_elements_is_refused_before_it_takes_memory():
    raw = document(dump())
    many = 10**12
    raw["sampled_frames"] = {"stride-3_chw": torch.zeros(1, dtype=torch.uint8).expand(many)}
    raw["sampled_index"] = {"stride-3_chw": torch.zeros(1, dtype=torch.int64).expand(many)}
    raw["checksum"] = checksum(raw)
    stream = io.BytesIO()
    torch.save(raw, stream)
    error = failing(stream.getvalue())
    assert error.code == "pt_invalid"
    assert "more elements than the file" in error.message


def test_empty_arrays_at_one_address_can_be_stored():
    session = make_session(duration_s=2.0)
    empty = np.frombuffer(b"", np.uint8)
    session.frames.pts = empty.view(np.int64)
    session.frames.time_s = empty.view(np.float64)
    session.frames.images = empty.reshape(0, 3, 12, 16)
    for samples in session.frames.strides.values():
        samples.asked_s, samples.index = empty.view(np.float64), empty.view(np.int64)
    assert load(dump(session)).asked_times_s["stride-3_chw"].dtype == np.float64


def test_read_only_arrays_of_the_decoder_process_can_be_written():
    session = make_session()
    session.frames.images.flags.writeable = False
    session.frames.strides[3.0].asked_s.flags.writeable = False
    assert len(load(dump(session)).sampled_frames["stride-3_chw"]) == 15


def test_the_checksum_depends_on_the_content_and_not_on_the_time():
    first = document(dump(make_session(seed=1), at="2026-01-01"))
    again = document(dump(make_session(seed=1), at="2027-01-01"))
    other = document(dump(make_session(seed=2), at="2026-01-01"))
    assert first["checksum"] == again["checksum"] != other["checksum"]


def test_one_flipped_pixel_is_detected():
    body = bytearray(dump(make_session(size=(64, 48))))
    body[len(body) // 2] ^= 1
    error = failing(bytes(body))
    assert error.code == "pt_invalid"
    assert "checksum" in error.message


@given(st.data())
def test_damage_anywhere_is_a_typed_error_or_harmless(data):
    body = bytearray(BODY)
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))
    try:
        loaded = load(bytes(body))
    except ItemError as error:
        assert error.code in ("pt_invalid", "pt_legacy")  # noqa: PT017
    else:
        assert loaded.sampled_frames["stride-3_chw"][:, 0, 0, 0].tolist() == list(range(3, 48, 3))


@given(st.integers(0, 2**20))
def test_a_file_cut_anywhere_is_a_typed_error(cut):
    assert failing(BODY[: cut % len(BODY)]).code == "pt_invalid"


BODY = dump(make_session(size=(4, 2)))


class Evil:
    ran = False

    def __reduce__(self):
        return exec, ("import tests.unit.gamedata.pt.test_file as t; t.Evil.ran = True",)


def as_zip(pickled):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return stream.getvalue()


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("wrap", [bytes, as_zip])
def test_a_pickle_is_never_run(protocol, wrap):
    assert failing(wrap(pickle.dumps({"s3_key": Evil()}, protocol))).code == "pt_legacy"
    assert not Evil.ran


def test_the_originals_file_is_legacy():
    stream = io.BytesIO()
    torch.save(
        {
            "s3_key": "v.tar",
            "sampled_frames": {"stride-3_chw": np.zeros((15, 3, 4, 6), np.uint8)},
            "_serialization_version": "1.0",
            "_data_type": "ExtractedData",
        },
        stream,
    )
    error = failing(stream.getvalue())
    assert error.code == "pt_legacy"
    assert "telecine gamedata extract" in error.message


def test_a_foreign_tensor_file_is_invalid():
    stream = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, stream)
    assert failing(stream.getvalue()).code == "pt_invalid"


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"hello", as_zip(b"\x80\x02nonsense"), as_zip(b"")])
def test_other_bytes_are_invalid(body):
    assert pt_kind(body) == "invalid"


def test_a_later_format_is_named():
    later = document(dump())
    later["format_version"] = 99
    stream = io.BytesIO()
    torch.save(later, stream)
    assert "99" in failing(stream.getvalue()).message


def test_load_takes_paths_and_uris(tmp_path):
    (tmp_path / "v.pt").write_bytes(BODY)
    assert load(tmp_path / "v.pt").video_id == "recording"
    assert load(f"file://{tmp_path}/v.pt").video_id == "recording"
    with pytest.raises(ObjectMissing):
        load(tmp_path / "w.pt")


def test_select_runs_keeps_the_packets_of_the_requested_frames():
    runs = make_packets(6, run=3)
    chosen = select_runs(runs, np.array([4, 1]))
    expected = b"".join(
        runs.data[runs.offsets[p] : runs.offsets[p + 1]] for f in (4, 1) for p in range(f * 3, f * 3 + 3)
    )
    assert chosen.data == expected
    assert chosen.first.tolist() == [0, 3]
    assert chosen.count.tolist() == [3, 3]
    assert chosen.pts.tolist() == [12 * 512, 13 * 512, 14 * 512, 3 * 512, 4 * 512, 5 * 512]
    assert chosen.keyframe.tolist() == [True, False, False] * 2
    assert chosen.side_data == ()
    assert select_runs(runs, np.array([4, 0])).side_data == ((3, *runs.side_data[0][1:]),)


def test_files_without_stream_parameters_are_still_read():
    spec = SamplingSpec(frames="packets")
    earlier = document(dump(make_session(spec=spec), spec))
    for name in ("parameters", "keyframe", "side_data"):
        del earlier["packets"][name]
    earlier["checksum"] = checksum(earlier)
    stream = io.BytesIO()
    torch.save(earlier, stream)
    kept = load(stream.getvalue()).sampled_frames._runs
    assert kept.parameters == StreamParameters("h264", b"\x01avcC")
    assert not kept.keyframe.any()
    assert kept.side_data == ()


def test_packets_are_stored_unchanged():
    spec = SamplingSpec(frames="packets")
    session = make_session(spec=spec)
    body = dump(session, spec)
    assert document(body)["sampled_frames"] == {}
    frames = load(body).sampled_frames
    assert list(frames) == ["stride-3_chw", "stride-30_chw", "stride-60_chw"]
    kept = frames._runs
    assert kept.data == session.frames.packets.data
    assert kept.parameters == session.frames.packets.parameters
    assert kept.first.tolist() == session.frames.packets.first.tolist()
    assert kept.keyframe.tolist() == session.frames.packets.keyframe.tolist()
    assert kept.side_data == session.frames.packets.side_data
    assert kept.time_base == (1, 15360)


def test_packets_are_decoded_on_access_and_each_frame_once():
    asked = []

    def decode(runs, height, width, rotation):
        asked.append((runs.pts // 512).tolist())
        return np.broadcast_to((runs.pts // 512).astype(np.uint8)[:, None, None, None], (len(runs.first), 3, 2, 4))

    index = {"a": np.array([0, 2, 2]), "b": np.array([2, 1]), "none": np.zeros(0, np.int64)}
    frames = PacketFrames(make_packets(4), index, height=2, width=4, rotation=0, decode=decode)
    assert asked == []
    assert frames["a"][:, 0, 0, 0].tolist() == [0, 2, 2]
    assert frames["b"][:, 0, 0, 0].tolist() == [2, 1]
    assert frames["b"].shape == (2, 3, 2, 4)
    assert asked == [[0, 2], [1]]
    assert frames["none"].shape == (0, 3, 2, 4)
    with pytest.raises(KeyError):
        frames["c"]


@pytest.mark.parametrize("lie", ["larger", "compressed"])
def test_a_zip_that_declares_more_than_it_holds_is_never_passed_to_torch(lie):
    """torch 2.13 allocates the size that an entry declares: 4 GB for a file of 5 kB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"format": FORMAT}, protocol=2))
        archive.writestr("archive/data/0", bytes(64), zipfile.ZIP_DEFLATED if lie == "compressed" else None)
    body = bytearray(buffer.getvalue())
    assert pt_kind(bytes(body)) == ("telecine" if lie == "larger" else "invalid")
    entry = body.rindex(b"PK\x01\x02")
    body[entry + 24 : entry + 28] = b"\xff" * 4  # its uncompressed size, APPNOTE.TXT 4.3.12
    assert pt_kind(bytes(body)) == "invalid"


STRIDE = "stride-3_chw"


def forged(frames="rgb", **changes):
    """Return a file whose checksum is right; ``a__b`` changes the entry b of the dictionary a."""
    session = make_session(spec=SPEC)
    if frames == "packets":
        session.frames.packets, session.frames.images = make_packets(len(session.frames.images)), None
    changed = document(dump(session))
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            changed[outer] = {**changed[outer], inner: value}
        else:
            changed[outer] = value
    stream = io.BytesIO()
    torch.save({**changed, "checksum": checksum(changed)}, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"s3_key": 3},
        {"video_id": [1]},
        {"source_etag": None},
        {"video_metadata": [1]},
        {"video_metadata": {"format": [1]}},
        {"session_metadata": {"a": torch.zeros(3)}},
        {"session_metadata": {"a": float("nan")}},
        {f"sampled_times_s__{STRIDE}": torch.zeros(15, 2, dtype=torch.float64)},
        {f"sampled_times_s__{STRIDE}": torch.zeros(3, dtype=torch.float64)},
        {f"sampled_times_s__{STRIDE}": torch.full((15,), float("nan"), dtype=torch.float64)},
        {"sampled_times_s__other": torch.zeros(3, dtype=torch.float64)},
        {f"sampled_frames__{STRIDE}": torch.zeros(15, 15, dtype=torch.uint8)},
        {f"sampled_frames__{STRIDE}": torch.zeros(15, 3, 12, 16)},
        {f"sampled_frames__{STRIDE}": torch.zeros(15, 3, 0, 16, dtype=torch.uint8)},
        {f"sampled_frames__{STRIDE}": torch.zeros(15, 3, 5, 5, dtype=torch.uint8)},
        {f"sampled_index__{STRIDE}": torch.full((15,), -1)},
        {"height": "12", "frames": "packets"},
        {"height": 10**7, "width": 10**7, "frames": "packets"},
        {"packets__count": torch.full((15,), 2**40), "frames": "packets"},
        {"packets__first": torch.full((15,), -1), "frames": "packets"},
        {"packets__offsets": torch.tensor([0, 1]), "frames": "packets"},
        {"packets__keyframe": torch.zeros(2, dtype=torch.bool), "frames": "packets"},
    ],
)
def test_values_that_telecine_does_not_write_are_refused_when_the_file_is_read(changes):
    assert load(forged(frames=changes.get("frames", "rgb"))).s3_key == "a/v.tar"
    assert failing(forged(**changes)).code == "pt_invalid"
