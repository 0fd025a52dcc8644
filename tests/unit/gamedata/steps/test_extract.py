from __future__ import annotations

import json
import pickle
from functools import partial

import pytest

from jobs.gamedata.compute.pool import worker_count
from jobs.gamedata.extraction import worker, worklist
from jobs.gamedata.extraction.task_list import parse_task_list
from jobs.gamedata.parts.compaction import compact
from jobs.gamedata.parts.store import list_parts, read_parts, read_rows
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from jobs.gamedata.steps._launch import launch
from shared.errors import BucketMissing, Stopped, StorageFull, UsageError
from shared.step.guard import exit_code_of
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.sessions import extract_fake


class Bench:
    """Two folders, a stage of a ledger in memory, a reader that fails as told."""

    def __init__(self, tmp_path):
        self.source = open_store(f"file://{tmp_path}/in", create=True)
        self.target = open_store(f"file://{tmp_path}/out", create=True)
        self.read = []
        self.fail = {}
        self.kills = ()
        self.pools = []

    def tars(self, *names):
        for name in names:
            self.source.put(name, f"body of {name}".encode())

    def settings(self, **flags):
        return ExtractSettings(source_bucket=self.source.uri, manifest_bucket=self.target.uri, workers=1, **flags)

    def __call__(self, **flags):
        self.read.clear()
        self.stage = MemoryStageRun()

        def make_pool(make, workers):
            self.pools.append(InlinePool(make, workers, self.kills))
            return self.pools[-1]

        def make_extract(_):
            hook = self.read.append
            return lambda _device: extract_fake(fail=self.fail, hook=lambda body: hook(body.decode().split()[-1]))

        return extract.run_with(self.settings(**flags), self.stage, make_extract=make_extract, make_pool=make_pool)

    def pts(self):
        return sorted(info.key for info in self.target.list() if info.key.endswith(".pt"))

    def rows(self):
        return {row["s3_key"]: row for row in read_parts(self.target).to_pylist()}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_one_bad_of_ten_gives_nine_pt_files_one_error_row_and_exit_0(bench):
    bench.tars(*(f"{n}.tar" for n in range(10)))
    bench.fail[b"body of 3"] = "video_missing"
    report = bench()
    assert len(bench.pts()) == 9
    assert [row["error_code"] for row in bench.rows().values() if row["outcome"] == "error"] == ["video_missing"]
    assert (report.exit_code, report.status) == (0, "partial")
    assert report.counts["extracted"] == 9
    assert report.counts["failed"] == 1
    assert report.rejects == {"video_missing": 1}
    assert [(failure.item, failure.code) for failure in bench.stage.errors] == [("3.tar", "video_missing")]
    assert (bench.stage.progress.total, bench.stage.progress.done) == (10, 10)
    assert bench.stage.progress.counts == {"ok": 9, "failed": 1}


def test_a_second_run_reads_nothing_and_tells_the_same_failures(bench):
    bench.tars("a.tar", "b.tar")
    bench.fail[b"body of b"] = "metadata_missing"
    bench()
    before = [(info.key, info.etag) for info in bench.target.list()]
    report = bench()
    assert bench.read == []
    assert [(info.key, info.etag) for info in bench.target.list()] == before
    assert (report.counts["done_before"], report.counts["failed_before"]) == (1, 1)
    assert report.status == "partial"
    assert [failure.code for failure in report.failures] == ["metadata_missing"]
    assert len(bench.pools) == 1


def test_a_pt_that_is_gone_or_replaced_is_written_again(bench):
    bench.tars("a.tar", "b.tar", "c.tar")
    bench()
    bench.target.delete("a.pt")
    bench.target.put("b.pt", b"by hand")
    bench()
    assert sorted(bench.read) == ["a.tar", "b.tar"]
    bench()
    assert bench.read == []


def test_a_tar_that_changed_is_read_again(bench):
    bench.tars("a.tar")
    bench.fail[b"body of a"] = "video_missing"
    bench()
    bench.source.put("a.tar", b"now good a.tar")
    assert bench().counts["extracted"] == 1


def test_another_sampling_is_another_question(bench):
    bench.tars("a.tar")
    bench()
    assert bench(sampling="exact").counts["extracted"] == 1
    assert bench(sampling="exact").counts["done_before"] == 1


def test_no_skip_existing_reads_all(bench):
    bench.tars("a.tar", "b.tar")
    bench()
    assert bench(skip_existing=False).counts["extracted"] == 2
    assert bench.rows()["a.tar"]["generation"] == 2


def test_only_failed_takes_known_failures_and_nothing_else(bench):
    bench.tars("a.tar", "b.tar")
    bench.fail[b"body of b"] = "video_missing"
    bench()
    bench.tars("new.tar")
    bench.fail.clear()
    report = bench(only_failed=True)
    assert bench.read == ["b.tar"]
    assert report.counts["left_out"] == 2
    assert bench.rows()["b.tar"]["attempt"] == 2
    assert bench.rows()["b.tar"]["outcome"] == "ok"


def test_a_crash_is_tried_twice_and_then_quarantined(bench):
    bench.tars("a.tar")
    bench.fail[b"body"] = "decode_crashed"
    bench()
    bench()
    assert bench.read == ["a.tar"]
    report = bench()
    assert bench.read == []
    assert (report.counts["failed_before"], report.counts["quarantined"]) == (1, 1)
    assert bench.rows()["a.tar"]["attempt"] == 2
    assert bench(only_failed=True).counts["failed"] == 1


def test_two_different_crashes_do_not_quarantine(bench):
    bench.tars("a.tar")
    for code in ("decode_crashed", "decode_timeout"):
        bench.fail[b"body"] = code
        bench()
    bench()
    assert bench.read == ["a.tar"]


def test_without_store_is_done_only_for_those_who_store_nothing(bench):
    bench.tars("a.tar")
    assert bench(store=False).counts["extracted"] == 1
    assert bench.pts() == []
    assert bench(store=False).counts["done_before"] == 1
    assert bench().counts["extracted"] == 1
    assert bench.pts() == ["a.pt"]
    assert bench(store=False).counts["done_before"] == 1


def test_known_failures_count_for_max_failed(bench):
    bench.tars("a.tar", "b.tar")
    bench.fail[b"body of b"] = "video_missing"
    assert bench(max_failed=0).exit_code == 65
    report = bench(max_failed=0)
    assert (report.exit_code, report.status, bench.read) == (65, "failed", [])


def test_all_failed_is_65(bench):
    bench.tars("a.tar")
    bench.fail[b"body"] = "video_missing"
    assert bench().exit_code == 65


def test_a_prefix_limits_the_listing(bench):
    bench.tars("a/1.tar", "b/2.tar")
    bench(prefix="b/")
    assert bench.pts() == ["b/2.pt"]


def test_what_is_no_tar_is_left_alone(bench):
    bench.tars("a.tar", "readme.txt", "b.TAR")
    bench()
    assert bench.pts() == ["a.pt", "b.TAR.pt"]


def test_an_empty_source_says_so_and_is_no_failure(bench, caplog):
    report = bench(prefix="nothing/")
    assert (report.exit_code, report.status) == (0, "success")
    assert "nothing/" in caplog.text
    assert bench.pools == []


def test_a_missing_source_is_a_configuration_error(bench, tmp_path):
    settings = ExtractSettings(source_bucket=f"{tmp_path}/none", manifest_bucket=bench.target.uri)
    with pytest.raises(BucketMissing):
        extract.run(settings, MemoryStageRun())


def test_a_task_list_names_keys(bench, tmp_path):
    bench.tars("a.tar", "b.tar", "c.tar", "odd name")
    (tmp_path / "list").write_text(f"# comment\n\nb.tar\n  b.tar \n{bench.source.uri}/c.tar\nodd name\n")
    bench(task_list=str(tmp_path / "list"))
    assert bench.pts() == ["b.pt", "c.pt", "odd name.pt"]


def test_a_listed_tar_that_is_not_there_is_an_error_row_once(bench, tmp_path):
    bench.tars("a.tar")
    (tmp_path / "list").write_text("a.tar\nghost.tar\n")
    report = bench(task_list=str(tmp_path / "list"))
    assert (report.exit_code, report.rejects) == (0, {"tar_missing": 1})
    assert bench.rows()["ghost.tar"]["error_code"] == "tar_missing"
    parts = len(list_parts(bench.target))
    assert bench(task_list=str(tmp_path / "list")).rejects == {"tar_missing": 1}
    assert len(list_parts(bench.target)) == parts
    bench.tars("ghost.tar")
    assert bench(task_list=str(tmp_path / "list")).counts["extracted"] == 1


def test_a_long_task_list_is_answered_by_one_listing(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(worklist, "_STAT_MAX", 10)
    bench.tars("x/a.tar", "x/b.tar")
    (tmp_path / "list").write_text("\n".join(["x/a.tar", *(f"x/none-{n}.tar" for n in range(11))]))
    report = bench(task_list=str(tmp_path / "list"))
    assert (report.counts["extracted"], report.counts["failed"]) == (1, 11)


def test_a_missing_task_list_is_a_usage_error(bench, tmp_path):
    with pytest.raises(UsageError, match="one TAR key per line"):
        bench(task_list=str(tmp_path / "none"))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", "a.tar\nb.tar\n".encode("utf-16"), b"\x80\x02\n\0\na.tar\n", b"a\0.tar"]
)
def test_a_task_list_that_cannot_be_meant_is_a_usage_error(bench, tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError):
        bench(task_list=str(tmp_path / "list"))


def test_task_lists_are_forgiving():
    assert parse_task_list("\ufeffb.tar\r\na.tar\n#x\n\n b.tar", root="s3://x") == ["b.tar", "a.tar"]
    assert parse_task_list("s3://x/a.tar\ns3://y/a.tar", root="s3://x") == ["a.tar", "s3://y/a.tar"]


def test_a_tar_that_kills_its_worker_costs_the_others_nothing(bench):
    bench.tars(*(f"{n}.tar" for n in range(10)))
    bench.kills = ("7.tar",)
    report = bench()
    assert len(bench.pts()) == 9
    assert report.rejects == {"decode_crashed": 1}
    assert bench.rows()["7.tar"]["error_retryable"] is True
    assert len(bench.read) == 9
    bench()
    assert bench().counts["quarantined"] == 1


@pytest.mark.parametrize("end", [StorageFull("no space for 5.pt"), Stopped(2)], ids=lambda end: type(end).__name__)
def test_what_ends_the_run_closes_the_pool_and_keeps_what_is_committed(bench, monkeypatch, caplog, end):
    bench.tars(*(f"{n}.tar" for n in range(8)))
    put = type(bench.target).put
    monkeypatch.setattr(
        type(bench.target), "put", lambda self, key, body: full(key) if key == "5.pt" else put(self, key, body)
    )

    def full(key):
        raise end

    with pytest.raises(type(end)):
        bench()
    assert bench.pools[-1].closed
    monkeypatch.undo()
    done = len(bench.rows())
    assert 0 < done < 8
    (said,) = (text for text in caplog.messages if "TARs are committed; the same command reads the rest" in text)
    # The worker may have committed what it had read of its last batch.
    assert said.startswith((f"at least {done - 1} of 8 ", f"at least {done} of 8 "))
    assert bench().counts["done_before"] == done


def test_many_runs_leave_few_parts(bench, monkeypatch):
    monkeypatch.setattr(extract, "compact", partial(compact, many=8))
    for number in range(12):
        bench.tars(f"{number:02d}.tar")
        bench()
    assert len(list_parts(bench.target)) < 5
    assert len(bench.rows()) == len(bench.pts()) == 12
    assert len(read_rows(bench.target)) == 12


def test_the_report_has_rates_and_says_what_bound_the_run(bench):
    bench.tars(*(f"{n}.tar" for n in range(6)))
    bench.fail[b"body of 2"] = "video_missing"
    report = bench()
    assert set(report.rates) == {
        "cpu_s_per_item",
        "items_per_s",
        "video_s_per_s",
        "mb_per_s",
        "store_p95_s",
        "worker_busy_share",
    }
    assert (report.bound, report.bound_reason) == (None, "")  # too little work to say
    assert report.headline == "6 TARs: 5 extracted, 1 failed"
    assert report.counts["samples"] == 5 * 35
    assert report.bytes["source"] == sum(info.size for info in bench.source.list())
    assert {"plan", "start_workers", "extract", "compact"} == set(report.durations)
    titles = [section.title for section in report.sections]
    assert titles == ["Seconds per TAR", "Worker time", "Readers", "Slowest TARs", "Workers"]
    assert sum(report.sections[0].counts) == 5, "a failed TAR is not a fast one"
    json.loads(report.model_dump_json())


def test_workers_are_not_more_than_the_work():
    assert worker_count(8, 3) == 3
    assert worker_count(2, 300) == 2
    assert worker_count(None, 1) == 1
    assert worker_count(None) >= 1
    assert worker_count(3, 0) == 1


def test_workers_are_not_sent_the_database(bench):
    """Their pods have no Secret with it, so it must not come to them with the pickled runner either."""
    bench.tars("a.tar")
    sent = []

    def make_pool(make, workers):
        sent.append(pickle.dumps(make))
        raise StorageFull("enough")

    settings = bench.settings(database_url="postgresql://u:hidden@h/d")
    with pytest.raises(StorageFull, match="enough"):
        extract.run_with(settings, MemoryStageRun(), make_extract=extract._decode_child, make_pool=make_pool)
    (runner,) = sent
    assert bench.target.uri.removeprefix("file://").encode() in runner
    assert b"hidden" not in runner


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_auto_works_on_folders_with_the_device_of_this_machine(tmp_path, monkeypatch, device):
    """Pods cannot read the folders, so launch chooses this machine; it is not asked for a Ray cluster then."""
    for module in (extract, worker):
        monkeypatch.setattr(module, "resolve_device", lambda asked: asked)
    bench = Bench(tmp_path)
    bench.tars("a.tar")
    pools = []

    def pool(make, workers):
        pools.append(InlinePool(make, workers, ()))
        return pools[-1]

    monkeypatch.setattr(extract, "processes", pool)
    monkeypatch.setattr(extract, "_decode_child", lambda _: lambda _device: extract_fake())
    settings = bench.settings(compute="auto", device=device)
    assert launch(settings) is None
    assert extract.run(settings, MemoryStageRun()).counts["extracted"] == 1
    assert len(pools) == 1


def test_without_pyav_no_tar_fails_and_the_command_says_what_to_install(tmp_path, monkeypatch):
    """Its decoder processes could not start, so every TAR would be committed as failed."""
    bench = Bench(tmp_path)
    monkeypatch.setattr(extract, "find_spec", {"torch": "there"}.get)
    assert extract.run(bench.settings(device="cpu"), MemoryStageRun()).counts["extracted"] == 0, "nothing to read"
    bench.tars("a.tar")
    with pytest.raises(ModuleNotFoundError, match="av") as absent:
        extract.run(bench.settings(device="cpu"), MemoryStageRun())
    assert (absent.value.name, exit_code_of(absent.value)) == ("av", 78)
    assert not list(list_parts(bench.target))
