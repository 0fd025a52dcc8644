"""Open the store for a URI; read and write whole objects by URI."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.errors import BucketMissing, ObjectMissing, UsageError
from shared.storage._folder import sweep_folder
from shared.storage.file import FileStore
from shared.storage.uris import holds_secrets, leads_to_secrets, normalise, split_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.settings.storage import S3Options, StorageSettings
    from shared.storage.protocol import ObjectInfo, ObjectStore

__all__ = ["close_stores", "open_store", "put_uri", "read_uri", "stat_uri"]

_lock = threading.Lock()
_stores: dict[tuple[str, S3Options | None], ObjectStore] = {}


def open_store(
    uri: str, settings: StorageSettings | None = None, *, create: bool = False, options: S3Options | None = None
) -> ObjectStore:
    """Return the store for a bucket or folder; within a process, equal arguments return the same one.

    Args:
        uri: ``s3://bucket``, ``s3://bucket/folder``, ``file:///folder``, or any form of :data:`~shared.storage.Bucket`.
        settings: how to reach S3; None reads the environment.
        create: create a missing folder, for outputs; buckets are never created.
        options: override ``settings``, for a bucket that needs its own credentials.

    Raises:
        ValueError: the URI does not name a place for objects.
        AccessDenied: a folder cannot be created.
        ConfigurationError: an S3 setting is not valid.
        UsageError: the folder holds secrets or belongs to a process.
    """
    root = normalise(uri)
    if root.startswith("file://") and leads_to_secrets(root.removeprefix("file://")):
        raise UsageError(f"{uri!r} contains secrets or files of processes; expected a bucket or another folder")
    return _open(root, settings, create=create, options=options)


def _open(
    root: str, settings: StorageSettings | None, *, create: bool = False, options: S3Options | None = None
) -> ObjectStore:
    if root.startswith("file://"):
        store = _keep((root, None), FileStore(root.removeprefix("file://")))
        if create and isinstance(store, FileStore):
            store.make_root()
        return store
    if options is None:
        if settings is None:
            from shared.settings.storage import StorageSettings

            settings = StorageSettings()
        options = settings.s3_options()
    known = _stores.get((root, options))
    if known is not None:
        return known
    from shared.storage.s3 import S3Store

    bucket, _, folder = root.removeprefix("s3://").partition("/")
    return _keep((root, options), S3Store(bucket, folder=folder, options=options))


def _keep(name: tuple[str, S3Options | None], store: ObjectStore) -> ObjectStore:
    with _lock:
        return _stores.setdefault(name, store)


def close_stores(*, connections: bool = True) -> None:
    """Forget all stores; stores opened later start with metrics at zero.

    Args:
        connections: also close the connections to S3, which all stores of one endpoint share.
    """
    import sys

    with _lock:
        _stores.clear()
    clients = sys.modules.get("shared.storage._s3_client")
    if connections and clients is not None:
        clients.forget()


def put_uri(place: str | os.PathLike[str], body: bytes, settings: StorageSettings | None = None) -> ObjectInfo:
    """Write one object atomically; missing parent folders of a file are created.

    Args:
        place: ``s3://bucket/key``, a path or ``file:///path``. A symbolic link's target is written.
        body: the whole content.
        settings: how to reach S3; None reads the environment.

    Raises:
        ValueError: the place does not name an object.
    """
    root, key = _locate(place)
    info = _open(root, settings).put(key, body)
    if root.startswith("file://"):
        sweep_folder(root.removeprefix("file://"))  # a manifest's or a report's folder is never listed
    return info


def read_uri(place: str | os.PathLike[str], settings: StorageSettings | None = None) -> bytes:
    """Read one whole object.

    Args:
        place: ``s3://bucket/key``, a path or ``file:///path``.
        settings: how to reach S3; None reads the environment.

    Raises:
        ValueError: the place does not name an object.
        ObjectMissing: the object does not exist; for files also if its folder is missing.
    """
    with _object(place, settings) as (store, key):
        return store.read(key)


def stat_uri(place: str | os.PathLike[str], settings: StorageSettings | None = None) -> ObjectInfo:
    """Return size, ETag and time of one object, without reading it.

    Args:
        place: ``s3://bucket/key``, a path or ``file:///path``.
        settings: how to reach S3; None reads the environment.

    Raises:
        ValueError: the place does not name an object.
        ObjectMissing: the object does not exist; for files also if its folder is missing.
    """
    with _object(place, settings) as (store, key):
        return store.stat(key)


@contextmanager
def _object(place: str | os.PathLike[str], settings: StorageSettings | None) -> Iterator[tuple[ObjectStore, str]]:
    """Yield the store and key of an object that is read; a file's missing folder is a missing file."""
    root, key = _locate(place)
    try:
        yield _open(root, settings), key
    except BucketMissing:
        if root.startswith("s3://"):
            raise
        path = root.removeprefix("file://")
        raise ObjectMissing(
            f"file {path.rstrip('/')}/{key} does not exist; neither does its folder", uri=f"{root}/{key}"
        ) from None


def _locate(place: str | os.PathLike[str]) -> tuple[str, str]:
    """Split a place into root and key; unlike a store's keys, a path from the user may link to anywhere."""
    root, key = split_uri(os.fspath(place))
    if root.startswith("file://"):
        folder, _, key = os.path.realpath(os.path.join(root.removeprefix("file://"), key)).rpartition("/")  # noqa: PTH118
        root = f"file://{folder or '/'}"
        if holds_secrets(f"{folder}/{key}"):
            raise ValueError(f"{os.fspath(place)!r} is in a folder of secrets or processes; expected another file")
    return root, key
