"""Fetch each object of a run once, up to its size limit; verify size and sha256; unpack gzip, up to the same limit."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final, cast

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.model import ManifestObject
from shared.errors import AccessDenied, DataError, ObjectChanged, ObjectMissing, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Generator

    from jobs.screenalytics.contract.run_manifest import ArtifactRef
    from jobs.screenalytics.model import ManifestRef
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["check_declared", "fetch_artifact", "fetch_manifest", "refused"]

_MB: Final = 1_000_000
_CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib expects a gzip header and checks its CRC
# An object may be replaced after it was listed, or between two ranges of a read.
_READS: Final = 2


def fetch_manifest(store: ObjectStore, ref: ManifestRef, settings: SourceSettings) -> ManifestObject:
    """Read a manifest.

    Args:
        store: the bucket of the runs.
        ref: the manifest; if it has the ETag and time of a listing, no HEAD is needed.
        settings: ``max_manifest_mb``.

    Raises:
        Rejected: ``SOURCE_DELETED`` (listed, then gone), ``MANIFEST_NOT_YET`` (never listed), ``TOO_LARGE``.
        TransientError: from the store; ``ObjectChanged`` if the object changes faster than it can be read.
        RequestRefused: the store refuses this object, or all of them.
    """
    most = settings.max_manifest_mb * _MB
    etag, modified = ref.etag, ref.modified
    for left in reversed(range(_READS)):
        try:
            if etag is None or modified is None:
                info = store.stat(ref.key)
                etag, modified = info.etag, info.modified
            body = _read(store, ref.key, most, etag=etag)
        except ObjectChanged as error:
            if not left:
                raise _unchanged(store, ref, etag) or error from None
            etag = None
        except ObjectMissing as error:
            raise _no_manifest(ref) from error
        else:
            if body is None:
                message = f"the manifest {ref.key} is larger than {settings.max_manifest_mb} MB (--max-manifest-mb)"
                raise reject("TOO_LARGE", message, expected=f"<= {most}")
            return ManifestObject(ref, body, hashlib.sha256(body).hexdigest(), etag, modified)
    raise AssertionError("the last round returns or raises")


def fetch_artifact(store: ObjectStore, ref: ArtifactRef, key: str, settings: SourceSettings) -> tuple[bytes, int]:
    """Read an artifact, verify it, and unpack it if it starts like a gzip file.

    After a wrong size or checksum it is read once more, because the object may just have been replaced.

    Args:
        store: the bucket of the runs.
        ref: the artifact as declared in the manifest.
        key: its key in the store, already validated.
        settings: ``max_artifact_mb`` and ``unverified``.

    Returns:
        The unpacked bytes, and the number of bytes read.

    Raises:
        Rejected: ``ARTIFACT_MISSING``, ``CHECKSUM_MISSING``, ``TOO_LARGE``, ``SIZE_MISMATCH``, ``CHECKSUM_MISMATCH``
            or ``DECODE``.
        TransientError: from the store.
        RequestRefused: the store refuses this object, or all of them.
    """
    most = settings.max_artifact_mb * _MB
    check_declared(ref, settings)
    wrong: Rejected | ObjectChanged | None = None
    for _ in range(_READS):
        try:
            body = _read(store, key, most)
        except ObjectChanged as error:
            wrong = error
            continue
        except ObjectMissing as error:
            message = f"artifact {ref.artifact_key!r}: object {key} does not exist in {store.uri}"
            raise reject("ARTIFACT_MISSING", message, artifact_key=ref.artifact_key) from error
        except DataError as error:  # a key this store cannot hold
            message = f"artifact {ref.artifact_key!r}: {error}"
            raise reject("NOT_AN_OBJECT_KEY", message, artifact_key=ref.artifact_key) from error
        if body is None:
            raise _too_large(ref, settings)
        wrong = _mismatch(ref, body)
        if wrong is None:
            return _unpacked(ref, body, settings), len(body)
    raise wrong or AssertionError("the last round returns or sets an error")


def check_declared(ref: ArtifactRef, settings: SourceSettings) -> None:
    """Reject an artifact whose declaration in the manifest is already wrong. Makes no request.

    Raises:
        Rejected: ``CHECKSUM_MISSING`` or ``TOO_LARGE``.
    """
    if ref.checksum_sha256 is None and not settings.unverified:
        message = (
            f"artifact {ref.artifact_key!r} has no checksum_sha256 in the manifest; "
            "add it, or accept it unverified with --unverified"
        )
        raise reject("CHECKSUM_MISSING", message, artifact_key=ref.artifact_key)
    if ref.size_bytes is not None and ref.size_bytes > settings.max_artifact_mb * _MB:
        raise _too_large(ref, settings)


def refused(error: RequestRefused, message: str, **data: str) -> Rejected:
    """Return the rejection of a run because the store refuses one of its objects but returns others.

    Args:
        error: the store's error.
        message: its message, or a longer one.
        data: named values of the rejection.
    """
    return reject("ACCESS_DENIED" if isinstance(error, AccessDenied) else "OBJECT_REFUSED", message, **data)


def _unchanged(store: ObjectStore, ref: ManifestRef, etag: str | None) -> RequestRefused | None:
    """Return the error if the store answers 412 although the ETag matches, otherwise None."""
    with suppress(ObjectMissing):
        if store.stat(ref.key).etag == etag:
            return _precondition(store, ref, etag)
    return None


def _precondition(store: ObjectStore, ref: ManifestRef, etag: str | None) -> RequestRefused:
    uri = f"{store.uri}/{ref.key}"
    message = f"the store answers 412 (Precondition Failed) for {uri}, although its ETag is still {etag}"
    return RequestRefused(message, uri=uri, action="s3:GetObject")


def _read(store: ObjectStore, key: str, most: int, *, etag: str | None = None) -> bytes | None:
    """Return a whole object, or None if it is larger than ``most`` bytes; reads at most one chunk beyond that."""
    pieces, size = [], 0
    stream = cast("Generator[bytes]", store.stream(key, chunk_size=min(_CHUNK, most + 1), etag=etag))
    with closing(stream) as chunks:  # returns the connection if the loop ends early
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                return None
            pieces.append(chunk)
    return b"".join(pieces)


def _mismatch(ref: ArtifactRef, body: bytes) -> Rejected | None:
    if ref.size_bytes is not None and len(body) != ref.size_bytes:
        message = (
            f"artifact {ref.artifact_key!r} has {len(body)} bytes, but the manifest says {ref.size_bytes}; "
            "it was written after the manifest, or only in part"
        )
        facts = {"expected": ref.size_bytes, "actual": len(body)}
        return reject("SIZE_MISMATCH", message, artifact_key=ref.artifact_key, **facts)
    found = hashlib.sha256(body).hexdigest()
    if ref.checksum_sha256 is not None and found != ref.checksum_sha256:
        message = (
            f"artifact {ref.artifact_key!r} has sha256 {found}, but the manifest says {ref.checksum_sha256}; "
            "an upload that skips existing objects leaves the old one in place"
        )
        key, expected = ref.artifact_key, ref.checksum_sha256
        return reject("CHECKSUM_MISMATCH", message, artifact_key=key, expected=expected, actual=found)
    return None


def _unpacked(ref: ArtifactRef, body: bytes, settings: SourceSettings) -> bytes:
    if not body.startswith(_GZIP):
        if ref.s3_key.endswith(".gz") or ref.content_type in ("application/gzip", "application/x-gzip"):
            raise _decode(ref, "is declared as gzip but is not gzip")
        return body
    most = settings.max_artifact_mb * _MB
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise _decode(ref, f"is not a complete gzip file: {error}") from error
    if len(plain) > most:
        raise _too_large(ref, settings)
    if not unpacker.eof:
        raise _decode(ref, "is a truncated gzip file")
    if unpacker.unused_data:
        raise _decode(ref, f"has {len(unpacker.unused_data)} bytes after the end of its gzip data")
    return plain


def _decode(ref: ArtifactRef, why: str) -> Rejected:
    message = f"artifact {ref.artifact_key!r} {why}; expected JSON, plain or as one gzip member"
    return reject("DECODE", message, artifact_key=ref.artifact_key)


def _too_large(ref: ArtifactRef, settings: SourceSettings) -> Rejected:
    message = f"artifact {ref.artifact_key!r} is larger than {settings.max_artifact_mb} MB (--max-artifact-mb)"
    expected = f"<= {settings.max_artifact_mb * _MB}"
    return reject("TOO_LARGE", message, artifact_key=ref.artifact_key, expected=expected)


def _no_manifest(ref: ManifestRef) -> Rejected:
    if ref.etag is None:
        return reject("MANIFEST_NOT_YET", f"the manifest {ref.key} does not exist yet; the next ingest checks it again")
    return reject("SOURCE_DELETED", f"the manifest {ref.key} was listed but is gone: the producer deleted the run")
