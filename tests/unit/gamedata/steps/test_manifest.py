from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.gamedata import revision
from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.manifest.gather import gather
from jobs.gamedata.manifest.schema import manifest_schema
from jobs.gamedata.manifest.table import count_flags
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.parts.store import rewrite_part
from jobs.gamedata.pt import file as pt
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared import secrets
from shared.errors import BucketMissing, DataError, UsageError
from shared.storage import open_store
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sessions import make_session
from tests.fakes.store import MemoryStore

GOLDEN = Path(__file__).parent / "golden" / "manifest_schema.txt"
SETTINGS = ManifestSettings(manifest_bucket="s3://memory")
SPEC = SamplingSpec()


def build(store, **settings):
    return manifest.build(store, SETTINGS.model_copy(update=settings), MemoryStageRun())


def rows(store, **settings):
    return {row["s3_key"]: row for row in build(store, **settings).table.to_pylist()}


def stored(store, key="a/v.tar", *, seed=0, body=None, **columns):
    """Put a .pt and the row that records it."""
    if body is None:
        session = make_session(seed=seed, video_id="v")
        body = bytes(pt.dump(session, s3_key=key, source_etag="e", spec=SPEC, extracted_at="2026-01-01T00:00:00+00:00"))
    info = store.set(pt.pt_key(key), body)
    return parts.part_row(
        key, stored=True, pt_key=info.key, pt_size=info.size, pt_etag=info.etag,
        pt_sha256=hashlib.sha256(body).hexdigest(), **columns,
    )  # fmt: skip


def test_the_built_in_schema_is_frozen():
    lines = [
        f"{field.name}: {field.type}{'' if field.nullable else ' not null'}"
        for field in manifest_schema(load_built_in())
    ]
    assert lines == GOLDEN.read_text().splitlines(), (
        "a changed column needs a new MANIFEST_VERSION and a CHANGELOG line"
    )


def test_the_originals_columns_come_first():
    names = manifest_schema(load_built_in()).names
    assert names[:13] == [
        "s3_key", "video_id", "video_metadata", "session_metadata", "is_video_mostly_dark", "is_dpi_scale_issue",
        "video_menu_percent", "menu_flag_threshold", "is_video_mostly_menu", "error", "error_traceback",
        "processed_time", "commit_hash",
    ]  # fmt: skip


def test_every_session_and_every_failed_tar_is_a_row():
    store = MemoryStore()
    parts.commit(store, parts.menu("d.tar", share=0.9), parts.gameplay("b.tar"))
    parts.commit(store, parts.error_row("a.tar", code="moov_missing"), parts.bars("c.tar"))
    made = build(store)
    found = made.table.to_pylist()
    assert [row["s3_key"] for row in found] == ["a.tar", "b.tar", "c.tar", "d.tar"]
    broken = found[0]
    assert (broken["error_code"], broken["error_stage"]) == ("moov_missing", "extraction")
    assert broken["error"].startswith("a.tar: no moov box")
    assert broken["error_traceback"].startswith("Traceback")
    assert broken["is_video_mostly_dark"] is None
    assert broken["menu_flag_threshold"] is None
    assert [row["is_dpi_scale_issue"] for row in found] == [None, False, True, False]
    assert found[3]["is_video_mostly_menu"] is True
    assert found[1]["session_metadata"] == '{"session_id": "b.tar", "game_exe": "game.exe"}'
    assert found[1]["error"] is None
    assert len({row["processed_time"] for row in found}) == 1
    assert found[0]["processed_time"].tzinfo is not None
    assert {row["schema_version"] for row in found} == {1}
    assert manifest.failures_of(made.table) == []


def test_the_file_says_what_it_is():
    store = MemoryStore()
    parts.commit(store, parts.gameplay())
    read = pq.read_table(io.BytesIO(build(store).parquet()))
    assert read.schema.metadata[b"telecine.schema_version"] == b"1"
    assert read.schema.equals(manifest_schema(load_built_in()))


def test_an_empty_bucket_says_which_command_comes_first():
    with pytest.raises(DataError) as caught:
        build(MemoryStore())
    assert caught.value.exit_code == 65
    assert "run extract first: telecine gamedata extract --manifest-bucket s3://memory" in str(caught.value)


def test_a_prefix_without_sessions_is_named():
    store = MemoryStore()
    parts.commit(store, parts.gameplay("2026/a.tar"))
    with pytest.raises(DataError, match=r"with a key that starts with .2025/.; run extract first: .* --prefix 2025/$"):
        build(store, prefix="2025/")


def test_a_local_folder_that_is_not_there_yet_is_an_empty_bucket(tmp_path):
    settings = ManifestSettings(manifest_bucket=f"{tmp_path}/nothing", output_path=f"{tmp_path}/m.parquet")
    with pytest.raises(DataError, match="run extract first"):
        manifest.run(settings, MemoryStageRun())


def test_a_missing_s3_bucket_stays_a_configuration_error():
    store = MemoryStore()
    store.fail("list", BucketMissing("no bucket", bucket="memory"))
    with pytest.raises(BucketMissing):
        build(store)


@pytest.mark.parametrize("prefix", ["2026/", "2026/a", "2026/a.ta", "2026/a.tar"])
def test_a_prefix_takes_sessions_by_their_tar(prefix):
    store = MemoryStore()
    parts.commit(store, stored(store, "2026/a.tar"), parts.gameplay("2025/b.tar"), parts.error_row("2025/c.tar"))
    assert list(rows(store, prefix=prefix)) == ["2026/a.tar"]


def test_a_deleted_pt_takes_its_session_out():
    store = MemoryStore()
    parts.commit(store, stored(store, "a.tar"), stored(store, "b.tar"))
    assert set(rows(store)) == {"a.tar", "b.tar"}
    store.delete("a.pt")
    made = build(store)
    assert made.table["s3_key"].to_pylist() == ["b.tar"]
    assert made.sessions.deleted == 1


def test_a_replaced_pt_is_measured_anew():
    store = MemoryStore()
    parts.commit(store, stored(store, "a.tar", session_metadata='{"old": 1}'))
    stored(store, "a.tar", seed=7)  # other bytes, no part
    row = rows(store)["a.tar"]
    assert '"session_id": "s7"' in row["session_metadata"]
    assert row["is_video_mostly_dark"] is False
    assert "no part records" in row["warnings"][0]
    assert row["input_device_class"] is None
    assert row["source_etag"] == "e"


def test_a_pt_without_a_part_is_a_session():
    store = MemoryStore()
    stored(store, "x/y.tar")
    made = build(store)
    assert made.table["s3_key"].to_pylist() == ["x/y.tar"]
    assert made.table["duration_s"].to_pylist() == [600.0]
    assert made.sessions.unrecorded == 1


def test_a_pt_without_a_part_whose_frames_do_not_fit_into_memory_is_an_error_row(monkeypatch):
    store = MemoryStore()
    parts.commit(store, stored(store, "good.tar"))
    stored(store, "large.tar", seed=1)

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("jobs.gamedata.pt.file._parse", fail)
    found = rows(store)
    assert found["good.tar"]["error"] is None
    assert found["large.tar"]["error_code"] == "decode_memory"


def test_a_name_that_is_not_text_is_replaced_in_the_row_of_a_pt_without_a_part():
    session = make_session(video_id="v\udcff")
    body = pt.dump(session, s3_key="v.tar", source_etag="e", spec=SPEC, extracted_at="2026-01-01T00:00:00+00:00")
    found = rows(MemoryStore({"v.pt": bytes(body)}))
    assert (found["v.tar"]["video_id"], found["v.tar"]["error"]) == ("v?", None)


def test_a_copied_bucket_has_other_etags_and_the_same_rows():
    store = MemoryStore()
    row = stored(store, "a.tar", body=b"any bytes")
    row["pt_etag"] = "the etag where it came from"
    parts.commit(store, row, parts.gameplay("b.tar"))
    sessions = gather(store)
    assert sessions.rows["s3_key"].to_list() == ["a.tar", "b.tar"]
    assert sessions.rows["pt_etag"].to_list() == [store.stat("a.pt").etag, None]
    assert sessions.unrecorded == 1


def test_pickled_pt_files_of_the_original_are_error_rows_and_never_unpickled(tmp_path):
    store = MemoryStore({"old/v.pt": b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00exitq\x01\x85q\x02Rq\x03."})
    store.set("bad.pt", b"neither")
    parts.commit(store, parts.gameplay("a.tar"))
    made = build(store)
    found = {row["s3_key"]: row for row in made.table.to_pylist()}
    assert {key: row["error_code"] for key, row in found.items()} == {
        "a.tar": None, "old/v.tar": "pt_legacy", "bad.tar": "pt_invalid",
    }  # fmt: skip
    assert found["old/v.tar"]["error_stage"] == "manifest"
    assert [failure.code for failure in manifest.failures_of(made.table)] == ["pt_invalid", "pt_legacy"]


def test_a_tars_own_error_wins_over_a_legacy_pt():
    store = MemoryStore({"a.pt": b"\x80\x02N."})
    parts.commit(store, parts.error_row("a.tar", code="tar_truncated"))
    assert [row["error_code"] for row in rows(store).values()] == ["tar_truncated"]


def test_a_copy_of_a_pt_under_another_name_is_no_second_session():
    store = MemoryStore()
    parts.commit(store, stored(store, "a.tar"))
    store.set("copy.pt", store.read("a.pt"))
    assert list(rows(store)) == ["a.tar"]


def test_without_torch_an_unrecorded_pt_is_named(monkeypatch):
    store = MemoryStore({"old.pt": b"\x80\x02N."})
    stored(store, "a.tar")

    def no_torch(*args, **kwargs):
        raise ImportError("torch")

    monkeypatch.setattr(pt, "loads", no_torch)
    found = rows(store)
    assert {row["error_code"] for row in found.values()} == {"pt_unrecorded", "pt_legacy"}
    assert "pip install" in found["a.tar"]["error"]


def test_stored_and_not_stored_sessions_give_the_same_rows():
    with_pt, without = MemoryStore(), MemoryStore()
    parts.commit(with_pt, stored(with_pt, "a.tar"), parts.error_row("b.tar"))
    parts.commit(without, parts.gameplay("a.tar"), parts.error_row("b.tar"))
    one, other = build(with_pt).table, build(without).table
    assert one.schema == other.schema
    assert one.drop_columns("processed_time").equals(other.drop_columns("processed_time"))


def test_nothing_is_written_but_the_manifest(tmp_path):
    store = open_store(f"file://{tmp_path}/bucket")
    row = stored(MemoryStore(), "a.tar")
    body = b"any"
    info = store.put("a.pt", body)
    parts.commit(store, row | {"pt_etag": info.etag, "pt_size": info.size})
    before = {info.key: info.etag for info in store.list()}
    settings = ManifestSettings(manifest_bucket=f"{tmp_path}/bucket", output_path=f"{tmp_path}/out/m.parquet")
    run = MemoryStageRun()
    start = threading.Barrier(2)

    def go(_):
        start.wait(30)
        return manifest.run(settings, run)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(go, range(2)))
    assert {info.key: info.etag for info in store.list()} == before
    assert [report.status for report in reports] == ["success", "success"]
    assert reports[0].outputs["manifest"] == settings.output_path
    assert pq.read_table(f"{tmp_path}/out/m.parquet")["s3_key"].to_pylist() == ["a.tar"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.parquet"]


CHECK = """
from jobs.gamedata.checks import statistics_check

@statistics_check("events", int)
def events(session, settings):
    if session.s3_key == "b.tar":
        raise RuntimeError("no\\nluck")
    return session.inputs.events
"""


def test_a_researchers_check_appends_a_typed_column_and_its_hash(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CHECK)
    store = MemoryStore()
    parts.commit(store, parts.gameplay("a.tar"), parts.gameplay("b.tar"), parts.error_row("c.tar"))
    table = build(store, checks=(str(file),)).table
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert table.schema.field(table.schema.names[-1]) == pa.field("events", pa.int64())
    assert table["events"].to_pylist() == [4000, None, None]
    assert set(table["checks_sha256"].to_pylist()) == {digest}
    assert digest.encode() in table.schema.metadata[b"telecine.checks"]
    failed = table.to_pylist()[1]
    assert failed["check_errors"] == ["events: RuntimeError: no\nluck"]
    assert (failed["error_code"], failed["error_stage"]) == ("check_failed", "manifest")
    assert "in events" in failed["error_traceback"]
    assert failed["is_video_mostly_dark"] is False
    assert [failure.item for failure in manifest.failures_of(table)] == ["b.tar"]


@pytest.mark.parametrize(
    ("bad", "code", "messages"),
    [
        ("*", 65, ["raised on 2 of 2 sessions: RuntimeError: no luck (mine.py:7)"]),
        ("a.tar", 0, []),
    ],
)
def test_a_check_that_raises_on_every_session_fails_the_step_and_names_the_line(tmp_path, caplog, bad, code, messages):
    file = tmp_path / "mine.py"
    file.write_text(CHECK.replace("no\\nluck", "no luck").replace('== "b.tar"', f'== "{bad}" or "{bad}" == "*"'))
    store = MemoryStore()
    parts.commit(store, parts.gameplay("a.tar"), parts.gameplay("b.tar"), parts.error_row("c.tar"))
    settings = ManifestSettings(
        checks=(str(file),), output_path=str(tmp_path / "m.parquet"), manifest_bucket=f"file://{tmp_path}"
    )
    built = build(store, checks=(str(file),))
    assert [failure.message for failure in built.unusable] == messages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "build", lambda *_: built)
        report = manifest.run(settings, MemoryStageRun())

    assert report.exit_code == code
    assert (tmp_path / "m.parquet").exists()
    assert [failure.item for failure in report.failures if failure.item.startswith("check ")] == ["check events"] * len(
        messages
    )
    assert ("check events raised on 2 of 2" in caplog.text) is bool(code)


def test_an_error_about_a_file_shows_no_secret():
    secrets.remember("correct-horse-battery-staple")
    store = MemoryStore({"correct-horse-battery-staple.pt": b"neither"})
    (failed,) = build(store).table.to_pylist()
    assert failed["error_code"] == "pt_invalid"
    assert "***" in failed["error"]
    assert "correct-horse" not in failed["error"]


def test_what_a_check_raises_shows_no_secret(tmp_path):
    """More people read the manifest and the published table than may know the step's secrets."""
    file = tmp_path / "mine.py"
    file.write_text(CHECK.replace('"no\\nluck"', '"GET https://u:hunter2hunter2@host/x failed"'))
    store = MemoryStore()
    parts.commit(store, parts.gameplay("b.tar"))
    (failed,) = build(store, checks=(str(file),)).table.to_pylist()
    assert "https://u:***@host/x" in failed["error"]
    assert "https://u:***@host/x" in failed["error_traceback"].splitlines()[-1]
    assert "hunter2" not in str([failed["error"], failed["check_errors"], failed["error_traceback"].splitlines()[-1]])


def test_a_new_file_in_the_package_needs_no_other_change(tmp_path, monkeypatch):
    import jobs.gamedata.checks.built_in as package
    from jobs.gamedata.checks import registry

    (tmp_path / "zebra.py").write_text(CHECK)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    before = dict(registry.built_in().checks)
    store = MemoryStore()
    parts.commit(store, parts.gameplay("a.tar"))
    try:
        table = build(store).table
    finally:
        registry.built_in().checks.clear()
        registry.built_in().checks.update(before)
        monkeypatch.delitem(__import__("sys").modules, "jobs.gamedata.checks.built_in.zebra", raising=False)
    assert table.schema.field("events").type == pa.int64()
    assert table.schema.names[-1] == "events"
    assert table["checks_sha256"].to_pylist() == [None]


def test_an_absent_check_file_ends_before_anything_is_read():
    store = MemoryStore()
    with pytest.raises(UsageError, match="--checks"):
        build(store, checks=("absent.py",))
    assert store.calls == []


@pytest.mark.parametrize("place", ["out/", "ftp://host/m.parquet", "s3://bucket"])
def test_an_output_that_is_no_file_ends_before_the_work(tmp_path, place):
    with pytest.raises(UsageError, match="--output-path"):
        manifest.run(ManifestSettings(manifest_bucket=f"{tmp_path}/b", output_path=place), MemoryStageRun())


def test_failed_tars_are_not_the_manifests_failures(tmp_path):
    store = open_store(f"file://{tmp_path}/bucket")
    parts.commit(store, parts.error_row("a.tar"), parts.error_row("b.tar"))
    settings = ManifestSettings(manifest_bucket=f"{tmp_path}/bucket", output_path=f"{tmp_path}/m.parquet", max_failed=0)
    run = MemoryStageRun()
    report = manifest.run(settings, run)
    assert (report.status, report.exit_code, run.errors) == ("success", 0, [])
    assert report.rejects == {"moov_missing": 2}


def test_failures_go_to_the_ledger(tmp_path):
    store = open_store(f"file://{tmp_path}/bucket")
    store.put("v.pt", b"\x80\x02N.")
    settings = ManifestSettings(manifest_bucket=f"{tmp_path}/bucket", output_path=f"{tmp_path}/m.parquet")
    run = MemoryStageRun()
    report = manifest.run(settings, run)
    assert (report.status, report.exit_code) == ("failed", 65)
    assert [failure.code for failure in run.errors] == ["pt_legacy"]


def test_without_git_the_commit_is_null(monkeypatch):
    monkeypatch.setattr("jobs.gamedata.manifest.table.revision", lambda: None)
    store = MemoryStore()
    parts.commit(store, parts.gameplay())
    assert build(store).table["commit_hash"].to_pylist() == [None]


def test_the_commit_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("TELECINE_REVISION", "abc123")
    revision.revision.cache_clear()
    store = MemoryStore()
    parts.commit(store, parts.gameplay())
    try:
        assert build(store).table["commit_hash"].to_pylist() == ["abc123"]
    finally:
        revision.revision.cache_clear()


def test_a_broken_part_is_counted_and_the_rest_goes_on():
    store = MemoryStore()
    parts.commit(store, parts.gameplay())
    store.set("_stats/00000009-broken.parquet", b"PAR1")
    made = build(store)
    assert made.table.num_rows == 1
    assert made.sessions.broken == ["_stats/00000009-broken.parquet"]


def test_twenty_thousand_sessions_are_judged_whole():
    count = 20_000
    one = pa.Table.from_pylist([parts.gameplay(), parts.dark(), parts.bars(), parts.menu()], schema=PART_SCHEMA)
    table = pa.concat_tables([one] * (count // 4)).combine_chunks()
    keys = pa.array([f"{number:06d}.tar" for number in range(count)])
    store = MemoryStore()
    rewrite_part(store, table.set_column(0, PART_SCHEMA.field(0), keys))
    made = build(store).table
    assert count_flags(made) == {
        "is_video_mostly_dark": count // 4, "is_dpi_scale_issue": count // 4, "is_video_mostly_menu": count // 4,
        "is_session_empty": count // 4, "has_unusable_timestamps": 0,
    }  # fmt: skip
