"""A PostgreSQL of the project's own: started when a command needs it, stopped when the last one that uses it ends.

Processes share it through three locks (`flock`, which the kernel drops when a process dies):

- ``start.lock``: held while a process looks whether the server runs, and starts it;
- ``users.lock``: shared, by every process that uses the server, until it ends;
- ``server.lock``: by the server itself, so that a stale ``postmaster.pid`` deceives no one.

It listens on a Unix socket in a folder that only its user (and root) can enter, and on no network address.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.database._site import NAME, Site, find_site, own, private
from shared.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ensure", "keep", "release"]

START_S: Final = 60.0
AGAIN_S: Final = 6.0
LOG_BYTES: Final = 1_000_000
_NO_SPACE: Final = "No space left on device"
# A new server and its first runs: initdb writes 40 MB, and the write-ahead log keeps some more of 16 MB each.
_FULL: Final = "Free 100 MB there, name another --state-dir, or a server in TELECINE_DATABASE_URL; nothing is lost."
_ANEW: Final = "Remove the folder to begin anew, or name a server in TELECINE_DATABASE_URL."
_OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "jit": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}

_mutex = threading.RLock()
_held: dict[Path, int] = {}


def ensure(state_dir: str | Path, options: dict[str, str] | None = None) -> str:
    """Return the URL of the project's server, which runs from now until this process ends or calls :func:`release`.

    Args:
        state_dir: the project's folder for state; the server's is ``postgres`` in it. As root it may be one below
            ``/var/tmp``: PostgreSQL runs as another user, which must reach it.
        options: further server settings, for tests; they count when this call starts the server.

    Raises:
        ExtraMissing: no PostgreSQL is installed.
        ConfigurationError: no folder or no user for it.
        DatabaseUnreachable: it does not start.
    """
    place = Path(state_dir).absolute()
    with _mutex:
        site = find_site(place)
        if not (site.base / "run").is_dir():  # somebody removed the folder; its server ends by itself
            find_site.cache_clear()
            release(place)
            site = find_site(place)
        with _locked(site.base / "start.lock"):
            if place not in _held:
                # Waits while a keeper stops the server: it holds the exclusive lock until the server has ended.
                _held[place] = _lock(site.base / "users.lock", fcntl.LOCK_SH)
            try:
                _start(site, options or {})
            except BaseException:
                os.close(_held.pop(place))
                raise
        return site.url


def keep(state_dir: str | Path, seconds: float) -> None:
    """Let the server stay for some time after its last user, for a person with `psql`."""
    with _mutex:
        (find_site(Path(state_dir).absolute()).base / "keep_until").write_text(str(time.time() + seconds))


def release(state_dir: str | Path) -> None:
    """Stop using the server before this process ends; the last user's release stops it."""
    with _mutex:
        handle = _held.pop(Path(state_dir).absolute(), None)
        if handle is not None:
            os.close(handle)


def _lock(path: Path, operation: int) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, operation)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = _lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _start(site: Site, options: dict[str, str]) -> None:
    """Start the server unless it runs, and wait until it answers. Called under the start lock."""
    begun = time.monotonic()
    launched = 0.0
    while not _answers(site):
        if time.monotonic() > begun + START_S:
            raise _unreachable(site)
        try:
            lock = _lock(site.base / "server.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it is starting, or what a killed keeper left is still ending
            time.sleep(0.02)
            continue
        try:
            if launched:
                # It ended at once. The shared memory of a server that was killed is free within seconds: once more.
                if time.monotonic() > launched + AGAIN_S:
                    raise _unreachable(site)
                time.sleep(0.5)
            _launch(site, options, lock)
            launched = launched or time.monotonic()
        finally:
            os.close(lock)  # the keeper and the server hold it now


def _unreachable(site: Site) -> DatabaseUnreachable:
    tail = ""
    with suppress(OSError):
        tail = " | ".join(site.log.read_text(errors="replace").strip().splitlines()[-5:])
    return DatabaseUnreachable(
        f"the embedded PostgreSQL below '{site.base}' does not start; its log ends with: {tail or 'nothing'}."
        f" {_FULL if _NO_SPACE in tail else _ANEW}",
        host=str(site.run),
    )


def _launch(site: Site, options: dict[str, str], lock: int) -> None:
    if site.run.parent != site.base:
        with suppress(FileExistsError):
            site.run.mkdir(0o700)
            own(site.run, site.owner)
        private(site.run, site.owner.uid, 0o700)
    _initialise(site)
    # Whoever holds the server's lock knows that no server runs: a number left by a dead one may be anybody's now.
    (site.data / "postmaster.pid").unlink(missing_ok=True)
    if site.log.exists() and site.log.stat().st_size > LOG_BYTES:
        site.log.unlink()
    merged = {**_OPTIONS, **options, "unix_socket_directories": str(site.run)}
    settings = [part for name, value in merged.items() for part in ("-c", f"{name}={value}")]
    # The keeper forks and the process that is started here ends at once: none remains a child of this one.
    subprocess.run(  # noqa: S603 - our own script and a server that was probed
        [
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("_keeper.py"))),
            *(str(site.base / "users.lock"), str(site.base / "keep_until"), str(site.log)),
            *(str(site.owner.uid), str(site.owner.gid), str(lock)),
            *(str(site.binaries.folder / "postgres"), "-D", str(site.data), *settings),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        cwd="/",
        start_new_session=True,  # a Ctrl-C in the terminal is for the command alone
        check=True,
        timeout=START_S,
    )


def _initialise(site: Site) -> None:
    """Make the data folder, by a rename at the end: a killed initdb leaves nothing that looks whole."""
    for draft in site.base.glob("new-*"):
        shutil.rmtree(draft, ignore_errors=True)
    if site.data.exists():
        return
    # A name of its own: an initdb whose process alone was killed may still be writing to the last one.
    draft = site.base / f"new-{site.binaries.major}-{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    own(draft, site.owner)
    answer = site.owner.run(
        [
            *(str(site.binaries.folder / "initdb"), "-D", str(draft), "-U", NAME, "-E", "UTF8", "--locale=C"),
            *("--auth-local=trust", "--auth-host=reject", "--no-sync"),
        ]
    )
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).strip()[-500:]
        raise DatabaseUnreachable(
            f"initdb below '{site.base}' ended with {answer.returncode}: {' | '.join(said.splitlines())}."
            f" {_FULL if _NO_SPACE in answer.stderr else _ANEW}",
            host=str(site.run),
        )
    draft.rename(site.data)


def _answers(site: Site) -> bool:
    """Whether the server takes connections; makes the database on the first one."""
    if not (site.run / ".s.PGSQL.5432").exists():
        return False
    import psycopg

    def connect(name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(site.run), user=NAME, dbname=name, connect_timeout=5, autocommit=True)

    try:
        connect(NAME).close()
    except psycopg.OperationalError as error:
        if _NO_SPACE in str(error):  # it runs, and can serve nobody; its log may be cut off as well
            raise DatabaseUnreachable(
                f"the embedded PostgreSQL below '{site.base}' takes no connection: {error}. {_FULL}", host=str(site.run)
            ) from error
        if f'database "{NAME}" does not exist' not in str(error):
            return False
        with connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{NAME}"')
    return True
