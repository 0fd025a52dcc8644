"""Folders of the embedded server (below ``--state-dir``) and the user that runs it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from shared.database._binaries import Binaries, Owner, find_binaries, server_owner
from shared.errors import ConfigurationError

__all__ = ["NAME", "Location", "find_location", "make_private", "restrict_to"]

NAME: Final = "telecine"
# sockaddr_un has room for 108 bytes on Linux and 104 on macOS, including the terminating NUL.
SOCKET_BYTES: Final = 103
# For root's projects whose own folder the server's user cannot reach.
_COMMON: Final = Path("/var/tmp/telecine-0")  # noqa: S108 - its owner is checked


@dataclass(frozen=True, slots=True)
class Location:
    """Folders of one server and the user that runs it."""

    base: Path
    owner: Owner
    binaries: Binaries

    @property
    def data(self) -> Path:
        return self.base / f"data-{self.binaries.major}"

    @property
    def log(self) -> Path:
        return self.base / "server.log"

    @property
    def run(self) -> Path:
        """Return the folder of the socket: a short one in /tmp if the project's path is too long for a socket."""
        folder = self.base / "run"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_BYTES:
            return folder
        return Path("/tmp") / f"telecine-{self.owner.uid}-{_digest(self.base)}"  # noqa: S108 - its owner is checked

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{NAME}@/{NAME}?host={quote(str(self.run), safe='/')}"


@cache
def find_location(state_dir: Path) -> Location:
    """Return the folders of a project's server, creating them if needed.

    Args:
        state_dir: absolute path of the project's state folder.

    Raises:
        ExtraMissing: no PostgreSQL is installed.
        ConfigurationError: the server has no folder to use or no user to run as.
    """
    owner = server_owner()
    if owner is None:
        raise ConfigurationError(
            "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody' for it."
            " Run telecine as another user, or set TELECINE_DATABASE_URL to a server."
        )
    candidates = [state_dir / "postgres"] + ([_COMMON / _digest(state_dir)] if owner.drop else [])
    reasons: list[str] = []
    for base in candidates:
        try:
            if base.parent == _COMMON:
                _common()
            base.mkdir(parents=True, exist_ok=True)
            (base / "run").mkdir(exist_ok=True)
            restrict_to(base / "run", owner)
        except OSError as error:
            reasons.append(f"{base}: {error.strerror or error}")
            continue
        if owner.can_write(base / "run"):
            return Location(base, owner, find_binaries(owner, _common if owner.drop else None))
        reasons.append(f"{base}: the user with id {owner.uid} cannot write there")
        with suppress(OSError):
            (base / "run").rmdir()
            base.rmdir()
    raise ConfigurationError(
        f"no folder can be used for the embedded PostgreSQL ({'; '.join(reasons)}). Set another --state-dir, or"
        " set TELECINE_DATABASE_URL to a server."
    )


def _common() -> Path:
    make_private(_COMMON, 0, 0o755)
    return _COMMON


def restrict_to(folder: Path, owner: Owner) -> None:
    """Make a folder accessible to the server's user only, and refuse a link, which could lead root to any folder.

    Raises:
        OSError: it is not a folder, or belongs to another user.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link; expected a folder", str(folder))
    if owner.drop:
        os.chown(folder, owner.uid, owner.gid, follow_symlinks=False)
    if stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004 - a mode
        folder.chmod(0o700)


def make_private(folder: Path, uid: int, mode: int) -> None:
    """Create a folder in a place that everyone may write to; reject one that another user created."""
    with suppress(FileExistsError):
        folder.mkdir(mode)
        folder.chmod(mode)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise ConfigurationError(f"'{folder}' belongs to another user. Delete it, or set TELECINE_DATABASE_URL.")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
