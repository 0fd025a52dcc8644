"""Results, frames and sprites of a manifest's sessions, without a database."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from jobs.gamedata.gold import sprites as module
from jobs.gamedata.gold.frames import COLUMNS, FrameRows
from jobs.gamedata.gold.lineage import Lineage
from jobs.gamedata.gold.results import FRAME_VALUES, read_results
from jobs.gamedata.gold.sprite_keys import SpriteKey
from jobs.gamedata.gold.sprites import Failed, find_sprites, make_sprites, sweep
from jobs.gamedata.model import SamplingSpec
from shared.errors import AccessDenied, StoreUnavailable
from shared.progress import Progress
from tests.fakes import parts
from tests.fakes.recorded import session
from tests.fakes.store import MemoryStore


def manifest(*rows: dict, method: str | None = "static", **changed: str) -> pa.Table:
    """The columns of a manifest of these rows."""
    names = ("s3_key", "source_etag", "spec_digest")
    listed = [{**{name: row[name] for name in names}, "error_stage": None, "menu_method": method} for row in rows]
    listed = [{**row, **changed} for row in listed]
    return pa.Table.from_pylist(
        listed, pa.schema([(name, pa.string()) for name in (*names, "error_stage", "menu_method")])
    )


def results_of(store: MemoryStore, *rows: dict, prefix: str = "", **values):
    if rows:
        parts.commit(store, *rows)
    return read_results(store, manifest(*rows, **values), prefix=prefix)


def frame_row(results, key: str = "a.tar") -> dict:
    """The row of a session, with its literals of arrays as lists."""
    (row,) = FrameRows(results).rows({key})
    names = {"f": False, "t": True, "NULL": None}

    def parsed(text: str) -> list:
        words = text.removeprefix("{").removesuffix("}").split(",")
        return [names[word] if word in names else float(word) for word in words]

    return {name: parsed(value) if str(value).startswith("{") else value for name, value in row.items()}


def drawn(store: MemoryStore, results, *, failed=None, limit: int = 100):
    return make_sprites(
        store, results, find_sprites(store, prefix=""), failed=failed or {}, limit=limit, progress=Progress()
    )


def test_frames_are_the_values_of_the_part():
    store = MemoryStore()
    random = np.random.default_rng(3)
    values = {name: random.uniform(0, 1, 29).astype(np.float32) for name in FRAME_VALUES}
    row = parts.part_row("a.tar", **values) | {"frame_corrupt": [n % 5 == 0 for n in range(29)]}
    row["frame_stride_s"] = [3.0 if time <= 45 else 30.0 for time in row["frame_time_s"]]
    found = frame_row(results_of(store, row))
    assert set(found) == set(COLUMNS)
    assert found["frames"] == 29
    assert (found["time_s"], found["stride_s"]) == (row["frame_time_s"], row["frame_stride_s"])
    assert found["is_corrupt"] == row["frame_corrupt"]
    for name in FRAME_VALUES:
        assert np.array_equal(np.array(found[name], np.float32), values[name])


def test_values_that_are_not_finite_are_null():
    row = parts.part_row(
        "a.tar", times=[3.0, 6.0, 9.0], static_share=[np.nan, np.inf, 0.5], luma_mean=[1.0, -np.inf, 3.0]
    )
    found = frame_row(results_of(MemoryStore(), row))
    assert found["static_share"] == [None, None, 0.5]
    assert found["luma_mean"] == [1.0, None, 3.0]
    assert found["stride_s"] is None  # the part is older than the column


def test_menu_frames_follow_the_rule_of_the_check_and_are_null_for_other_methods():
    row = parts.part_row(
        "a.tar", times=[3.0, 6.0, 9.0, 12.0], static_share=[0.6, 0.59, 0.9, 0.9], luma_mean=[20, 20, 14, 20]
    )
    row["frame_corrupt"] = [False, False, False, True]
    found = frame_row(results_of(MemoryStore(), row))
    assert found["is_menu"] == [True, False, False, None]
    found = frame_row(results_of(MemoryStore(), row, method="model"))
    assert found["is_menu"] is None


def test_the_hash_changes_with_any_value_and_only_then():
    def hashed(row, **values):
        ((_, digest),) = FrameRows(results_of(MemoryStore(), row, **values)).hashes()
        return digest

    row = parts.part_row("a.tar", times=[3.0, 6.0])
    changed = [row | {f"frame_{name}": [row[f"frame_{name}"][0], 7.0]} for name in (*FRAME_VALUES, "time_s")]
    digests = [hashed(each) for each in (row, *changed)]
    digests += [hashed(row | {"frame_corrupt": [False, True]}), hashed(row | {"frame_stride_s": [3.0, 3.0]})]
    digests += [hashed(row, method="model"), hashed(row | {"frame_luma_p01": [np.nan, 4.0]})]
    assert len(set(digests)) == len(digests)
    assert hashed(row | {"generation": 9, "seconds": 9.0, "warnings": ["x"]}) == digests[0]
    assert hashed(row | {"frame_luma_p01": [np.inf, 4.0]}) == digests[-1]  # both are NULL


@pytest.mark.parametrize(
    "change",
    [
        {"frame_luma_mean": [1.0]},
        {"frame_corrupt": None},
        {"frame_time_s": [6.0, 3.0]},
        {"frame_time_s": [3.0, float("nan")]},
        {"frame_time_s": [3.0, None]},
        {"frame_stride_s": [3.0]},
    ],
)
def test_frames_of_a_hostile_part_are_left_out(change):
    results = results_of(MemoryStore(), parts.part_row("a.tar", times=[3.0, 6.0]) | change, parts.part_row("b.tar"))
    assert results.table["s3_key"].to_pylist() == ["b.tar"]
    assert results.invalid == 1


def test_results_that_the_manifest_does_not_describe_are_left_out():
    store = MemoryStore()
    rows = [parts.part_row("a.tar"), parts.part_row("b.tar"), parts.error_row("c.tar"), session(store, "d.tar")]
    parts.commit(store, *rows)
    store.set("d.pt", b"replaced by hand")
    described = manifest(rows[0], rows[1] | {"source_etag": "older"}, rows[3])
    results = read_results(store, described, prefix="")
    assert results.table["s3_key"].to_pylist() == ["a.tar"]
    assert results.stale == 2
    # A copied bucket has new ETags, so no result is of the manifest.
    none = read_results(store, manifest(rows[0] | {"source_etag": "older"}), prefix="")
    assert (len(none.table), none.invalid) == (0, 0)


def test_each_session_gets_one_sprite_and_a_second_run_makes_none():
    store = MemoryStore()
    results = results_of(store, session(store), session(store, "b.tar", seed=1))
    first = drawn(store, results)
    assert (first.made, first.errors, first.left) == (2, {}, 0)
    keys = {sprite.text for sprite in first.keys.values()}
    assert keys == find_sprites(store, prefix="")
    assert find_sprites(store, prefix="a/") == {first.keys["a/v.tar"].text}
    store.calls.clear()
    again = drawn(store, results)
    assert (again.made, again.keys) == (0, first.keys)
    assert store.count("read") == store.count("put") == 0


def test_tiles_show_the_frames_at_their_times():
    store = MemoryStore()
    results = results_of(store, session(store))
    sprites = drawn(store, results)
    (row,) = Lineage(results, sprites).join([{"s3_key": "a/v.tar"}])
    sprite = sprites.keys["a/v.tar"]
    picture = Image.open(io.BytesIO(store.read(sprite.text))).convert("L")
    assert (row["sprite_tiles"], row["sprite_columns"], len(row["sprite_times_s"])) == (12, 4, 12)
    for number, time in enumerate(row["sprite_times_s"]):
        x = number % row["sprite_columns"] * row["sprite_tile_width"] + 9
        y = number // row["sprite_columns"] * row["sprite_tile_height"] + 9
        assert abs(picture.getpixel((x, y)) - round(time) % 251) <= 4  # as make_session paints them


def test_a_session_without_results_has_no_columns():
    store = MemoryStore()
    row = parts.part_row("a.tar") | {"input_first_s": float("inf")}
    results = results_of(store, row)
    found = list(Lineage(results, drawn(store, results)).join([{"s3_key": "a.tar"}, {"s3_key": "b.tar"}]))
    assert (found[0]["input_events"], found[0]["input_first_s"], found[0]["pt_key"]) == (4000, None, None)
    assert set(found[1].values()) == {"b.tar", None}
    assert found[0].keys() == found[1].keys()


def test_a_sprite_that_cannot_be_made_is_a_code_and_the_others_are_made(monkeypatch):
    monkeypatch.setattr(module, "_can_decode", lambda: False)
    store = MemoryStore()
    rows = [
        session(store, "good.tar"),
        session(store, "packets.tar", spec=SamplingSpec(frames="packets")),
        session(store, "x" * 1015 + ".tar"),
        session(store, "other.tar") | {"frame_time_s": [float(number) for number in range(29)]},
    ]
    info = store.set("junk.pt", b"PK\x03\x04 junk")
    rows.append(parts.part_row("junk.tar", stored=True, pt_key="junk.pt", pt_size=info.size, pt_etag=info.etag))
    info = store.set("none.pt", b"short")
    rows.append(
        parts.part_row("none.tar", times=[], stored=True, pt_key="none.pt", pt_size=info.size, pt_etag=info.etag)
    )
    results = results_of(store, *rows)
    sprites = drawn(store, results)
    assert list(sprites.keys) == ["good.tar"]
    assert sprites.errors == {
        "packets.tar": "sprite_needs_decoder",
        "x" * 1015 + ".tar": "sprite_failed",
        "other.tar": "sprite_pt_invalid",
        "junk.tar": "sprite_pt_invalid",
        "none.tar": "sprite_no_frames",
    }
    # Packets are not read again until they can be decoded.
    row = next(row for row in rows if row["s3_key"] == "packets.tar")
    failed = {"packets.tar": Failed(row["source_etag"], row["spec_digest"], "sprite_needs_decoder")}
    store.calls.clear()
    assert drawn(store, results, failed=failed).errors["packets.tar"] == "sprite_needs_decoder"
    assert ("read", "packets.pt") not in store.calls


def test_a_limit_leaves_the_rest_and_takes_former_failures_last():
    store = MemoryStore()
    rows = [session(store, f"{number}.tar", seed=number) for number in range(3)]
    results = results_of(store, *rows)
    sprites = drawn(store, results, failed={"0.tar": Failed("e", "d", "sprite_failed")}, limit=2)
    assert (sorted(sprites.keys), sprites.left) == (["1.tar", "2.tar"], 1)
    assert (drawn(store, results, limit=0).made, drawn(store, results, limit=0).left) == (0, 1)
    assert sorted(drawn(store, results).keys) == ["0.tar", "1.tar", "2.tar"]


def test_a_bucket_that_cannot_be_written_stops_the_sprites_only():
    store = MemoryStore()
    results = results_of(store, *(session(store, f"{number}.tar", seed=number) for number in range(3)))
    store.fail("put", AccessDenied("s3:PutObject", bucket="b", action="s3:PutObject"), times=float("inf"))
    sprites = drawn(store, results)
    assert (sprites.made, sprites.errors, sprites.left) == (0, {}, 3)
    assert "s3:PutObject" in sprites.stopped


def test_a_store_that_fails_for_a_while_leaves_the_sprite_to_the_next_run():
    store = MemoryStore()
    results = results_of(store, session(store, "a.tar"), session(store, "b.tar", seed=1))
    store.fail("read", StoreUnavailable("503"), key="a.pt")
    sprites = drawn(store, results)
    assert (list(sprites.keys), sprites.errors, sprites.left) == (["b.tar"], {}, 1)
    assert drawn(store, results).made == 1


def test_only_listed_sprites_that_no_session_names_are_deleted():
    store = MemoryStore()
    results = results_of(store, session(store, "a.tar"), session(store, "b.tar", seed=1))
    drawn(store, results)
    store.set("_sprites/notes.txt", b"notes")
    later = drawn(store, results)
    concurrent = SpriteKey("c.tar", "0" * 16, later.keys["a.tar"].geometry).text
    store.set(concurrent, b"stored after the listing")
    assert sweep(store, later, {later.keys["a.tar"].text}) == 1
    left = {info.key for info in store.list("_sprites/")}
    assert left == {later.keys["a.tar"].text, concurrent, "_sprites/notes.txt"}
    store.fail("delete", StoreUnavailable("503"))
    assert sweep(store, later, set()) == 0


def test_packets_are_decoded_where_torch_and_av_are_installed(monkeypatch):
    store = MemoryStore()
    spec = SamplingSpec(frames="packets")
    results = results_of(store, session(store, spec=spec))

    def decode(packets, height, width, rotation):
        return np.zeros((len(packets.first), 3, height, width), np.uint8)

    monkeypatch.setattr("jobs.gamedata.session.child.decode_packets", decode)
    assert drawn(store, results).made == 1
