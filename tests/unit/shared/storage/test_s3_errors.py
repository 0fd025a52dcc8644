from __future__ import annotations

import pytest
from botocore import exceptions as sdk

from shared.errors import (
    AccessDenied,
    ConfigurationError,
    DataError,
    EndpointUnreachable,
    RequestRefused,
    StorageFull,
    StoreUnavailable,
)
from shared.settings.storage import S3Options
from shared.storage._s3_errors import Cut, Request, etag_of, is_transient, retry_after, typed

REQUEST = Request("s3:PutObject", "bucket", "a/k")


def answer(status: int, code: str, operation: str = "PutObject", **headers: str) -> sdk.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return sdk.ClientError({"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": metadata}, operation)


@pytest.mark.parametrize(
    ("error", "transient", "kind", "words"),
    [
        (answer(503, "SlowDown"), True, StoreUnavailable, "after 3 attempts (SlowDown: words)"),
        (answer(500, "Whatever"), True, StoreUnavailable, "500|Whatever"),
        (answer(400, "RequestTimeout"), True, StoreUnavailable, "RequestTimeout"),
        (answer(400, "BadDigest"), True, StoreUnavailable, "BadDigest"),
        (answer(501, "NotImplemented"), False, RequestRefused, "501 NotImplemented: words"),
        (answer(400, "InvalidRequest"), False, RequestRefused, "check the object's encryption"),
        (answer(400, "KMS.DisabledException"), False, RequestRefused, "enable the object's KMS key"),
        (answer(403, "InvalidObjectState"), False, RequestRefused, "the object is archived: restore it"),
        (answer(405, "MethodNotAllowed"), False, RequestRefused, "405 MethodNotAllowed"),
        (answer(409, "InvalidBucketState"), False, RequestRefused, "409 InvalidBucketState"),
        (answer(412, "PreconditionFailed"), False, RequestRefused, "412 PreconditionFailed"),
        (answer(416, "InvalidRange"), False, RequestRefused, "416 InvalidRange"),
        (answer(507, ""), False, StorageFull, "no space for s3://bucket/a/k"),
        (answer(403, "403", "HeadObject"), False, AccessDenied, "s3:PutObject on s3://bucket/a/k"),
        (answer(401, "Unauthorized"), False, AccessDenied, "access denied"),
        (answer(403, "AccessDenied", "AssumeRoleWithWebIdentity"), False, ConfigurationError, "no credentials"),
        (answer(400, "EntityTooLarge"), False, DataError, "does not accept the key s3://bucket/a/k"),
        (answer(301, "301", **{"x-amz-bucket-region": "eu-9"}), False, ConfigurationError, "it is in eu-9"),
        (sdk.EndpointConnectionError(endpoint_url="http://x"), True, EndpointUnreachable, "(3 attempts)"),
        (sdk.ConnectTimeoutError(endpoint_url="http://x"), True, EndpointUnreachable, "check that it is running"),
        (sdk.ReadTimeoutError(endpoint_url="http://x"), True, StoreUnavailable, "sent nothing for 30 s"),
        (sdk.ConnectionClosedError(endpoint_url="http://x"), True, StoreUnavailable, "failed during"),
        (sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), True, StoreUnavailable, "failed during"),
        (Cut("1 of 2 bytes"), True, StoreUnavailable, "1 of 2 bytes"),
        (sdk.SSLError(endpoint_url="http://x", error="EOF"), True, StoreUnavailable, "failed during"),
        (sdk.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), False, ConfigurationError, "AWS_CA_BUNDLE"),
        (sdk.NoCredentialsError(), False, ConfigurationError, "AWS_ACCESS_KEY_ID"),
        (sdk.PartialCredentialsError(provider="env", cred_var="x"), False, ConfigurationError, "AWS_SECRET_ACCESS_KEY"),
        (sdk.ProfileNotFound(profile="absent"), False, ConfigurationError, "absent"),
        (sdk.ParamValidationError(report="bad bucket"), False, ConfigurationError, "bad bucket"),
    ],
)  # fmt: skip
def test_what_the_sdk_raises_is_typed(error, transient, kind, words):
    assert is_transient(error) is transient
    found = typed(error, REQUEST, S3Options(), 3)
    assert type(found) is kind
    assert any(word in str(found) for word in words.split("|"))
    assert found.retryable is (found.exit_code == 75)


def test_only_a_get_may_mean_a_missing_key():
    denied = answer(403, "AccessDenied")
    assert "without s3:ListBucket" in str(typed(denied, Request("s3:GetObject", "b", "k"), S3Options(), 1))
    assert "without s3:ListBucket" not in str(typed(denied, REQUEST, S3Options(), 1))


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-3", 0)])
def test_retry_after_is_seconds(value, seconds):
    assert retry_after(answer(503, "SlowDown", **{"retry-after": value})) == seconds
    assert retry_after(Cut()) == 0


def test_an_answer_without_an_etag_is_not_whole():
    assert etag_of({"ETag": '"abc"'}, REQUEST) == "abc"
    for answered in ({}, {"ETag": ""}, {"ETag": '""'}):
        with pytest.raises(Cut, match="is this an S3 server"):
            etag_of(answered, REQUEST)


@pytest.mark.parametrize(
    "error", [sdk.NoCredentialsError(), answer(404, "NoSuchBucket", "ListObjectsV2"), answer(403, "AccessDenied")]
)
def test_a_folder_of_the_buckets_name_is_suggested(error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "./bucket" not in typed(error, REQUEST, S3Options(), 1).message
    (tmp_path / "bucket").write_text("a file")
    assert "./bucket" not in typed(error, REQUEST, S3Options(), 1).message
    (tmp_path / "bucket").unlink()
    (tmp_path / "bucket").mkdir()
    assert typed(error, REQUEST, S3Options(), 1).message.endswith("; for the folder bucket here, use ./bucket")
