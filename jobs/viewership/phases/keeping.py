"""Keep the raw bytes of a file below raw/ by their SHA-256, and a local copy that is read."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from jobs.viewership.uploads.reading.limits import ReadLimits, over
from shared.errors import ObjectChanged, ObjectMissing, TelecineError, UsageError
from shared.scrub import hide_known
from shared.storage import holds_secrets, join_uri, misnamed, open_regular, open_store, resolved, split_uri
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.settings.storage import StorageSettings
    from shared.storage import ObjectStore

__all__ = ["EXPECTED", "FOLDER", "SUFFIXES", "Kept", "fetched", "keep", "key_below", "raw_key"]

EXPECTED: Final = "delimited text or a workbook"
"""Files that can be uploaded."""
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
"""Usual suffixes of such files; none is required."""

FOLDER: Final = "raw/"
_CHUNK: Final = 1 << 20
_NAME_CHARS: Final = 255


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of a file.

    Attributes:
        place: its source: a path or a URI.
        filename: its name without folders.
        sha256: of its bytes, in hexadecimal.
        size_bytes: its size.
        path: the local copy, which exists until the block ends.
    """

    place: str
    filename: str
    sha256: str
    size_bytes: int
    path: Path


def raw_key(sha256: str) -> str:
    """Return the key of the raw file below the bucket.

    Example:
        >>> raw_key("ab" * 32)
        'raw/ab/abababababababababababababababababababababababababababababababab'
    """
    return f"{FOLDER}{sha256[:2]}/{sha256}"


@contextmanager
def fetched(
    place: str,
    settings: StorageSettings,
    *,
    bucket: str,
    limits: ReadLimits | None = None,
    command: str = "",
    name: str | None = None,
) -> Iterator[Kept]:
    """Copy a file to a temporary folder, hashing it on the way, and delete the copy at the end of the block.

    Only the copy is read afterwards: the bytes that are hashed are those that are read.

    Args:
        place: a path, ``file:///…`` or ``s3://bucket/key``.
        settings: how the store is reached.
        bucket: URI of the bucket of uploads. If it is a folder, links that point outside are refused.
        limits: the largest file.
        command: the command that reads files, with its flags; suggested if the place is a folder.
        name: its name, if that is not the last part of the place; folders are cut off.

    Raises:
        AccessDenied: the file is a link inside the bucket that points outside.
        Refused: ``LIMIT``: the file is too large.
        UsageError: the file does not exist, or is in a folder of secrets.
    """
    most = (limits or ReadLimits()).bytes
    with TemporaryDirectory(prefix="telecine-upload-") as folder:
        path = Path(folder) / "file"
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as copy:
            for chunk in _chunks(place, settings, bucket, command):
                size += len(chunk)
                if size > most:
                    raise over("the file has more than", f"{most:,} bytes", most, "split it by date", size=size)
                digest.update(chunk)
                copy.write(chunk)
        yield Kept(place, _name((name or "").replace("\\", "/") or place), digest.hexdigest(), size, path)


def key_below(bucket: str, uri: str) -> str | None:
    """Return the key of a URI inside a bucket, whose path may be given with or without its links resolved."""
    for root in (bucket.rstrip("/"), resolved(bucket).rstrip("/")):
        if uri.startswith(f"{root}/"):
            return uri[len(root) + 1 :]
    return None


def _chunks(place: str, settings: StorageSettings, bucket: str, command: str) -> Iterator[bytes]:
    is_s3 = place.startswith("s3://")
    key = None if is_s3 else _key(place, bucket)
    if key is None and not is_s3:
        yield from _file_chunks(place.removeprefix("file://"), command)
        return
    try:
        root, key = (bucket, key) if key is not None else split_uri(place)
    except ValueError as error:
        raise UsageError(one_line(error)) from None
    store = open_store(root, settings)
    try:
        yield from store.stream(key, chunk_size=_CHUNK)
    except ObjectMissing as error:
        found = _below(store, key) if is_s3 else _misnamed(place.removeprefix("file://"), command)
        raise UsageError(found or f"{error.message}; expected an uploaded file") from None


def _misnamed(path: str, command: str) -> str | None:
    return misnamed(path, expected=EXPECTED, suffixes=SUFFIXES, command=command, several=True)


def _below(store: ObjectStore, key: str) -> str | None:
    """Return why a key is a folder and not an object; None if there is no object below it."""
    with suppress(TelecineError):  # a role that may read objects may lack the right to list them
        first = next(iter(store.list(f"{key.rstrip('/')}/")), None)
        if first is not None:
            folder, file = (one_line(join_uri(store.uri, name)) for name in (key, first.key))
            return f"'{folder}' is a folder; expected {EXPECTED}, such as '{file}'"
    return None


def _key(path: str, bucket: str) -> str | None:
    """Return the key of a file in the bucket's folder; None for any other file."""
    try:
        return key_below(bucket, join_uri(*split_uri(path)))
    except ValueError:
        return None


def _file_chunks(path: str, command: str) -> Iterator[bytes]:
    # Messages and reports quote the contents of files.
    secret = UsageError(f"'{one_line(path)}' is in a folder of secrets or processes; expected another file")
    if holds_secrets(os.path.realpath(path)):
        raise secret
    try:
        with open_regular(path) as file:
            if holds_secrets(file.fileno()):
                raise secret
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        found = _misnamed(path, command)
        raise UsageError(found or f"'{one_line(path)}' cannot be read: {reason}; expected {EXPECTED}") from None


def _name(place: str) -> str:
    """Return the name of a file without folders, at most 255 characters long, as file systems require."""
    # The end is kept for its suffix. Secrets are hidden first: half of one would not be recognised later.
    name = one_line(hide_known(place.removeprefix("file://").rstrip("/").rpartition("/")[2]))
    return name[-_NAME_CHARS:] or "file"


def keep(kept: Kept, store: ObjectStore) -> str:
    """Write the raw file to the store unless the same bytes are there, and return its key.

    Args:
        kept: the local copy.
        store: the bucket of uploads.
    """
    key = raw_key(kept.sha256)
    if not _is_kept(kept, store, key):
        with kept.path.open("rb") as body:
            store.put(key, body)
    return key


def _is_kept(kept: Kept, store: ObjectStore, key: str) -> bool:
    """Return whether an object has the bytes of a file; one of its size may be damaged, and is the only copy."""
    digest = hashlib.sha256()
    try:
        info = store.stat(key)
        if info.size != kept.size_bytes:
            return False
        for chunk in store.stream(key, chunk_size=_CHUNK, etag=info.etag):
            digest.update(chunk)
    except (ObjectMissing, ObjectChanged):  # expired, or written by another process meanwhile
        return False
    return digest.hexdigest() == kept.sha256
