"""Stores against servers that refuse, throttle, hang, lie and cut."""

from __future__ import annotations

import io
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import (
    AccessDenied,
    BucketMissing,
    ConfigurationError,
    EndpointUnreachable,
    ObjectChanged,
    ObjectMissing,
    RequestRefused,
    Stopped,
    StorageFull,
    StoreUnavailable,
)
from shared.settings.storage import StorageSettings
from shared.storage import _s3_client, _s3_upload, close_stores, open_store
from tests.fakes.s3_faults import FaultyS3, Reply, error
from tests.s3_server import fake_credentials, s3_process, s3_server  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.storage import S3Store

pytestmark = pytest.mark.xdist_group("s3")

SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate.")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which tests do not wait for."""
    found: list[float] = []
    monkeypatch.setattr(_s3_client, "pause", lambda seconds, _stop: found.append(seconds))
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[FaultyS3]:
    fake_credentials(monkeypatch, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    with FaultyS3() as running:
        yield running
        close_stores()


def connect(server: FaultyS3, **settings: Any) -> S3Store:
    return open_store("s3://bucket", StorageSettings(s3_endpoint_url=server.endpoint_url, **settings))


def test_throttling_is_waited_out(server, waits):
    server.serve(b"content")
    server.script = [SLOW_DOWN, error(500, "InternalError"), Reply(429), SLOW_DOWN]
    store = connect(server)
    assert store.read("k") == b"content"
    assert store.metrics.snapshot()["retries"] == 4
    assert store.metrics.snapshot()["calls"] == 1
    assert all(0 <= wait <= limit for wait, limit in zip(waits, (0.4, 0.8, 1.6, 3.2), strict=True))
    assert len(set(waits)) == 4, "jitter"


def test_throttling_without_end_is_an_error_that_says_how_often_it_was_tried(server):
    server.default = SLOW_DOWN
    store = connect(server, s3_attempts=3)
    with pytest.raises(StoreUnavailable, match=r"3 attempts .SlowDown: Please reduce") as caught:
        store.read("a/k")
    assert len(server.requests) == 3
    assert caught.value.exit_code == 75
    assert caught.value.retryable
    assert store.metrics.snapshot()["errors"] == 1


def test_the_server_may_ask_for_a_longer_wait_up_to_a_limit(server, waits):
    server.serve(b"content")
    server.script = [error(503, "SlowDown", **{"Retry-After": "7"}), error(503, "SlowDown", **{"Retry-After": "9999"})]
    connect(server).read("k")
    assert waits == [7, 20]


@pytest.mark.parametrize("cut", [0, 1, 6])
def test_a_body_cut_short_is_read_anew(server, cut):
    server.serve(b"content")
    server.script = [Reply(200, b"content", {"ETag": '"e1"'}, cut=cut)]
    store = connect(server)
    assert store.read("k") == b"content"
    assert store.metrics.snapshot()["retries"] == 1
    assert store.metrics.snapshot()["bytes_read"] == 7


def test_bodies_cut_for_ever_are_an_error(server):
    server.default = Reply(200, b"content", {"ETag": '"e1"'}, cut=3)
    with pytest.raises(StoreUnavailable, match=r"failed during s3:GetObject of s3://bucket/k \(2 attempts\)"):
        connect(server, s3_attempts=2).read("k")
    with pytest.raises(StoreUnavailable):
        b"".join(connect(server, s3_attempts=2).stream("k"))


def test_a_stream_goes_on_where_it_was_cut_at_the_same_version(server):
    content = bytes(range(256)) * 40
    server.serve(content)
    server.script = [
        Reply(200, content, {"ETag": '"e1"'}, cut=3500),
        SLOW_DOWN,
        Reply(206, content[3000:], {"ETag": '"e1"'}, cut=2500),
    ]
    store = connect(server, s3_attempts=3)
    assert b"".join(store.stream("k", chunk_size=1000)) == content
    assert [seen.headers.get("range") for seen in server.requests] == [
        None,
        "bytes=3000-",
        "bytes=3000-",
        "bytes=5000-",
    ]
    assert [seen.headers.get("if-match") for seen in server.requests] == [None, '"e1"', '"e1"', '"e1"']


def test_a_stream_does_not_mix_two_versions(server):
    server.script = [
        Reply(200, bytes(5000), {"ETag": '"e1"'}, cut=2500),
        error(412, "PreconditionFailed"),
    ]
    with pytest.raises(ObjectChanged, match="its ETag is no longer e1"):
        list(connect(server).stream("k", chunk_size=1000))


def test_a_server_that_ignores_conditions_is_found_out(server):
    server.serve(b"content", etag="new")
    for read in (lambda: connect(server).read("k", etag="old"), lambda: list(connect(server).stream("k", etag="old"))):
        with pytest.raises(ObjectChanged, match="its ETag is new, not old") as caught:
            read()
        assert caught.value.data["found"] == "new"


def test_a_server_without_ranges_still_gives_the_right_bytes(server):
    server.default = Reply(200, b"0123456789", {"ETag": '"e1"'})
    store = connect(server)
    assert store.read("k", offset=2, length=3) == b"234"
    assert store.read("k", offset=8) == b"89"
    server.script = [Reply(200, b"0123456789", {"ETag": '"e1"'}, cut=5)]
    assert b"".join(store.stream("k", chunk_size=2)) == b"0123456789"


def test_a_silent_server_is_given_up(server):
    server.default = Reply(hang=True)
    with pytest.raises(StoreUnavailable, match=r"sent nothing for 0\.1 s during s3:GetObject .*2 attempts"):
        connect(server, s3_read_timeout_s=0.1, s3_attempts=2).read("k")


def test_a_connection_closed_without_an_answer_is_tried_again(server):
    server.serve(b"content")
    server.script = [Reply(drop=True), Reply(drop=True)]
    assert connect(server).read("k") == b"content"


def test_an_unreachable_endpoint(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        store = open_store("s3://bucket", StorageSettings(s3_endpoint_url=url, s3_attempts=2))
        with pytest.raises(EndpointUnreachable, match=r"no connection to http://127.*--s3-endpoint-url") as caught:
            list(store.list())
    assert caught.value.exit_code == 75
    assert caught.value.data["endpoint"] == url


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("s3:ListBucket", lambda store: list(store.list("p/"))),
        ("s3:GetObject", lambda store: store.read("p/k")),
        ("s3:GetObject", lambda store: store.stat("p/k")),
        ("s3:GetObject", lambda store: store.read_ranges("p/k", [(0, 1), (5, 1)])),
        ("s3:GetObject", lambda store: list(store.stream("p/k"))),
        ("s3:PutObject", lambda store: store.put("p/k", b"x")),
        ("s3:DeleteObject", lambda store: store.delete("p/k")),
    ],
)
def test_refusals_name_bucket_and_action_and_are_not_repeated(server, action, call):
    server.default = error(403, "AccessDenied", "Access Denied")
    with pytest.raises(AccessDenied, match=rf"{action} on s3://bucket/p/k?") as caught:
        call(connect(server))
    assert caught.value.data["bucket"] == "bucket"
    assert caught.value.data["action"] == action
    assert caught.value.exit_code == 78
    assert len({seen.path for seen in server.requests}) == len(server.requests) or action == "s3:GetObject"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(403, "InvalidAccessKeyId"), AccessDenied, "does not accept the credentials.*AWS_ACCESS_KEY_ID"),
        (error(403, "SignatureDoesNotMatch"), AccessDenied, "does not accept the credentials"),
        (error(400, "ExpiredToken"), AccessDenied, "does not accept the credentials"),
        (error(403, "RequestTimeTooSkewed"), ConfigurationError, "clock"),
        (error(404, "NoSuchBucket"), BucketMissing, "bucket bucket does not exist at http"),
        (error(404, "NoSuchKey"), ObjectMissing, "object s3://bucket/k does not exist at http"),
        (error(412, "PreconditionFailed"), RequestRefused, "412 PreconditionFailed"),
        (error(507, "XMinioStorageFull"), StorageFull, "no space for s3://bucket/k"),
        (error(403, "QuotaExceeded"), StorageFull, "no space"),
        (error(400, "AuthorizationHeaderMalformed", "expects 'eu-1'"), ConfigurationError, "eu-1.*--s3-region"),
        (
            error(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-9"}),
            ConfigurationError,
            "it is in eu-9",
        ),
        (error(405, "MethodNotAllowed"), RequestRefused, "405 MethodNotAllowed"),
    ],
)
def test_answers_become_typed_errors(server, reply, kind, words):
    server.default = reply
    store = connect(server, s3_attempts=2)
    with pytest.raises(kind, match=words):
        store.read("k")


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"<html>log in<br></html>", b"log in", b""])
def test_a_login_page_is_no_object(server, page):
    server.default = Reply(200, page, {"Content-Type": "text/html"})
    store = connect(server, s3_attempts=2)
    for call in (
        lambda: store.read("k"),
        lambda: store.stat("k"),
        lambda: list(store.list()),
        lambda: store.put("k", b""),
        lambda: list(store.stream("k")),
    ):
        with pytest.raises(StoreUnavailable):
            call()


def test_a_head_without_a_body_still_tells_bucket_from_key(server):
    server.script = [Reply(404), error(404, "NoSuchBucket")]
    with pytest.raises(BucketMissing):
        connect(server).stat("k")
    server.script = [Reply(404), error(403, "AccessDenied")]
    with pytest.raises(ObjectMissing):
        connect(server).stat("k")


def test_missing_credentials_name_what_to_set(server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(
        ConfigurationError, match=r"no usable credentials .*AWS_ACCESS_KEY_ID.*AWS_PROFILE.*IRSA"
    ) as caught:
        connect(server).read("k")
    assert caught.value.exit_code == 78
    close_stores()
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(ConfigurationError, match="absent"):
        connect(server).read("k")
    assert server.requests == []


def test_a_listing_that_stands_still_ends(server):
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    server.default = Reply(
        200, b"<ListBucketResult>" + more + b"</ListBucketResult>", {"Content-Type": "application/xml"}
    )
    with pytest.raises(StoreUnavailable, match="returned no next page"):
        list(connect(server).list())
    assert len(server.requests) == 2


def test_connections_are_reused(server):
    server.serve(bytes(10_000))
    store = connect(server, s3_connections=4)
    for number in range(20):
        assert len(store.read(f"k{number}", offset=5, length=100)) == 100
        assert len(b"".join(store.stream(f"k{number}", chunk_size=3000))) == 10_000
        assert list(store.stream("k", chunk_size=20_000)) == [bytes(10_000)]
    assert server.connections == 1
    store.read_ranges("k", [(start, 10) for start in range(0, 5000, 10)])
    assert server.connections <= 5
    other = open_store("s3://other", StorageSettings(s3_endpoint_url=server.endpoint_url, s3_connections=4))
    other.read("k")
    assert server.connections <= 5, "stores of one endpoint share their connections"
    assert len(server.requests) == 20 * 3 + 500 + 1


def test_one_bad_range_of_many_ends_the_others(server):
    server.default = lambda seen: error(404, "NoSuchKey")
    store = connect(server, s3_connections=2)
    with pytest.raises(ObjectMissing):
        store.read_ranges("k", [(start, 10) for start in range(0, 5000, 10)])
    assert len(server.requests) < 100


def test_a_forked_child_opens_its_own_connections(server):
    server.serve(b"content")
    store = connect(server)
    assert store.read("k") == b"content"
    assert server.connections == 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if store.read("k") == b"content" and len(store.read_ranges("k", [(0, 1), (1, 1)])) == 2 else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections >= 2
    before = server.connections
    assert store.read("k") == b"content"
    assert server.connections == before, "the parent's own connection still works"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Parts of 5 MiB, S3's smallest, and a body of two and a half."""
    monkeypatch.setattr(_s3_upload, "ONE_REQUEST", 6 << 20)
    monkeypatch.setattr(_s3_upload, "_PART", 5 << 20)
    return os.urandom(1 << 20) * 12 + b"end"


@pytest.mark.parametrize("as_file", [True, False])
def test_large_objects_go_up_in_parts(s3_server, small_parts, as_file):  # noqa: F811
    store = open_store(s3_server.create_bucket("bucket"))
    info = store.put("big", io.BytesIO(small_parts) if as_file else memoryview(small_parts))
    assert info.etag.endswith("-3")
    assert info.size == len(small_parts)
    assert store.stat("big").etag == info.etag
    assert store.read("big") == small_parts
    assert store.metrics.snapshot()["bytes_written"] == len(small_parts)


class Broken(io.RawIOBase):
    """Ends with an error after 11 MiB."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._left = 11 << 20

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise self._error
        self._left -= size
        return bytes(size)


@pytest.mark.parametrize("error", [RuntimeError("the source broke"), Stopped(signal.SIGINT)])
def test_a_source_that_breaks_leaves_neither_object_nor_parts(s3_server, small_parts, waits, error):  # noqa: F811
    store = open_store(s3_server.create_bucket("bucket"))
    with pytest.raises(type(error)):
        store.put("big", Broken(error))
    assert list(store.list()) == []
    assert "Uploads" not in s3_server.client.list_multipart_uploads(Bucket="bucket")


def _upload(part: Any, complete: Any, log: list[str]) -> Any:
    def reply(seen: Any) -> Reply:
        if seen.method == "POST" and "uploads" in seen.path:
            return Reply(200, b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
        if seen.method == "POST":
            log.append("complete")
            return complete(len([entry for entry in log if entry == "complete"]))
        if seen.method == "DELETE":
            log.append("abort")
            return Reply(204)
        if seen.method == "HEAD":
            headers = {"ETag": '"abc-3"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            return Reply(200, bytes((12 << 20) + 3), headers)
        return part(seen)

    return reply


def test_a_part_that_fails_for_good_aborts_the_upload(server, small_parts):
    log: list[str] = []
    server.default = _upload(
        lambda seen: SLOW_DOWN if "partNumber=2" in seen.path else Reply(200, headers={"ETag": '"p"'}), None, log
    )
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        connect(server, s3_attempts=2).put("big", small_parts)
    assert log == ["abort"]


def test_an_upload_whose_last_answer_was_lost_is_recognised(server, small_parts):
    log: list[str] = []
    server.default = _upload(
        lambda _seen: Reply(200, headers={"ETag": '"p"'}),
        lambda attempt: Reply(drop=True) if attempt == 1 else error(404, "NoSuchUpload"),
        log,
    )
    info = connect(server).put("big", small_parts)
    assert (info.etag, info.size) == ("abc-3", len(small_parts))
    assert log == ["complete", "complete"]
