"""Where an embedded server lives, and as whom."""

from __future__ import annotations

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

__all__ = ["NAME", "Site", "find_site", "own", "private"]

NAME: Final = "telecine"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with a terminating NUL.
SOCKET_BYTES: Final = 103
# Of root's projects whose own folder the server's user cannot reach.
_COMMON: Final = Path("/var/tmp/telecine-0")  # noqa: S108 - its owner is checked


@dataclass(frozen=True, slots=True)
class Site:
    """Where one server lives, and as whom."""

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
        """Folder of the socket: a short one in /tmp where the project's path is too long for a socket."""
        folder = self.base / "run"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_BYTES:
            return folder
        return Path("/tmp") / f"telecine-{self.owner.uid}-{_digest(self.base)}"  # noqa: S108 - its owner is checked

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{NAME}@/{NAME}?host={quote(str(self.run), safe='/')}"


@cache
def find_site(state_dir: Path) -> Site:
    """Return the place of a project's server; makes its folders.

    Args:
        state_dir: absolute path of the project's folder for state.

    Raises:
        ExtraMissing: no PostgreSQL is installed.
        ConfigurationError: no folder or no user for it.
    """
    owner = server_owner()
    if owner is None:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and this machine has neither a user 'postgres' nor 'nobody' to run it as."
            " Run telecine as another user, or name a server in TELECINE_DATABASE_URL."
        )
    places = [state_dir / "postgres"] + ([_COMMON / _digest(state_dir)] if owner.drop else [])
    reasons: list[str] = []
    for base in places:
        try:
            if base.parent == _COMMON:
                _common()
            base.mkdir(parents=True, exist_ok=True)
            (base / "run").mkdir(exist_ok=True)
            own(base / "run", owner)
        except OSError as error:
            reasons.append(f"{base}: {error.strerror or error}")
            continue
        if owner.can_write(base / "run"):
            return Site(base, owner, find_binaries(owner, _common if owner.drop else None))
        reasons.append(f"{base}: the user with id {owner.uid} cannot write there")
        with suppress(OSError):
            (base / "run").rmdir()
            base.rmdir()
    raise ConfigurationError(
        f"there is no folder for the embedded PostgreSQL ({'; '.join(reasons)}). Give one with --state-dir, or name a"
        " server in TELECINE_DATABASE_URL."
    )


def _common() -> Path:
    private(_COMMON, 0, 0o755)
    return _COMMON


def own(folder: Path, owner: Owner) -> None:
    """Give a folder to the server's user alone."""
    if owner.drop:
        os.chown(folder, owner.uid, owner.gid, follow_symlinks=False)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:  # noqa: PLR2004 - a mode
        folder.chmod(0o700)


def private(folder: Path, uid: int, mode: int) -> None:
    """Make a folder in a place that everyone may write; refuse one that somebody else put there."""
    with suppress(FileExistsError):
        folder.mkdir(mode)
        folder.chmod(mode)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise ConfigurationError(f"'{folder}' belongs to somebody else. Remove it, or name a TELECINE_DATABASE_URL.")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
