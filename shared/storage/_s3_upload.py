"""Uploads: a single request up to 64 MiB, in parts above."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

from shared.errors import ObjectMissing, StoreUnavailable, TelecineError
from shared.storage._s3_client import pool, retry
from shared.storage._s3_errors import etag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from shared.settings.storage import S3Options
    from shared.storage._s3_errors import Request
    from shared.storage.metrics import Call

__all__ = ["ONE_REQUEST", "first_and_rest", "upload_parts"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

ONE_REQUEST: Final = 64 << 20
# A pipe's length is unknown: before the first part, 64 MiB would be held twice.
_PIPE_PART: Final = 8 << 20
_PART: Final = 16 << 20  # S3 accepts parts from 5 MiB; four in parallel take 64 MiB
_GROW_EVERY: Final = 1000  # parts double in size: with S3's limit of 10,000, parts of 16 MiB would end at 160 GB
_PARALLEL: Final = 4
_HURRY_S: Final = 2.0


def first_and_rest(body: bytes | memoryview | BinaryIO) -> tuple[bytes, Iterator[bytes] | None]:
    """Split a body into parts if it does not fit one request.

    Returns:
        The whole body and None; or nothing and the parts of a body larger than :data:`ONE_REQUEST`, or of a pipe (a
        stream that cannot be seeked) of more than 8 MiB, which takes about 50 MB of memory.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        view = memoryview(body).cast("B")
        if len(view) <= ONE_REQUEST:
            return bytes(view), None
        return b"", _slices(view)
    is_file = body.seekable()
    most, part = (ONE_REQUEST, _PART) if is_file else (_PIPE_PART, _PIPE_PART)
    head = _fill(body, most + 1)
    if len(head) <= most:
        return head, None
    return b"", _chunks(head, body, part)


def _part_size(number: int, first: int) -> int:
    return first << (number // _GROW_EVERY)


def _slices(view: memoryview) -> Iterator[bytes]:
    start = number = 0
    while start < len(view):
        size = _part_size(number, _PART)
        yield bytes(view[start : start + size])
        start += size
        number += 1


def _chunks(head: bytes, body: BinaryIO, part: int) -> Iterator[bytes]:
    held = head
    number = 0
    while True:
        size = _part_size(number, part)
        if len(held) < size:
            held += _fill(body, size - len(held))
        if not held:
            return
        yield held[:size]
        held = held[size:]
        number += 1


def _fill(body: BinaryIO, size: int) -> bytes:
    """Read until ``size`` bytes are there or the body ends; sockets and pipes return less than requested."""
    pieces: list[bytes] = []
    left = size
    while left > 0 and (piece := body.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def upload_parts(options: S3Options, request: Request, call: Call, parts: Iterator[bytes]) -> tuple[str, int]:
    """Upload an object in parts; it is not visible before the last request.

    Returns:
        Its ETag and its size in bytes.
    """
    upload = _Upload(options, request, call)
    try:
        return upload.run(parts)
    except BaseException as error:
        upload.abort(patient=isinstance(error, Exception))
        raise


class _Upload:
    def __init__(self, options: S3Options, request: Request, call: Call) -> None:
        self._options = options
        self._request = request
        self._call = call
        self._stop = threading.Event()
        self._running: deque[Future[CompletedPartTypeDef]] = deque()
        self._place: dict[str, Any] = {"Bucket": request.bucket, "Key": request.key}
        self._place["UploadId"] = self._retry(lambda s3: s3.create_multipart_upload(**self._place))["UploadId"]

    def run(self, parts: Iterator[bytes]) -> tuple[str, int]:
        """Send all parts, several in parallel, and complete the upload."""
        size = 0
        sent: list[CompletedPartTypeDef] = []
        for number, data in enumerate(parts, start=1):
            if len(self._running) >= _PARALLEL:
                sent.append(self._running.popleft().result())
            self._running.append(pool(self._options).submit(self._send, number, data))
            size += len(data)
        sent.extend(future.result() for future in self._running)
        return self._complete(sent, size), size

    def abort(self, *, patient: bool) -> None:
        """Stop the parts in progress and let the store discard what it has received.

        Args:
            patient: retry as usual; after Ctrl-C only one attempt is made.
        """
        self._stop.set()
        for future in self._running:
            future.cancel()
        # A part that arrives after the abort would stay until the bucket's lifecycle rule removes it.
        wait(self._running, timeout=None if patient else _HURRY_S)
        try:
            stop = None if patient else self._stop
            self._retry(lambda s3: s3.abort_multipart_upload(**self._place), stop)
        except TelecineError as error:
            _log.warning(
                "parts of %s stay in the store until its lifecycle rule removes them: %s", self._request.uri, error
            )

    def _send(self, number: int, data: bytes) -> CompletedPartTypeDef:
        done = self._retry(lambda s3: s3.upload_part(**self._place, PartNumber=number, Body=data), self._stop)
        return {"PartNumber": number, "ETag": done["ETag"]}

    def _complete(self, sent: list[CompletedPartTypeDef], size: int) -> str:
        before = self._call.retries
        try:
            done = self._retry(lambda s3: s3.complete_multipart_upload(**self._place, MultipartUpload={"Parts": sent}))
            return etag_of(done, self._request)
        except ObjectMissing:
            # NoSuchUpload after a repeated request: the first one succeeded and only its response was lost.
            if self._call.retries == before:
                raise
        uri = self._request.uri
        head = self._retry(lambda s3: s3.head_object(Bucket=self._request.bucket, Key=self._request.key))
        etag = etag_of(head, self._request)
        if head["ContentLength"] == size and etag.endswith(f"-{len(sent)}"):
            return etag
        message = f"the upload of {uri} in {len(sent)} parts was lost before it was complete; try again"
        raise StoreUnavailable(message, uri=uri, action=self._request.action)

    def _retry(self, work: Callable[[S3Client], _T], stop: threading.Event | None = None) -> _T:
        return retry(self._options, self._request, self._call, work, stop)
