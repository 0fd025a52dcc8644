from __future__ import annotations

import functools
import io
import os

import numpy as np
import polars as pl
import pytest

from jobs.gamedata.checks.menu_model import MenuModel, read_model
from jobs.gamedata.checks.menu_references import LIKENESS, MenuReferences
from jobs.gamedata.frames import pictures
from jobs.gamedata.frames.pictures import luma, png, read_picture, shrink
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from jobs.gamedata.session.child import DecodeChild
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared.errors import ConfigurationError, ItemError, UsageError
from shared.storage import open_store
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

torch = pytest.importorskip("torch")

# Frames of make_session hold round(t) % 251: this model calls everything after 45 s a menu.
THRESHOLD = 45.5 / 255


class Later(torch.nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, frames):
        mean = frames.float().mean(dim=(1, 2, 3))
        if frames.dtype == torch.uint8:
            mean = mean / 255
        score = torch.sigmoid((mean - THRESHOLD) * 10000)
        if self.form == "logits":
            return torch.stack([(THRESHOLD - mean) * 10000, (mean - THRESHOLD) * 10000], 1)
        if self.form == "wrong":
            return frames
        if self.form == "unbounded":
            return mean * 100
        return score[:, None] if self.form == "column" else score


@functools.cache
def program(form="row", *, batch=None, size=None, dtype=None):
    dtype = dtype or torch.float32
    height, width = size or (12, 16)
    example = torch.zeros((batch or 2, 3, height, width), dtype=dtype)
    dims = {} if batch else {0: torch.export.Dim("n", min=1, max=4096)}
    if size is None:
        dims |= {2: torch.export.Dim("h", min=4, max=4096), 3: torch.export.Dim("w", min=4, max=4096)}
    exported = torch.export.export(Later(form).eval(), (example,), dynamic_shapes=(dims,))
    stream = io.BytesIO()
    torch.export.save(exported, stream)
    return stream.getvalue()


def frames(*values, size=(12, 16)):
    return [np.full((3, *size), value, np.uint8) for value in values]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"form": "column"}, {"form": "logits"}, {"batch": 2}, {"batch": 1}, {"size": (8, 8)},
        {"dtype": torch.uint8}, {"batch": 4, "size": (6, 10)},
    ],
    ids=str,
)  # fmt: skip
def test_programs_of_every_valid_form_score_frames(options):
    model = MenuModel(program(**options), "m.pt2", "cpu")
    scores = model.score(frames(0, 40, 50, 200, 45))
    np.testing.assert_allclose(scores, [0, 0, 1, 1, 0], atol=0.01)
    assert len(model.score([])) == 0


@pytest.mark.parametrize("form", ["wrong", "unbounded"])
def test_an_output_that_is_no_probability_is_an_error(form):
    with pytest.raises(ValueError, match="expected a program"):
        MenuModel(program(form), "m.pt2", "cpu").score(frames(0, 200))


def test_what_is_no_program_is_a_usage_error():
    with pytest.raises(UsageError, match=r"--menu-model m\.pt2: not a \.pt2 file"):
        MenuModel(b"no program", "m.pt2", "cpu")


def test_a_model_elsewhere_than_the_operator_allows_is_refused_before_it_is_read(tmp_path):
    settings = ManifestSettings(
        manifest_bucket="s3://memory", menu_model="s3://other/m.pt2", menu_model_places=("s3://models", str(tmp_path))
    )
    with pytest.raises(UsageError, match=f"expected a file in s3://models, file://{tmp_path}; ask the operator"):
        read_model(settings.menu_model, settings)
    (tmp_path / "m.pt2").write_bytes(b"x")
    assert read_model(str(tmp_path / "m.pt2"), settings) == b"x"


def test_a_program_with_other_inputs_is_a_usage_error():
    exported = torch.export.export(torch.nn.Linear(4, 1), (torch.zeros(2, 4),))
    stream = io.BytesIO()
    torch.export.save(exported, stream)
    with pytest.raises(UsageError, match="the program takes 1 inputs of shape"):
        MenuModel(stream.getvalue(), "m.pt2", "cpu")


def test_cuda_where_there_is_none_is_a_configuration_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="--device cuda"):
        MenuModel(program(), "m.pt2", "cuda")
    assert MenuModel(program(), "m.pt2", "auto").device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_scores_as_the_cpu_does():
    cases = frames(0, 44, 47, 255)
    body = program()
    np.testing.assert_allclose(
        MenuModel(body, "m", "cuda").score(cases), MenuModel(body, "m", "cpu").score(cases), atol=1e-4
    )


def test_the_share_is_of_the_time():
    data = pt.loads(
        bytes(
            pt.dump(make_session(duration_s=200.0), s3_key="k", source_etag="e", spec=SamplingSpec(), extracted_at="t")
        )
    )
    share = MenuModel(program(), "m.pt2", "cpu").share(data)
    assert share == pytest.approx((200 - 52.5) / 200)  # between 45 and 60 s


@pytest.mark.slow
def test_a_model_decides_the_menu_share_and_is_named(tmp_path):
    store = open_store(f"file://{tmp_path}/bucket", create=True)
    session = make_session(duration_s=200.0)
    body = bytes(pt.dump(session, s3_key="a.tar", source_etag="e", spec=SamplingSpec(), extracted_at="t"))
    info = store.put("a.pt", body)
    row = parts.gameplay("a.tar", stored=True, pt_key="a.pt", pt_size=info.size, pt_etag=info.etag)
    parts.commit(store, row, parts.menu("b.tar"))
    (tmp_path / "m.pt2").write_bytes(program())
    settings = ManifestSettings(
        manifest_bucket=store.uri, menu_model=f"{tmp_path}/m.pt2", device="cpu", workers=1,
        output_path=f"{tmp_path}/m.parquet",
    )  # fmt: skip
    found = manifest.build(store, settings, MemoryStageRun()).table.to_pylist()
    assert [row["menu_method"] for row in found] == ["model", "static"]
    assert found[0]["video_menu_percent"] == pytest.approx(0.7375)
    assert found[0]["is_video_mostly_menu"] is True


def test_an_absent_model_is_a_usage_error(tmp_path):
    store = MemoryStore()
    parts.commit(store, parts.gameplay())
    settings = ManifestSettings(manifest_bucket="s3://memory", menu_model=f"{tmp_path}/absent.pt2")
    with pytest.raises(UsageError, match="--menu-model"):
        manifest.build(store, settings, MemoryStageRun())


def panel(seed, size=(360, 640)):
    """A menu of its own layout: dark ground, panels, lines that look like text."""
    random = np.random.default_rng(seed)
    picture = np.full((*size, 3), random.integers(10, 60, 3), np.uint8)
    for _ in range(5):
        top, left = random.integers(0, size[0] - 80), random.integers(0, size[1] - 160)
        picture[top : top + random.integers(40, 160), left : left + random.integers(80, 300)] = random.integers(
            60, 255, 3
        )
    for top in range(40, size[0] - 40, 24):
        picture[top : top + 6, 60 : 60 + int(random.integers(80, 400))] = 230
    return picture


def signature_of(picture):
    return np.rint(shrink(picture.transpose(2, 0, 1), 9, 16)).astype(np.uint8).transpose(1, 2, 0)


@pytest.fixture
def references(tmp_path):
    folder = tmp_path / "references"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(png(panel(seed)))
    (folder / "notes.txt").write_text("not a picture")
    return str(folder)


def test_a_png_is_read_as_it_was_written():
    picture = panel(1, (90, 161))
    np.testing.assert_array_equal(read_picture(png(picture)), picture)
    with DecodeChild() as child:
        np.testing.assert_array_equal(child.picture(png(picture)), picture)


@pytest.mark.parametrize("inner", ["ffconcat version 1.0\nfile inner.png\n", "#EXTM3U\n#EXTINF:1,\ninner.png\n"])
def test_a_picture_that_refers_to_another_file_is_refused(tmp_path, inner):
    (tmp_path / "inner.png").write_bytes(png(panel(1)))
    (tmp_path / "outer.jpg").write_text(inner)
    with pytest.raises(UsageError, match=r"outer\.jpg' cannot be read: it is not an image"):
        MenuReferences.read(str(tmp_path))


def test_a_picture_name_is_not_a_url(tmp_path, monkeypatch):
    """FFmpeg would ask a host for ``http:host.png``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:127.0.0.1:1.png").write_bytes(png(panel(1)))
    assert MenuReferences.read(".").names == ("http:127.0.0.1:1.png",)


def test_pictures_are_decoded_in_the_decoder_process(references, monkeypatch):
    monkeypatch.setattr(pictures, "read_picture", None)
    assert len(MenuReferences.read(references).names) == 3


def test_a_picture_larger_than_the_limit_is_refused():
    with DecodeChild(max_pixels=30_000) as child:
        assert child.picture(png(panel(1, (90, 161)))).shape == (90, 161, 3)
        with pytest.raises(ItemError):
            child.picture(png(panel(1, (180, 320))))


def test_shrinking_averages_areas():
    values = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    np.testing.assert_allclose(shrink(values, 2, 3), values.reshape(1, 2, 2, 3, 2).mean(axis=(2, 4)))
    np.testing.assert_array_equal(shrink(values, 8, 6)[0, ::2], values[0])
    assert shrink(np.full((3, 7, 11), 9, np.uint8), 3, 5).tolist() == np.full((3, 3, 5), 9.0).tolist()
    np.testing.assert_allclose(luma(np.full((3, 2, 2), 100, np.float32)), 100.0, rtol=1e-5)


def test_menus_like_a_reference_are_found(references):
    found = MenuReferences.read(references)
    assert found.names == ("0.png", "1.png", "2.png")
    moved = panel(1).copy()
    moved[112:118, 60:300] = 90  # another line is lit
    dimmed = (panel(2) * 0.6).astype(np.uint8)
    other = panel(17)
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    black = np.zeros((360, 640, 3), np.uint8)
    scores = found.likeness(np.stack([signature_of(each) for each in (panel(0), moved, dimmed, other, noise, black)]))
    assert (scores[:3] >= LIKENESS).all(), scores
    assert (scores[3:] < LIKENESS).all(), scores


def test_references_add_to_what_stands_still(references):
    signatures = [
        signature_of(panel(0) if time <= 240 else panel(40 + index)) for index, time in enumerate(parts.TIMES)
    ]
    store = MemoryStore()
    # Menus with animated backgrounds: nothing stands still.
    parts.commit(
        store, parts.gameplay("a.tar", static_share=0.2, signatures=signatures), parts.menu("b.tar", share=0.9)
    )
    settings = ManifestSettings(manifest_bucket="s3://memory", menu_references=references)
    found = manifest.build(store, settings, MemoryStageRun()).table.to_pylist()
    assert [row["menu_method"] for row in found] == ["references", "references"]
    assert found[0]["video_menu_percent"] == pytest.approx(0.4, abs=0.1)
    # A style that no reference shows is found all the same.
    assert found[1]["video_menu_percent"] > 0.8


def test_menu_like_gives_each_session_its_frames(references):
    found = MenuReferences.read(references)
    ours, theirs = signature_of(panel(0)).tobytes(), signature_of(panel(30)).tobytes()
    given = found.menu_like(pl.Series([ours + theirs, None, theirs + ours * 2], dtype=pl.Binary), np.array([2, 0, 3]))
    assert given.to_list() == [[True, False], [], [False, True, True]]
    with pytest.raises(ValueError, match="frame_signature holds 1 frames"):
        found.menu_like(pl.Series([ours]), np.array([2]))


@pytest.mark.parametrize(
    ("make", "message"), [(None, "folder does not exist"), ("", "folder has no pictures"), ("x", "is not an image")]
)
def test_references_that_cannot_be_used_are_a_usage_error(tmp_path, make, message):
    folder = tmp_path / "r"
    if make is not None:
        folder.mkdir()
    if make:
        (folder / "x.png").write_text(make)
    with pytest.raises(UsageError, match=message):
        MenuReferences.read(str(folder))


def test_a_pipe_or_a_device_in_the_folder_of_references_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    (tmp_path / "c.png").mkdir()
    with pytest.raises(UsageError, match="has no pictures"):
        MenuReferences.read(str(tmp_path))
