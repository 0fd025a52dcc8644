"""Secrets of this process: where they may come from, and all values that it has seen, so that they can be masked.

A secret is read from its variable; from the file that ``<VARIABLE>_FILE`` names; or from the folder that
``TELECINE_SECRETS_DIR`` names, in which each file is named like a variable, as Kubernetes mounts a Secret.
"""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AWS_KEYS",
    "ENCODED_SUFFIX",
    "FILE_SUFFIX",
    "FOLDER_VARIABLE",
    "declare",
    "declare_public",
    "from_file",
    "from_folder",
    "remember",
    "secret_files",
    "secret_values",
    "version",
]

FILE_SUFFIX: Final = "_FILE"
# Variables with this end hold base64.
ENCODED_SUFFIX: Final = "_BASE64"
FOLDER_VARIABLE: Final = "TELECINE_SECRETS_DIR"
# The AWS SDK's own variables for a key: id, secret, session token.
AWS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# etcd limits a whole Kubernetes Secret to 1 MiB.
_LARGEST: Final = 1 << 20
# Secrets that libraries read without a settings model: botocore, libpq, Ray.
_variables: Final = {
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    *("AWS_WEB_IDENTITY_TOKEN", "PGPASSWORD", "RAY_AUTH_TOKEN"),
}
# A variable that names a file with a secret, if it is not named like the secret with FILE_SUFFIX.
_paths: Final = ("RAY_AUTH_TOKEN_PATH",)
# Variables that name other files with secrets, which libraries read: botocore, libpq.
_other_paths: Final = (
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_CONFIG_FILE", "PGPASSFILE", "PGSERVICEFILE"),
)
# URLs of which only the password is a secret.
_proxies: Final = tuple(case(f"{name}_proxy") for name in ("http", "https", "all") for case in (str.lower, str.upper))
# Variables of settings with public values, and ends of the names of such files in a mounted Secret: hiding their words
# would garble text.
_public: Final[set[str]] = set()
_PUBLIC: Final = ("_ID", "_USER", "_PROFILE")
_seen: Final[set[str]] = set()
_versions: Final = count(1)
_current = 0


def _changed() -> None:
    global _current  # noqa: PLW0603 - process-wide, like the environment
    _current = next(_versions)


def version() -> int:
    """Return a number that changes with :func:`declare` and :func:`remember`."""
    return _current


def declare(variables: Iterable[str]) -> None:
    """Declare variables whose values are secrets, for :func:`secret_values`."""
    _variables.update(variables)
    _changed()


def declare_public(variables: Iterable[str]) -> None:
    """Declare variables whose values are public, although a mounted Secret may contain them."""
    _public.update(variables)
    _changed()


def remember(value: str) -> None:
    """Add a secret that came from elsewhere, such as a flag, to :func:`secret_values`."""
    if value and value not in _seen:
        _seen.add(value)
        _changed()


def from_file(variables: Iterable[str]) -> tuple[str, str] | None:
    """Return the secret in the file that ``<VARIABLE>_FILE`` names for the first of the variables, with that name.

    Raises:
        ConfigurationError: the file cannot be read, or one of the variables is set as well.
    """
    names = tuple(variables)
    variable = names[0] + FILE_SUFFIX
    path = os.environ.get(variable)
    if not path:
        return None
    if both := [name for name in names if os.environ.get(name)]:
        raise ConfigurationError(f"{both[0]} and {variable} are both set; expected one of them; unset the other")
    what = f"the file {path!r} that {variable} names"
    try:
        value = _read(Path(path), what)
    except FileNotFoundError:
        raise ConfigurationError(f"{what} does not exist; expected a file with one secret") from None
    return (variable, value) if value else None


def from_folder(variables: Iterable[str]) -> tuple[str, str] | None:
    """Return the secret in the folder of ``TELECINE_SECRETS_DIR`` and its file; None without a folder or file.

    Args:
        variables: names of the file, in the order in which they are tried.

    Raises:
        ConfigurationError: the folder does not exist, or the file cannot be read.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise ConfigurationError(
            f"{FOLDER_VARIABLE}={folder} is not a folder; expected a folder with one file per secret"
        )
    for name in variables:
        path = Path(folder) / name
        try:
            value = _read(path, f"the file {str(path)!r}, in the folder of {FOLDER_VARIABLE},")
        except FileNotFoundError:
            continue
        if value:
            return str(path), value
    return None


def secret_values() -> frozenset[str]:
    """Return every secret that this process knows, as plain text: from variables, files, the folder and flags.

    Sources that cannot be read are skipped, because this is called where an error is being reported.
    """
    get = os.environ.get
    # Nearly all of these are not set, and to look up one that is not set costs 1 µs. Copies, since other threads may
    # import settings or set variables.
    given = frozenset(os.environ)
    names = tuple(_variables)
    found = {get(name, "") for name in given.intersection(names)}
    for name in given.intersection(name + ENCODED_SUFFIX for name in names):
        with suppress(ValueError):
            found.add(base64.b64decode(get(name, "")).decode())
    for name in given.intersection(_proxies):
        scheme, separator, rest = get(name, "").partition("://")
        # With another scheme, only the password of the URL counts.
        found.add(f"proxy+{scheme}://{rest}" if separator and "@" in rest else "")
    for path in _files(names, given):
        try:
            found.add(_read(path, ""))
        except (ConfigurationError, OSError):
            continue
    return frozenset(value for value in (*found, *_seen) if value)


def secret_files() -> list[Path]:
    """Return the files that variables name and that contain secrets; some may not exist."""
    return _named([*(name + FILE_SUFFIX for name in tuple(_variables)), *_paths, *_other_paths])


def _named(variables: Iterable[str]) -> list[Path]:
    return [Path(named) for name in variables if (named := os.environ.get(name))]


def _files(names: Iterable[str], given: frozenset[str]) -> list[Path]:
    paths = _named(given.intersection((*(name + FILE_SUFFIX for name in names), *_paths)))
    if folder := os.environ.get(FOLDER_VARIABLE):
        # A mounted Secret also has hidden folders, which hold its versions.
        with suppress(OSError):
            paths += [path for path in Path(folder).iterdir() if not path.name.startswith(".") and _may_be(path.name)]
    return paths


def _may_be(name: str) -> bool:
    """Return whether a file in a mounted Secret is a secret; unknown names are."""
    return name in _variables or not (name in _public or name.endswith(_PUBLIC))


def _read(path: Path, what: str) -> str:
    """Return the text of a file without its trailing line breaks; no error contains any of it.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigurationError: it is unreadable, larger than a Secret, or not text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path is invalid"
        raise ConfigurationError(f"{what} cannot be read: {reason}; expected a file with one secret") from None
    if len(content) > _LARGEST:
        raise ConfigurationError(f"{what} is larger than 1 MiB; expected a file with one secret")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{what} is not UTF-8; expected a file with one secret") from None
    if "\0" in text:
        raise ConfigurationError(f"{what} contains a NUL; expected a file with one secret")
    return text.rstrip("\r\n")
