"""Extraction over an S3 store that throttles, hangs, truncates bodies and changes objects during reads."""

# ruff: noqa: F811 - pytest passes fixtures by name
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.gamedata.parts.store import list_parts, read_parts
from jobs.gamedata.pt.file import loads
from jobs.gamedata.session.child import DecodeChild
from jobs.gamedata.settings import ExtractSettings, ManifestSettings, VerifySettings
from jobs.gamedata.steps import extract, manifest, verify
from shared.errors import StoreUnavailable
from shared.storage import _s3_client, close_stores, open_store
from tests.cli import sample_tar
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.s3_faults import Reply, error
from tests.fakes.s3_proxy import S3Proxy
from tests.s3_server import s3_process, s3_server  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.report import Report
    from tests.fakes.s3_faults import Seen
    from tests.s3_server import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3")]

SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate.")
GOOD = {"a.tar": "idle", "z.tar": "matroska"}
BAD = "bad.tar"
# Two different videos of 10 s. The new one is larger, so that no read of it is short.
OLD, NEW = ("gameplay-60fps", 2), ("gameplay-60fps", 1)


def gets(seen: Seen) -> bool:
    return seen.method == "GET" and BAD in seen.path and "list-type" not in seen.path


def puts(key: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == "PUT" and key in seen.path


class Bench:
    """Two buckets behind a proxy, and the steps with the real decoder process."""

    def __init__(self, server: S3Server, proxy: S3Proxy, reader: DecodeChild) -> None:
        self.server, self.proxy, self.reader = server, proxy, reader
        server.create_bucket("tars")
        server.create_bucket("out")
        server.fill("tars", {key: sample_tar(kind) for key, kind in GOOD.items()})
        self.put(*OLD)
        self.connection = {"s3_endpoint_url": proxy.endpoint_url, "s3_attempts": 2}
        self.target = open_store("s3://out")

    def put(self, kind: str, seed: int) -> None:
        """Put the bad TAR, bypassing the proxy."""
        self.server.fill("tars", {BAD: sample_tar(kind, seed=seed)})

    def extract(self, **flags: Any) -> Report:
        places = {"source_bucket": "s3://tars", "manifest_bucket": "s3://out", "workers": 1}
        settings = ExtractSettings(**places, **self.connection, **flags)
        made = lambda _settings: lambda _device: self.reader  # noqa: E731
        return extract.run_with(settings, MemoryStageRun(), make_extract=made, make_pool=InlinePool)

    def heal(self) -> None:
        """Clear all faults; check that the next run reads only what is missing."""
        self.proxy.clear()
        report = self.extract()
        assert (report.exit_code, report.counts.get("failed", 0)) == (0, 0)
        assert report.counts["extracted"] + report.counts["done_before"] == 3
        assert self.codes() == dict.fromkeys([*GOOD, BAD])
        where = {"manifest_bucket": "s3://out"}
        assert verify.run(VerifySettings(**where, **self.connection), MemoryStageRun()).exit_code == 0
        built = manifest.build(self.target, ManifestSettings(**where, **self.connection), MemoryStageRun())
        assert built.table["s3_key"].to_pylist() == sorted([*GOOD, BAD])
        assert built.table["error_code"].null_count == 3

    def codes(self) -> dict[str, str | None]:
        rows = read_parts(self.target).to_pylist()
        return {row["s3_key"]: row["error_code"] for row in rows}

    def frames(self) -> np.ndarray:
        """Return the stored frames of the bad TAR."""
        return loads(self.target.read(BAD.replace(".tar", ".pt"))).sampled_frames["stride-3_chw"]


@pytest.fixture(scope="module")
def reader() -> Iterator[DecodeChild]:
    with DecodeChild() as child:
        yield child


@pytest.fixture
def bench(s3_server: S3Server, reader: DecodeChild, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(_s3_client, "pause", lambda _seconds, _stop: None)
    with S3Proxy(s3_server.endpoint_url) as proxy:
        yield Bench(s3_server, proxy, reader)
        close_stores()


@pytest.fixture(scope="module")
def truth() -> dict[tuple[str, int], np.ndarray]:
    """Return the frames of the old and the new content, each read undisturbed."""
    from jobs.gamedata.model import SamplingSpec
    from jobs.gamedata.ranges.source import BytesSource
    from jobs.gamedata.session.decode import extract_session

    found = {}
    for kind, seed in (OLD, NEW):
        store = extract_session(BytesSource(sample_tar(kind, seed=seed)), SamplingSpec()).frames
        found[kind, seed] = store.images[store.strides[3.0].index]
    assert not np.array_equal(found[OLD], found[NEW])
    assert len(sample_tar(OLD[0], seed=OLD[1])) < len(sample_tar(NEW[0], seed=NEW[1]))
    return found


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"reply": SLOW_DOWN}, "store_unavailable", "SlowDown"),
        ({"reply": error(500, "InternalError")}, "store_unavailable", "InternalError"),
        ({"reply": Reply(hang=True)}, "store_unavailable", "sent nothing for 0.5 s"),
        ({"reply": Reply(drop=True)}, "store_unavailable", "failed during"),
        ({"cut": 100}, "store_unavailable", "failed during"),
    ],
    ids=["throttles", "fails", "hangs", "drops", "cuts"],
)
def test_a_tar_that_cannot_be_fetched(bench: Bench, fault: dict, code: str, words: str):
    bench.proxy.rule(gets, **fault)
    report = bench.extract(**({"s3_read_timeout_s": 0.5} if "sent nothing" in words else {}))
    assert (report.exit_code, report.status, report.rejects) == (0, "partial", {code: 1})
    assert bench.codes() == {**dict.fromkeys(GOOD), BAD: code}
    (failure,) = report.failures
    assert failure.retryable
    assert words in failure.message
    assert "2 attempts" in failure.message
    assert not list(bench.target.list("bad"))
    bench.heal()


@pytest.mark.parametrize("fault", [{"reply": SLOW_DOWN}, {"reply": Reply(drop=True)}, {"cut": 100}])
def test_a_transient_fault_is_retried(bench: Bench, fault: dict):
    bench.proxy.rule(gets, times=1, **fault)
    bench.proxy.rule(puts("bad.pt"), reply=SLOW_DOWN, times=1)
    bench.proxy.rule(puts("_stats/"), reply=Reply(drop=True), times=1)
    report = bench.extract()
    assert (report.exit_code, report.status) == (0, "success")
    bench.heal()


def test_when_no_tar_can_be_read_a_retry_may_help(bench: Bench):
    bench.proxy.rule(lambda seen: seen.method == "GET" and ".tar" in seen.path, SLOW_DOWN)
    report = bench.extract()
    assert (report.exit_code, report.status, report.rejects) == (75, "failed", {"store_unavailable": 3})
    bench.heal()


def test_a_pt_file_that_cannot_be_put(bench: Bench):
    bench.proxy.rule(puts("bad.pt"), SLOW_DOWN)
    report = bench.extract()
    assert (report.exit_code, report.rejects) == (0, {"store_unavailable": 1})
    assert bench.codes() == {**dict.fromkeys(GOOD), BAD: "store_unavailable"}
    bench.heal()


def test_a_part_that_cannot_be_put_ends_the_run(bench: Bench):
    bench.proxy.rule(puts("_stats/"), SLOW_DOWN)
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        bench.extract()
    assert list_parts(bench.target) == []
    bench.heal()


@pytest.mark.parametrize("bucket", ["tars", "out"])
def test_a_listing_that_fails_ends_the_run(bench: Bench, bucket: str):
    bench.proxy.rule(lambda seen: seen.path.startswith(f"/{bucket}") and "list-type" in seen.path, SLOW_DOWN)
    with pytest.raises(StoreUnavailable, match=f"s3:ListBucket of s3://{bucket}"):
        bench.extract()
    bench.heal()


@pytest.mark.parametrize("conditions", [True, False], ids=["conditions", "no conditions"])
def test_an_object_that_changes_between_two_reads(bench: Bench, truth: dict, conditions: bool):
    if not conditions:
        bench.proxy.ignored.add("if-match")
    counted: list[Seen] = []
    bench.proxy.rule(gets, hook=counted.append)
    bench.extract(prefix=BAD)
    np.testing.assert_array_equal(bench.frames(), truth[OLD])
    assert len(counted) > 3, "headers, index, packets"
    for number in range(len(counted)):
        bench.proxy.clear()
        for info in list(bench.target.list()):
            bench.target.delete(info.key)
        bench.put(*OLD)
        bench.proxy.rule(gets, times=number)
        bench.proxy.rule(gets, hook=lambda _: bench.put(*NEW), times=1)
        # Without the other TARs, which would be read again each time.
        report = bench.extract(prefix=BAD)
        assert report.rejects == {"tar_changed": 1}, f"changed before read {number}"
        assert report.failures[0].retryable
        assert not list(bench.target.list("bad")), "no frames of two contents"
    # Whichever read it was, this is what it left.
    bench.proxy.clear()
    assert bench.extract(prefix=BAD).counts["extracted"] == 1
    np.testing.assert_array_equal(bench.frames(), truth[NEW])
    bench.heal()


def test_an_object_that_is_gone_for_a_moment(bench: Bench):
    bench.proxy.rule(gets, error(404, "NoSuchKey"))
    report = bench.extract()
    assert report.rejects == {"tar_missing": 1}
    bench.heal()
