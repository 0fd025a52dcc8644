"""Secrets of this process: where they may come from, and all values that it has seen, so that they can be masked.

A secret is read from its variable; from the file that ``<VARIABLE>_FILE`` names; or from the folder that
``TELECINE_SECRETS_DIR`` names, in which each file is named like a variable, as Kubernetes mounts a Secret.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AWS_KEYS",
    "FILE_SUFFIX",
    "FOLDER_VARIABLE",
    "declare",
    "from_file",
    "from_folder",
    "origin",
    "remember",
    "secret_values",
]

FILE_SUFFIX: Final = "_FILE"
FOLDER_VARIABLE: Final = "TELECINE_SECRETS_DIR"
# The AWS SDK's own variables for a key: id, secret, session token.
AWS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# etcd limits a whole Kubernetes Secret to 1 MiB.
_LARGEST: Final = 1 << 20
# Secrets that libraries read without a settings model.
_variables: Final = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "RAY_AUTH_TOKEN"}
# Ends of the names of files in a mounted Secret whose values are public, such as a user: hiding them would garble text.
_PUBLIC: Final = ("_ID", "_USER", "_PROFILE")
_seen: Final[set[str]] = set()


def declare(variables: Iterable[str]) -> None:
    """Declare variables whose values are secrets, for :func:`secret_values`."""
    _variables.update(variables)


def remember(value: str) -> None:
    """Add a secret that came from elsewhere, such as a flag, to :func:`secret_values`."""
    if value:
        _seen.add(value)


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


def origin() -> tuple[object, ...]:
    """Return what :func:`secret_values` depends on, except the contents of files; cheap to compare."""
    get = os.environ.get
    return (get(FOLDER_VARIABLE), len(_seen), *((get(name), get(name + FILE_SUFFIX)) for name in sorted(_variables)))


def secret_values() -> frozenset[str]:
    """Return every secret that this process knows, as plain text: from variables, files, the folder and flags.

    Sources that cannot be read are skipped, because this is called where an error is being reported.
    """
    found = {value for name in _variables if (value := os.environ.get(name))}
    paths = [Path(named) for name in _variables if (named := os.environ.get(name + FILE_SUFFIX))]
    if folder := os.environ.get(FOLDER_VARIABLE):
        # A mounted Secret also has hidden folders, which hold its versions.
        with suppress(OSError):
            paths += [
                path
                for path in Path(folder).iterdir()
                if not path.name.startswith(".") and (path.name in _variables or not path.name.endswith(_PUBLIC))
            ]
    for path in paths:
        try:
            found.add(_read(path, ""))
        except (ConfigurationError, OSError):
            continue
    return frozenset(value for value in found | _seen if value)


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
