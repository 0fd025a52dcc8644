"""An object store in an S3 bucket, or below a prefix of it."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from shared.errors import AccessDenied, ObjectMissing, StoreUnavailable
from shared.settings.storage import S3Options
from shared.storage._s3_client import pool, retry
from shared.storage._s3_errors import Cut, Request, etag_of
from shared.storage._s3_read import Reader, read_range
from shared.storage._s3_upload import first_and_rest, upload_parts
from shared.storage.keys import check_key, check_range
from shared.storage.metrics import StoreMetrics
from shared.storage.protocol import ObjectInfo

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ListObjectsV2OutputTypeDef

__all__ = ["S3Store"]

_T = TypeVar("_T")


class S3Store:
    """Objects of one bucket.

    Args:
        bucket: name of the bucket.
        folder: prefix of all keys: with ``x``, key ``a`` is the object ``x/a``.
        options: endpoint, region, retries; AWS by default.
    """

    def __init__(self, bucket: str, *, folder: str = "", options: S3Options | None = None) -> None:
        self._bucket = bucket
        self._base = f"{folder.strip('/')}/" if folder.strip("/") else ""
        self._options = options or S3Options()
        self._metrics = StoreMetrics()
        self._seen = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._bucket, self._base, self._options)

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        """``s3://bucket`` or ``s3://bucket/folder``."""
        return f"s3://{self._bucket}/{self._base}".rstrip("/")

    @property
    def metrics(self) -> StoreMetrics:
        """Calls, bytes and latencies so far."""
        return self._metrics

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key starts with ``prefix``, page by page (1,000 keys), in the byte order of keys."""
        if "\0" in prefix:  # no key contains one, and XML cannot represent it
            return
        request = Request("s3:ListBucket", self._bucket, self._base + prefix)
        token = ""
        while True:
            page = self._call(request, partial(_page, request, token))
            for entry in page.get("Contents", ()):
                key = entry["Key"][len(self._base) :]
                yield ObjectInfo(key, entry["Size"], etag_of(entry, request), entry["LastModified"])
            if not page.get("IsTruncated"):
                return
            before, token = token, page.get("NextContinuationToken", "")
            if token in ("", before):
                message = (
                    f"the listing of {request.uri} returned no next page after a truncated one; check the S3 server"
                )
                raise StoreUnavailable(message, uri=request.uri, action=request.action)

    def folders(self, prefix: str = "") -> builtins.list[str]:
        """Return the first 1,000 folders directly below a prefix; one request."""
        request = Request("s3:ListBucket", self._bucket, self._base + prefix)
        page = self._call(request, partial(_folders, request))
        return [entry["Prefix"][len(self._base) :] for entry in page.get("CommonPrefixes", ())]

    def stat(self, key: str) -> ObjectInfo:
        """Return size, ETag and time of one object."""
        request = self._request("s3:GetObject", key)
        try:
            etag, head = self._call(request, partial(_head, request))
        except ObjectMissing:
            # A HEAD's 404 does not say whether the key or the bucket is missing; after one success it is the key.
            if not self._seen:
                self._check_bucket()
            raise
        return ObjectInfo(key, head["ContentLength"], etag, head["LastModified"])

    def read(self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """Read a byte range; a range beyond the end is empty."""
        return self._read(self._request("s3:GetObject", key, etag), offset, length)

    def read_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None
    ) -> builtins.list[bytes]:
        """Read several ``(offset, length)`` ranges in parallel."""
        request = self._request("s3:GetObject", key, etag)
        for offset, length in ranges:
            check_range(offset, length)
        if len(ranges) <= 1:
            return [self._read(request, offset, length) for offset, length in ranges]
        stop = threading.Event()
        threads = pool(self._options)
        futures = [threads.submit(self._read, request, offset, length, stop) for offset, length in ranges]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise

    def stream(self, key: str, *, chunk_size: int = 1 << 20, etag: str | None = None) -> Iterator[bytes]:
        """Read an object in chunks; a truncated body is resumed where it broke off, at the same ETag."""
        reader = Reader(self._request("s3:GetObject", key, etag), chunk_size)
        with self._metrics.call() as call:
            try:
                # Attempts are counted per chunk: a long object survives many cuts, a dead server ends it soon.
                while chunk := retry(self._options, reader.request, call, reader.next):
                    call.bytes_read += len(chunk)
                    with call.idle():
                        yield chunk
            finally:
                reader.close()
        self._seen = True

    def put(self, key: str, body: bytes | memoryview | BinaryIO) -> ObjectInfo:
        """Write an object; above 64 MiB in parts, four in parallel."""
        request = self._request("s3:PutObject", key)
        with self._metrics.call() as call:
            whole, parts = first_and_rest(body)
            if parts is not None:
                etag, size = upload_parts(self._options, request, call, parts)
                modified = datetime.now(UTC)
            else:
                etag, modified = retry(self._options, request, call, partial(_put, request, whole))
                size = len(whole)
            call.bytes_written += size
        self._seen = True
        return ObjectInfo(key, size, etag, modified)

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is not an error."""
        request = self._request("s3:DeleteObject", key)
        try:
            self._call(request, lambda s3: s3.delete_object(Bucket=self._bucket, Key=request.key))
        except ObjectMissing:
            return

    def _request(self, action: str, key: str, etag: str | None = None) -> Request:
        check_key(self.uri, key, as_path=False)
        return Request(action, self._bucket, self._base + key, etag)

    def _call(self, request: Request, work: Callable[[S3Client], _T]) -> _T:
        with self._metrics.call() as call:
            found = retry(self._options, request, call, work)
        self._seen = True
        return found

    def _read(self, request: Request, offset: int, length: int | None, stop: threading.Event | None = None) -> bytes:
        check_range(offset, length)
        with self._metrics.call() as call:
            data = retry(self._options, request, call, lambda s3: read_range(s3, request, offset, length), stop)
            call.bytes_read = len(data)
        self._seen = True
        return data

    def _check_bucket(self) -> None:
        """Raise BucketMissing if the bucket does not exist; only a listing says so explicitly."""
        request = Request("s3:ListBucket", self._bucket, self._base)
        with suppress(AccessDenied):  # no right to list: the caller's own error is raised
            self._call(request, lambda s3: s3.list_objects_v2(Bucket=self._bucket, MaxKeys=1))


def _page(request: Request, token: str, s3: S3Client) -> ListObjectsV2OutputTypeDef:
    if token:
        page = s3.list_objects_v2(Bucket=request.bucket, Prefix=request.key, ContinuationToken=token)
    else:
        page = s3.list_objects_v2(Bucket=request.bucket, Prefix=request.key)
    if not {"Name", "KeyCount", "Contents", "IsTruncated"} & page.keys():
        raise Cut(f"the listing of {request.uri} has none of a listing's fields; is this an S3 server?")
    return page


def _folders(request: Request, s3: S3Client) -> ListObjectsV2OutputTypeDef:
    return s3.list_objects_v2(Bucket=request.bucket, Prefix=request.key, Delimiter="/")


def _head(request: Request, s3: S3Client) -> tuple[str, HeadObjectOutputTypeDef]:
    head = s3.head_object(Bucket=request.bucket, Key=request.key)
    return etag_of(head, request), head


def _put(request: Request, body: bytes, s3: S3Client) -> tuple[str, datetime]:
    done = s3.put_object(Bucket=request.bucket, Key=request.key, Body=body)
    return etag_of(done, request), _date(done["ResponseMetadata"]["HTTPHeaders"].get("date"))


def _rebuild(bucket: str, folder: str, options: S3Options) -> S3Store:
    return S3Store(bucket, folder=folder, options=options)


def _date(header: str | None) -> datetime:
    """Return the server's time of a put: the response has no LastModified, which differs by less than a second."""
    if header:
        with suppress(ValueError):
            return parsedate_to_datetime(header).astimezone(UTC)
    return datetime.now(UTC)
