"""Objects that the store permanently refuses: one rejects its run, all of them end the ingest."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from jobs.screenalytics.settings import ReplaySettings, VerifySettings
from jobs.screenalytics.steps import replay, verify
from shared.errors import AccessDenied, RequestRefused
from shared.storage import _s3_client, close_stores
from tests.emptied_database import database  # noqa: F401
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.s3_faults import Reply, error
from tests.fakes.s3_proxy import S3Proxy
from tests.postgres_server import postgres  # noqa: F401
from tests.s3_server import s3_process, s3_server  # noqa: F401
from tests.screenalytics_bucket import ProxiedBucket
from tests.screenalytics_database import codes, place  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres_server import Database
    from tests.s3_server import S3Server

pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.slow]

REFUSALS = {
    "invalid request": error(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption."),
    "a disabled KMS key": error(400, "KMS.DisabledException"),
    "a deleted KMS key": error(400, "KMSInvalidStateException"),
    "a customer's key": error(400, "InvalidArgument", "SSE-C"),
    "archived": error(403, "InvalidObjectState"),
    "method": error(405, "MethodNotAllowed"),
    "conflict": error(409, "InvalidBucketState"),
    "condition": error(412, "PreconditionFailed"),
    "range": error(416, "InvalidRange"),
    "not implemented": error(501, "NotImplemented"),
    "a proxy's page": Reply(400, b"<html>no</html>"),
}


def word(name: str) -> str:
    """Return a refusal's name as part of a run id."""
    return re.sub(r"\W+", "-", name)


class Bucket(ProxiedBucket):
    """A bucket behind a proxy that refuses the requests a test chooses."""

    def tell(self, *runs: str) -> None:
        for run_id in runs:
            self.database.rows(
                "INSERT INTO screenalytics.outbox_events (event_id, event_type, aggregate_id, payload_json)"
                " VALUES (gen_random_uuid(), 'screenalytics.run.completed', %s, '{}')",
                run_id,
            )

    def refuse(self, part: str, reply: Reply) -> None:
        """Answer requests for objects whose key contains a text.

        A HEAD response has no body. S3 answers HEAD requests for archived objects.
        """

        def holds(method: str):
            return lambda seen: seen.method == method and part in seen.path and "list-type" not in seen.path

        self.proxy.rule(holds("GET"), reply)
        if reply is not REFUSALS["archived"]:
            self.proxy.rule(holds("HEAD"), Reply(reply.status))

    def runs(self) -> list[str]:
        return [run for (run,) in self.database.rows("SELECT run_id FROM screenalytics.runs ORDER BY 1")]

    def items(self) -> list[tuple[str, str, int, str]]:
        return self.database.rows("SELECT run_id, state, attempts, code FROM screenalytics.ingest_items ORDER BY 1")


@pytest.fixture
def bucket(s3_server: S3Server, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(_s3_client, "pause", lambda _seconds, _stop: None)
    with S3Proxy(s3_server.endpoint_url) as proxy:
        yield Bucket(s3_server, proxy, database)
        close_stores()


@pytest.mark.parametrize(
    ("arrival", "names"),
    [("poll", [*REFUSALS]), ("events", ["invalid request", "archived"]), ("both", ["invalid request", "archived"])],
    ids=["poll", "events", "both"],
)
def test_a_refused_object_rejects_its_run_alone_which_is_finally_set_aside(bucket, arrival, names):
    bad = [f"bad-{name}-{part}" for part in ("manifest", "analytics") for name in map(word, names)]
    every = ["a-good", *sorted(bad), "z-good"]
    bucket.put(*every)
    for name in names:
        bucket.refuse(f"bad-{word(name)}-manifest/manifest.json", REFUSALS[name])
        bucket.refuse(f"bad-{word(name)}-analytics/analytics", REFUSALS[name])
    if arrival != "poll":
        bucket.tell(*every)
    for _ in range(2):
        report = bucket.ingest(arrival=arrival, max_attempts=2)
        assert sorted(codes(report)) == [(run, "OBJECT_REFUSED") for run in sorted(bad)]
        assert report.exit_code == 65
        assert bucket.runs() == ["a-good", "z-good"]
    assert {(run, "dead", 2, "OBJECT_REFUSED") for run in bad} <= set(bucket.items())
    assert bucket.ingest(arrival=arrival, max_attempts=2).exit_code == 0
    # Follow the advice of the last message: replay it.
    bucket.proxy.clear()
    for run in bad:
        assert replay.run(ReplaySettings(**bucket.values, run=run), MemoryStageRun()).counts["ingested"] == 1
    assert sorted(bucket.runs()) == sorted(every)


def test_another_object_distinguishes_a_single_refused_manifest_from_a_refused_bucket(bucket):
    bucket.put("BAD")
    bucket.refuse("BAD/manifest.json", REFUSALS["a disabled KMS key"])
    report = bucket.ingest()
    assert (codes(report), report.exit_code) == ([("BAD", "OBJECT_REFUSED")], 65)
    assert "enable the object's KMS key" in report.failures[0].message


@pytest.mark.parametrize("arrival", ["poll", "events", "both"])
def test_a_bucket_that_refuses_every_object_ends_the_ingest_and_counts_against_no_run(bucket, arrival):
    bucket.put("r1", "r2", "r3")
    bucket.tell("r1", "r2", "r3")
    bucket.refuse("/derived/", REFUSALS["a disabled KMS key"])
    with pytest.raises(RequestRefused, match=r"KMS|400") as caught:
        bucket.ingest(arrival=arrival)
    assert caught.value.exit_code == 78
    assert (bucket.runs(), bucket.items()) == ([], [])


@pytest.mark.parametrize("arrival", ["poll", "events"])
def test_a_bucket_that_refuses_every_object_from_now_on_ends_the_ingest(bucket, arrival):
    bucket.put("r1", "r2")
    bucket.ingest()
    bucket.put("r3")
    bucket.tell("r3")
    bucket.refuse("/derived/", REFUSALS["invalid request"])
    with pytest.raises(RequestRefused):
        bucket.ingest(arrival=arrival)
    assert [item[0] for item in bucket.items()] == ["r1", "r2"]


def test_refused_objects_are_findings_of_verify(bucket):
    bucket.put("r1", "r2", "r3")
    bucket.ingest()
    bucket.refuse("r1/manifest.json", REFUSALS["archived"])
    bucket.refuse("r2/analytics", REFUSALS["archived"])
    report = verify.run(VerifySettings(**bucket.values), MemoryStageRun())
    assert ({failure.item for failure in report.failures}, report.exit_code) == ({"r1", "r2"}, 65)
    assert all("is archived: restore it" in failure.message for failure in report.failures)


def test_403_of_every_manifest_is_about_the_credentials_even_if_other_objects_are_readable(place):
    for number in range(3):
        place.store.fail("stream", AccessDenied("no"), key=place.put(f"r{number}"), times=float("inf"))
    with pytest.raises(AccessDenied):
        place.ingest()
    assert place.item("r0") is None


def test_more_refused_manifests_than_are_held_back_are_rejected_if_another_object_is_readable(place):
    for number in range(30):
        place.store.fail("stream", RequestRefused("no"), key=place.put(f"r{number:02}"), times=float("inf"))
    report = place.ingest()
    assert report.rejects == {"OBJECT_REFUSED": 30}


def test_a_proxy_that_refuses_every_head_request_blocks_no_event(bucket):
    bucket.put("r1")
    bucket.tell("r1")
    bucket.proxy.rule(lambda seen: seen.method == "HEAD", Reply(405))
    assert bucket.ingest(arrival="events").exit_code == 0
    assert bucket.runs() == ["r1"]


def test_412_for_a_matching_etag_is_a_refusal_not_a_change(bucket):
    bucket.put("a-good", "BAD", "z-good")
    bucket.proxy.rule(
        lambda seen: seen.method == "GET" and "BAD/manifest.json" in seen.path and "if-match" in seen.headers,
        REFUSALS["condition"],
    )
    report = bucket.ingest()
    assert (codes(report), report.exit_code) == ([("BAD", "OBJECT_REFUSED")], 65)
    assert "answers 412 (Precondition Failed)" in report.failures[0].message
    assert bucket.runs() == ["a-good", "z-good"]
