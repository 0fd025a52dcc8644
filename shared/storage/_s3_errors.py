"""What S3 and its SDK raise, as our typed errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from shared.errors import (
    AccessDenied,
    BucketMissing,
    ConfigurationError,
    DataError,
    EndpointUnreachable,
    ObjectChanged,
    ObjectMissing,
    StorageFull,
    StoreUnavailable,
    TelecineError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings.storage import S3Options

__all__ = ["Cut", "Request", "code_of", "etag_of", "is_transient", "retry_after", "status_of", "typed"]

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; 5xx are transient whatever their code.
_TRANSIENT_CODES: Final = {
    "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "TooManyRequestsException",
    "BandwidthLimitExceeded", "RequestLimitExceeded", "InternalError", "ServiceUnavailable", "OperationAborted",
    "BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch",
}  # fmt: skip
_FULL_CODES: Final = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"}
_KEY_CODES: Final = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
}
_REGION_CODES: Final = {
    "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
}  # fmt: skip
_TRANSIENT: Final = (
    sdk.ConnectionError, sdk.HTTPClientError, sdk.ConnectionClosedError, sdk.ReadTimeoutError,
    sdk.ResponseStreamingError, sdk.IncompleteReadError, sdk.MetadataRetrievalError, ResponseParserError,
)  # fmt: skip
_UNCONNECTED: Final = (sdk.EndpointConnectionError, sdk.ConnectTimeoutError, sdk.ProxyConnectionError)
_NO_CREDENTIALS: Final = (
    sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError, sdk.ProfileNotFound,
    sdk.ConfigParseError, sdk.ConfigNotFound, sdk.TokenRetrievalError, sdk.SSOError, sdk.LoginError,
    sdk.UnknownCredentialError, sdk.InfiniteLoopConfigError, sdk.InvalidConfigError,
)  # fmt: skip
_HOW_TO_LOG_IN: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; in a pod, give its service account a role (IRSA) "
    "or the chart an existingSecret"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, for messages.

    Attributes:
        action: the right it needs, such as ``s3:GetObject``.
        bucket: the bucket's name.
        key: the whole key, or the prefix of a listing.
        etag: the version asked for.
    """

    action: str
    bucket: str
    key: str
    etag: str | None = None

    @property
    def uri(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


class Cut(Exception):
    """An answer is not whole: a body shorter than its header said, no ETag."""


def etag_of(answer: Mapping[str, Any], request: Request) -> str:
    """Return the ETag of an answer, without quotes.

    Raises:
        Cut: it has none; a proxy's login page, say, is an answer with status 200 too.
    """
    etag = str(answer.get("ETag", "")).strip('"')
    if not etag:
        raise Cut(f"the answer for {request.uri} has no ETag; is this an S3 server?")
    return etag


def code_of(error: BaseException) -> str:
    """Return S3's error code; a HEAD has no body, and its code is the bare status such as ``404``."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, sdk.ClientError) else ""


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an answer that is an error, 0 where there was no answer."""
    if not isinstance(error, sdk.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def retry_after(error: BaseException) -> float:
    """Return the seconds that the server asks to wait, 0.0 where it asks for none."""
    if not isinstance(error, sdk.ClientError):
        return 0.0
    value = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0  # the other form, a date, is rare and not worth a parser


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help."""
    if isinstance(error, Cut):
        return True
    if isinstance(error, sdk.ClientError):
        if code_of(error) in _FULL_CODES or status_of(error) in (501, 507):
            return False
        return status_of(error) >= 500 or status_of(error) == 429 or code_of(error) in _TRANSIENT_CODES  # noqa: PLR2004
    return isinstance(error, _TRANSIENT) and not _is_bad_certificate(error)


def _is_bad_certificate(error: BaseException) -> bool:
    return isinstance(error, sdk.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def typed(error: Exception, request: Request, options: S3Options, attempts: int) -> TelecineError:  # noqa: PLR0911
    """Turn an SDK error into ours.

    Args:
        error: what the last attempt raised.
        request: what was asked.
        options: the endpoint and the timeouts, for the message.
        attempts: how often it was tried.
    """
    if isinstance(error, sdk.ClientError):
        return _answered(error, request, options, attempts)
    where = options.endpoint_url or "AWS"
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    if isinstance(error, _NO_CREDENTIALS):
        return ConfigurationError(
            f"no usable credentials for {request.uri} at {where}: {error}; {_HOW_TO_LOG_IN}", bucket=request.bucket
        )
    if _is_bad_certificate(error):
        message = f"the certificate of {where} is not trusted: {error}; name its authority's file in AWS_CA_BUNDLE"
        return ConfigurationError(message, endpoint=where)
    if isinstance(error, _UNCONNECTED):
        return EndpointUnreachable(
            f"no connection to {where} for {request.uri}{tries}: {error}; is it up, and is --s3-endpoint-url "
            "(AWS_ENDPOINT_URL_S3) right?",
            endpoint=where,
            uri=request.uri,
        )
    if isinstance(error, sdk.ReadTimeoutError):
        message = f"{where} was silent for {options.read_timeout_s:g} s at {request.action} of {request.uri}{tries}"
        return StoreUnavailable(message, uri=request.uri, action=request.action)
    if isinstance(error, (*_TRANSIENT, Cut)):
        message = f"{where} broke off at {request.action} of {request.uri}{tries}: {error}"
        return StoreUnavailable(message, uri=request.uri, action=request.action)
    # What is left are settings that the SDK refuses: an endpoint without a host, an unknown region.
    return ConfigurationError(f"cannot reach {request.uri} at {where}: {error}", bucket=request.bucket)


def _answered(error: sdk.ClientError, request: Request, options: S3Options, attempts: int) -> TelecineError:
    """Type an answer about the object, or one that trying again may change."""
    code, status = code_of(error), status_of(error)
    said = f"{code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
    where = options.endpoint_url or "AWS"
    about: dict[str, Any] = {"bucket": request.bucket, "action": request.action, "uri": request.uri}
    if status == 404 or code in ("NoSuchKey", "NoSuchBucket"):  # noqa: PLR2004
        if code == "NoSuchBucket":
            message = f"no bucket {request.bucket} at {where}; create it, or name another one"
            return BucketMissing(message, bucket=request.bucket)
        return ObjectMissing(f"no object {request.uri} at {where}", uri=request.uri)
    if status == 412 or code == "PreconditionFailed":  # noqa: PLR2004
        message = f"{request.uri} changed: its ETag is not {request.etag} any more; read it anew"
        return ObjectChanged(message, uri=request.uri, expected=request.etag, found=None)
    if code in _FULL_CODES or status == 507:  # noqa: PLR2004
        return StorageFull(f"no space for {request.uri} at {where} ({said}); free space, or raise the quota", **about)
    if is_transient(error):
        message = f"{where} refused {request.action} of {request.uri} for now ({said}), {attempts} attempts"
        return StoreUnavailable(message, **about)
    return _refused(error, request, where, said)


def _refused(error: sdk.ClientError, request: Request, where: str, said: str) -> TelecineError:  # noqa: PLR0911
    """Type an answer that only a person can change: region, credentials, clock, rights."""
    code, status = code_of(error), status_of(error)
    about: dict[str, Any] = {"bucket": request.bucket, "action": request.action, "uri": request.uri}
    if error.operation_name.startswith(("AssumeRole", "GetRoleCredentials", "GetSessionToken")):
        message = f"{error.operation_name} gives no credentials for bucket {request.bucket} ({said}); {_HOW_TO_LOG_IN}"
        return ConfigurationError(message, **about)
    if code in _REGION_CODES or status in (301, 307):
        region = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
        hint = f"it is in {region}" if region else f"the server says {said}"
        message = f"wrong region or endpoint for bucket {request.bucket}: {hint}; set --s3-region (AWS_REGION)"
        return ConfigurationError(message, **about)
    if code in _KEY_CODES:
        message = f"{where} does not accept the credentials for bucket {request.bucket} ({said}); {_HOW_TO_LOG_IN}"
        return AccessDenied(message, **about)
    if code == "RequestTimeTooSkewed":
        message = f"{where} refuses requests because this machine's clock is wrong ({said}); set it"
        return ConfigurationError(message, **about)
    if status in (401, 403):
        unlisted = (
            " (or the key is not there: without s3:ListBucket a missing key looks the same)"
            if request.action == "s3:GetObject"
            else ""
        )
        message = f"access denied: {request.action} on {request.uri} ({said}){unlisted}; allow it to these credentials"
        return AccessDenied(message, **about)
    if code in ("EntityTooLarge", "KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName"):
        return DataError(f"{where} does not take {request.uri} ({said})", code="key_invalid", **about)
    message = f"{where} does not take {request.action} of {request.uri} ({status} {said}); check the S3 settings"
    return ConfigurationError(message, **about)
