"""Objects in S3 and in folders behind one interface. Names are imported on first use, so this package loads fast."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.storage.access import close_stores, open_store, put_uri, read_uri, stat_uri
    from shared.storage.cached import CachedStore
    from shared.storage.file import FileStore
    from shared.storage.foreign import delta_error, delta_options
    from shared.storage.keys import FOLLOW_LINK, check_key
    from shared.storage.metrics import StoreMetrics
    from shared.storage.near_names import misnamed
    from shared.storage.protocol import ObjectInfo, ObjectStore
    from shared.storage.refusals import is_readable
    from shared.storage.regular import open_regular
    from shared.storage.s3 import S3Store
    from shared.storage.uris import (
        Bucket,
        Place,
        default_bucket,
        holds_secrets,
        is_inside,
        join_uri,
        leads_to_secrets,
        resolved,
        split_uri,
    )

__all__ = [
    "FOLLOW_LINK",
    "Bucket",
    "CachedStore",
    "FileStore",
    "ObjectInfo",
    "ObjectStore",
    "Place",
    "S3Store",
    "StoreMetrics",
    "check_key",
    "close_stores",
    "default_bucket",
    "delta_error",
    "delta_options",
    "holds_secrets",
    "is_inside",
    "is_readable",
    "join_uri",
    "leads_to_secrets",
    "misnamed",
    "open_regular",
    "open_store",
    "put_uri",
    "read_uri",
    "resolved",
    "split_uri",
    "stat_uri",
]

_HOME = {
    "Bucket": "uris",
    "CachedStore": "cached",
    "FileStore": "file",
    "ObjectInfo": "protocol",
    "ObjectStore": "protocol",
    "Place": "uris",
    "S3Store": "s3",
    "StoreMetrics": "metrics",
    "FOLLOW_LINK": "keys",
    "check_key": "keys",
    "close_stores": "access",
    "default_bucket": "uris",
    "delta_error": "foreign",
    "delta_options": "foreign",
    "holds_secrets": "uris",
    "is_inside": "uris",
    "is_readable": "refusals",
    "join_uri": "uris",
    "leads_to_secrets": "uris",
    "misnamed": "near_names",
    "open_regular": "regular",
    "open_store": "access",
    "put_uri": "access",
    "read_uri": "access",
    "resolved": "uris",
    "split_uri": "uris",
    "stat_uri": "access",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
