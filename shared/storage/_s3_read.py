"""Read S3 object bodies, as ranges and streams: never silently short, and never of another version than asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from shared.errors import ObjectChanged
from shared.storage._s3_errors import Cut, changed, etag_of, status_of

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from shared.storage._s3_errors import Request

__all__ = ["Reader", "read_range"]

_PARTIAL: Final = 206
_PRECONDITION_FAILED: Final = 412
_BEYOND_END: Final = 416


def read_range(s3: S3Client, request: Request, offset: int, length: int | None) -> bytes:
    """Read ``length`` bytes (None: all) from ``offset``; a range beyond the end is empty.

    Raises:
        Cut: the body is shorter than its header says.
        ObjectChanged: the ETag differs, even if the server ignores ``If-Match``.
    """
    if length == 0:  # HTTP cannot express an empty range; the object and its ETag are still checked
        _head(s3, request)
        return b""
    asked = offset > 0 or length is not None
    value = f"bytes={offset}-{'' if length is None else offset + length - 1}"
    try:
        answer = _get(s3, request, value if asked else None)
    except ClientError as error:
        if status_of(error) != _BEYOND_END:
            raise
        if request.etag is not None:
            _head(s3, request)
        return b""
    body = answer["Body"]
    try:
        data = body.read()
    except BaseException:
        body.close()  # the rest of it must not be read as the next response
        raise
    _check_length(len(data), answer["ContentLength"], request)
    if asked and answer["ResponseMetadata"]["HTTPStatusCode"] != _PARTIAL:  # a server without ranges sent everything
        return data[offset:] if length is None else data[offset : offset + length]
    return data


class Reader:
    """Reads one object from its start and resumes where a connection broke off.

    Args:
        request: the object to read.
        chunk_size: bytes that :meth:`next` returns, except for the last chunk.

    Attributes:
        request: has the ETag of the first response, so that a resumed read gets the same version.
    """

    def __init__(self, request: Request, chunk_size: int) -> None:
        self.request = request
        self._chunk_size = chunk_size
        self._position = 0
        self._size = 0
        self._body: StreamingBody | None = None

    def next(self, s3: S3Client) -> bytes:
        """Return the next chunk, empty at the end; may be called again after an error."""
        try:
            if self._body is None:
                self._body = self._open(s3)
            wanted = min(self._chunk_size, self._size - self._position)
            data = self._body.read(wanted) if wanted else b""
            _check_length(len(data), wanted, self.request)
        except BaseException:
            self.close()
            raise
        self._position += len(data)
        return data

    def close(self) -> None:
        """Drop the connection if part of the body is still unread."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _open(self, s3: S3Client) -> StreamingBody:
        answer = _get(s3, self.request, f"bytes={self._position}-" if self._position else None)
        partial = answer["ResponseMetadata"]["HTTPStatusCode"] == _PARTIAL
        self._size = answer["ContentLength"] + (self._position if partial else 0)
        self.request = replace(self.request, etag=etag_of(answer, self.request))
        body = answer["Body"]
        if self._position and not partial:  # a server without ranges starts over
            body.read(self._position)
        return body


def _check_length(found: int, expected: int, request: Request) -> None:
    if found != expected:
        raise Cut(f"received {found} of {expected} bytes of {request.uri}")


def _get(s3: S3Client, request: Request, range_header: str | None) -> GetObjectOutputTypeDef:
    more: dict[str, Any] = {"Range": range_header} if range_header else {}
    try:
        answer = s3.get_object(Bucket=request.bucket, Key=request.key, **more, **_condition(request))
    except ClientError as error:
        # A stream takes its ETag from the first response, so its caller does not know that a condition was sent.
        if request.etag is not None and status_of(error) == _PRECONDITION_FAILED:
            raise changed(request) from error
        raise
    found = etag_of(answer, request)
    if request.etag is not None and found != request.etag:
        answer["Body"].close()
        message = f"{request.uri} changed: its ETag is {found}, not {request.etag}; read it again"
        raise ObjectChanged(message, uri=request.uri, expected=request.etag, found=found)
    return answer


def _head(s3: S3Client, request: Request) -> None:
    s3.head_object(Bucket=request.bucket, Key=request.key, **_condition(request))


def _condition(request: Request) -> dict[str, Any]:
    return {} if request.etag is None else {"IfMatch": f'"{request.etag}"'}
