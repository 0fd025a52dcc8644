"""URIs of objects; resolution of a bare name, path or default bucket (a folder without S3); forbidden locations.

URIs are plain text, not percent-encoded, as is usual for ``s3://``: ``f"{store.uri}/{key}"`` names an object whatever
characters its key contains. ``file:///tmp/My%20Videos`` is a folder with a percent sign in its name.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator

from shared.secrets import AWS_KEYS, FOLDER_VARIABLE, from_folder, secret_files

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Bucket",
    "Place",
    "default_bucket",
    "holds_secrets",
    "is_inside",
    "join_uri",
    "leads_to_secrets",
    "normalise",
    "resolved",
    "split_uri",
]

_VALID: Final = "expected a bucket name, s3://bucket, s3://bucket/folder, a folder (./x, /x) or file:///folder"
# Wider than the rules for new buckets (3 to 63, no capitals): old ones in us-east-1 may have 255, and underscores.
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
# Variables of the AWS SDKs' credential chain that a user sets on purpose, or that a pod with a role has.
_S3_VARIABLES: Final = (
    "TELECINE_S3_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def normalise(value: str) -> str:
    """Turn the name of a bucket or folder, as a user types it, into a URI without a trailing slash.

    Args:
        value: ``name``, ``s3://name``, ``s3://name/folder``, ``./x``, ``/x``, ``~/x``, ``x/y``, ``file:///x``.

    Returns:
        ``s3://name``, ``s3://name/folder`` or ``file:///absolute/folder``.

    Raises:
        ValueError: anything else; the message lists the valid forms.
    """
    if not value or value != value.strip() or "\0" in value or not _is_text(value):
        raise ValueError(f"{value!r} is not a place for objects; {_VALID}")
    scheme, rest = _scheme(value)
    if scheme == "s3":
        bucket, _, folder = rest.removeprefix("//").partition("/")
        folder = folder.rstrip("/")
        if not rest.startswith("//") or not _BUCKET.fullmatch(bucket):
            raise ValueError(f"{value!r}: {bucket!r} is not a valid bucket name; {_VALID}")
        if any(part in ("", ".", "..") for part in folder.split("/")) and folder:
            raise ValueError(f"{value!r}: the folder {folder!r} has an empty, '.' or '..' part; {_VALID}")
        return f"s3://{bucket}/{folder}" if folder else f"s3://{bucket}"
    if scheme == "file":
        return _file_uri(value, rest)
    if scheme:
        raise ValueError(f"{value!r}: scheme {scheme}: is not supported; {_VALID}")
    if "/" in value or value in (".", "..", "~"):
        return f"file://{_absolute(value)}"
    if not _BUCKET.fullmatch(value):
        raise ValueError(f"{value!r} is not a valid bucket name (for a folder, use ./{value}); {_VALID}")
    return f"s3://{value}"


Bucket = Annotated[str, AfterValidator(normalise)]
"""Type of a setting that names a bucket or folder; the value is the normalised URI."""


# Kubernetes mounts secrets and service-account tokens below /run/secrets, Vault's injector and the Secrets Store CSI
# driver theirs below the last two.
_SECRETS: Final = ("/proc", "/run/secrets", "/var/run/secrets", "/vault/secrets", "/mnt/secrets-store")
# A list of places that allows none, and one that allows every bucket.
_NOWHERE: Final = "none"
_ANY_BUCKET: Final = "s3://"


def _place(value: str) -> str:
    return value if value in (_NOWHERE, _ANY_BUCKET) else normalise(value)


Place = Annotated[str, AfterValidator(_place)]
"""Type of a place from which a step may read: a :data:`Bucket`, ``s3://`` for every bucket, or ``none``."""


def is_inside(uri: str, places: Sequence[str]) -> bool:
    """Return whether an object is inside one of the places; without any place, every object is.

    Whole segments are compared, with their case; a path is compared after links are resolved.

    Args:
        uri: ``s3://bucket/key``, a path or ``file:///path``.
        places: values of :data:`Place`.

    Raises:
        ValueError: the place does not name an object.
    """
    root, key = split_uri(uri)
    if not places:
        return True
    if root.startswith("file://"):
        path = os.path.realpath(f"{root.removeprefix('file://')}/{key}")
        folders = (os.path.realpath(place.removeprefix("file://")) for place in places if place.startswith("file://"))
        return any(path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
    if any(part in ("", ".", "..") for part in key.split("/")):  # proxies and other stores may resolve them
        return False
    return _ANY_BUCKET in places or any(f"{root}/{key}".startswith(f"{place}/") for place in places)


def holds_secrets(file: str | int) -> bool:
    """Return whether a file is a mounted secret or belongs to a process, such as its environment.

    No parameter may name one, because steps report what they read, such as a key that does not exist.

    Args:
        file: a path resolved by ``os.path.realpath``, or the descriptor of an open file: a link may be changed between
            the check of a path and its opening. Without ``/proc``, no descriptor counts as a secret.
    """
    if isinstance(file, int):
        link = f"/proc/self/fd/{file}"
        if not os.path.lexists(link):
            return False
        path = os.path.realpath(link)
    else:
        path = file
    return any(path.startswith(f"{folder}/") for folder in _secret_folders()) or any(
        path == os.path.realpath(file) for file in secret_files()
    )


def leads_to_secrets(folder: str) -> bool:
    """Return whether a folder contains secrets or files of processes, at any depth, or is inside of such a folder.

    No parameter may name one as a bucket, because steps list and read what is below it.
    """
    own = os.path.realpath(folder).rstrip("/") + "/"
    return any(own.startswith(f"{each}/") or f"{each}/".startswith(own) for each in _secret_folders())


def _secret_folders() -> list[str]:
    named = os.environ.get(FOLDER_VARIABLE)
    return [os.path.realpath(folder) for folder in (*_SECRETS, *([named] if named else ()))]


def default_bucket(name: str) -> str:
    """Return ``s3://name`` if the environment configures S3, otherwise the folder ``./name`` as a URI.

    S3 counts as configured when one of the AWS variables for an endpoint, a key, a profile or a role is set, or the
    folder of secrets has a key.
    """
    if any(os.environ.get(variable) for variable in _S3_VARIABLES) or from_folder(AWS_KEYS[:1]):
        return f"s3://{name}"
    return f"file://{_absolute(name)}"


def resolved(uri: str) -> str:
    """Resolve links in the URI of a bucket or folder, so that one folder has one name.

    Args:
        uri: as :func:`normalise` returns it.
    """
    return f"file://{os.path.realpath(uri.removeprefix('file://'))}" if uri.startswith("file://") else uri


def split_uri(uri: str) -> tuple[str, str]:
    """Split the URI or path of an object into its store's root and its key.

    Args:
        uri: ``s3://bucket/a/b`` -> ``("s3://bucket", "a/b")``; a path or ``file:///a/b`` -> ``("file:///a", "b")``.

    Raises:
        ValueError: for another scheme, a bad bucket name, or a place without a key.
    """
    scheme, rest = _scheme(uri)
    if scheme == "s3":
        bucket, _, key = rest.removeprefix("//").partition("/")
        if not key:
            raise ValueError(f"{uri!r} is a bucket, not an object; expected s3://bucket/key or a path")
        return normalise(f"s3://{bucket}"), key
    if scheme not in ("", "file"):
        raise ValueError(
            f"{uri!r}: scheme {scheme}: is not supported; expected s3://bucket/key, a path or file:///path"
        )
    if not uri or uri.endswith(("/", "/.", "/..")) or "\0" in uri:
        raise ValueError(f"{uri!r} is not the path of a file; expected s3://bucket/key, a path or file:///path")
    path = _file_uri(uri, rest).removeprefix("file://") if scheme else _absolute(uri)
    folder, _, name = path.rpartition("/")
    return f"file://{folder or '/'}", name


def join_uri(root: str, key: str) -> str:
    """Return the URI of an object, the inverse of :func:`split_uri`; a trailing slash of the root does not matter."""
    return f"{root.rstrip('/') if root != 'file:///' else 'file://'}/{key}"


def _scheme(value: str) -> tuple[str, str]:
    """Split ``scheme:rest``; without a scheme (paths may contain a colon after a slash) the first part is empty."""
    match = _SCHEME.fullmatch(value)
    if match is None or (match[1].lower() not in ("s3", "file", "arn") and not match[2].startswith("//")):
        return "", value
    return match[1].lower(), match[2]


def _file_uri(value: str, rest: str) -> str:
    path = rest
    if rest.startswith("//"):
        host, slash, below = rest[2:].partition("/")
        if host not in ("", "localhost") or not slash:
            raise ValueError(f"{value!r} contains the host {host!r}; expected file:///folder, with three slashes")
        path = f"/{below}"
    if not path.startswith("/"):
        raise ValueError(f"{value!r} is relative; expected file:///folder, or a plain path")
    return f"file://{_absolute(path)}"


def _absolute(path: str) -> str:
    # POSIX lets abspath keep two leading slashes; in a URI they would look like a host.
    return "/" + os.path.abspath(os.path.expanduser(path)).lstrip("/")  # noqa: PTH100, PTH111 - Path.absolute keeps ".."


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
