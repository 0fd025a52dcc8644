"""Translate the errors of S3 and its SDK to our error types, and tell which are transient (503, throttling, resets)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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
    RequestRefused,
    StorageFull,
    StoreUnavailable,
    TelecineError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings.storage import S3Options

__all__ = ["Cut", "Request", "changed", "code_of", "etag_of", "is_transient", "retry_after", "status_of", "typed"]

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
# The store answers 403 for these, although no right is missing.
_ARCHIVED_CODES: Final = {"InvalidObjectState", "ObjectNotInActiveTierError"}
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
    "or set the chart's existingSecret"
)


@dataclass(frozen=True, slots=True)
class Request:
    """Description of a request, for messages.

    Attributes:
        action: the permission it needs, such as ``s3:GetObject``.
        bucket: the bucket's name.
        key: the whole key, or the prefix of a listing.
        etag: the expected version.
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
    """A response is incomplete: a body shorter than its header says, a missing ETag."""


def etag_of(answer: Mapping[str, Any], request: Request) -> str:
    """Return the ETag of a response, without quotes.

    Raises:
        Cut: the response has none, such as a proxy's login page with status 200.
    """
    etag = str(answer.get("ETag", "")).strip('"')
    if not etag:
        raise Cut(f"the response for {request.uri} has no ETag; is this an S3 server?")
    return etag


def changed(request: Request) -> ObjectChanged:
    """Return the error for an object that no longer meets a condition."""
    message = f"{request.uri} changed: its ETag is no longer {request.etag}; read it again"
    return ObjectChanged(message, uri=request.uri, expected=request.etag, found=None)


def code_of(error: BaseException) -> str:
    """Return S3's error code; a HEAD response has no body, so its code is the bare status such as ``404``."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, sdk.ClientError) else ""


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error response, 0 if there was no response."""
    if not isinstance(error, sdk.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def retry_after(error: BaseException) -> float:
    """Return the seconds that the server asks to wait, or 0.0."""
    if not isinstance(error, sdk.ClientError):
        return 0.0
    value = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0  # the other form, a date, is too rare for a parser


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may succeed."""
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
    """Translate an SDK error to ours.

    Args:
        error: the error of the last attempt.
        request: the failed request.
        options: the endpoint and the timeouts, for the message.
        attempts: number of attempts made.
    """
    if isinstance(error, sdk.ClientError):
        return _answered(error, request, options, attempts)
    where = options.endpoint_url or "AWS"
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    if isinstance(error, _NO_CREDENTIALS):
        return ConfigurationError(
            f"no usable credentials for {request.uri} at {where}: {error}; {_HOW_TO_LOG_IN}{_folder_hint(request)}",
            bucket=request.bucket,
        )
    if _is_bad_certificate(error):
        message = f"the certificate of {where} is not trusted: {error}; set AWS_CA_BUNDLE to its authority's file"
        return ConfigurationError(message, endpoint=where)
    if isinstance(error, _UNCONNECTED):
        return EndpointUnreachable(
            f"no connection to {where} for {request.uri}{tries}: {error}; check that it is running and that "
            "--s3-endpoint-url (AWS_ENDPOINT_URL_S3) is right",
            endpoint=where,
            uri=request.uri,
        )
    if isinstance(error, sdk.ReadTimeoutError):
        message = (
            f"{where} sent nothing for {options.read_timeout_s:g} s during {request.action} of {request.uri}{tries}"
        )
        return StoreUnavailable(message, uri=request.uri, action=request.action)
    if isinstance(error, (*_TRANSIENT, Cut)):
        message = f"{where} failed during {request.action} of {request.uri}{tries}: {error}"
        return StoreUnavailable(message, uri=request.uri, action=request.action)
    # The rest are settings that the SDK rejects: an endpoint without a host, an unknown region.
    return ConfigurationError(f"cannot reach {request.uri} at {where}: {error}", bucket=request.bucket)


def _answered(error: sdk.ClientError, request: Request, options: S3Options, attempts: int) -> TelecineError:
    """Translate a response about the object, or one that a retry may change."""
    code, status = code_of(error), status_of(error)
    reason = f"{code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
    where = options.endpoint_url or "AWS"
    about: dict[str, Any] = {"bucket": request.bucket, "action": request.action, "uri": request.uri}
    if status == 404 or code in ("NoSuchKey", "NoSuchBucket"):  # noqa: PLR2004
        if code == "NoSuchBucket":
            message = (
                f"bucket {request.bucket} does not exist at {where}; create it or use another one"
                f"{_folder_hint(request)}"
            )
            return BucketMissing(message, bucket=request.bucket)
        return ObjectMissing(f"object {request.uri} does not exist at {where}", uri=request.uri)
    # If we sent no condition, 412 does not mean that the object changed.
    if request.etag is not None and (status == 412 or code == "PreconditionFailed"):  # noqa: PLR2004
        return changed(request)
    if code in _FULL_CODES or status == 507:  # noqa: PLR2004
        return StorageFull(f"no space for {request.uri} at {where} ({reason}); free space or raise the quota", **about)
    if is_transient(error):
        message = f"{where} refused {request.action} of {request.uri} after {attempts} attempts ({reason})"
        return StoreUnavailable(message, **about)
    return _refused(error, request, where, reason)


def _refused(error: sdk.ClientError, request: Request, where: str, reason: str) -> TelecineError:  # noqa: PLR0911
    """Translate a response that needs operator action: region, credentials, clock, rights, the object itself."""
    code, status = code_of(error), status_of(error)
    about: dict[str, Any] = {"bucket": request.bucket, "action": request.action, "uri": request.uri}
    if error.operation_name.startswith(("AssumeRole", "GetRoleCredentials", "GetSessionToken")):
        message = (
            f"{error.operation_name} returned no credentials for bucket {request.bucket} ({reason}); {_HOW_TO_LOG_IN}"
        )
        return ConfigurationError(message, **about)
    if code in _REGION_CODES or status in (301, 307):
        region = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
        hint = f"it is in {region}" if region else f"the server says {reason}"
        message = f"wrong region or endpoint for bucket {request.bucket}: {hint}; set --s3-region (AWS_REGION)"
        return ConfigurationError(message, **about)
    if code in _KEY_CODES:
        message = f"{where} does not accept the credentials for bucket {request.bucket} ({reason}); {_HOW_TO_LOG_IN}"
        return AccessDenied(message, **about)
    if code == "RequestTimeTooSkewed":
        message = f"{where} rejects requests because this machine's clock is wrong ({reason}); set the clock"
        return ConfigurationError(message, **about)
    if status in (401, 403) and code not in _ARCHIVED_CODES:
        unlisted = (
            " (or the key does not exist: without s3:ListBucket a missing key looks the same)"
            if request.action == "s3:GetObject"
            else ""
        )
        message = (
            f"access denied: {request.action} on {request.uri} ({reason}){unlisted}; grant it to these credentials"
            f"{_folder_hint(request)}"
        )
        return AccessDenied(message, **about)
    if code in ("EntityTooLarge", "KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName"):
        return DataError(f"{where} does not accept the key {request.uri} ({reason})", code="key_invalid", **about)
    message = f"{where} rejects {request.action} of {request.uri} ({status} {reason}); {_remedy(code)}"
    return RequestRefused(message, **about)


def _folder_hint(request: Request) -> str:
    """Return the end of a message: how to use the folder of the bucket's name, or nothing if there is none."""
    return f"; for the folder {request.bucket} here, use ./{request.bucket}" if Path(request.bucket).is_dir() else ""


def _remedy(code: str) -> str:
    if code in _ARCHIVED_CODES:
        return "the object is archived: restore it"
    if code.startswith("KMS."):
        return "enable the object's KMS key, or encrypt it with another key"
    return "check the object's encryption and storage class, and the S3 settings"
