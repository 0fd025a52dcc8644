"""A PostgreSQL server per project, started when a command needs it and stopped with its last user.

Processes share it through three locks (`flock`, which the kernel releases when a process dies):

- ``start.lock``: held while a process checks whether the server is running and starts it;
- ``users.lock``: shared, held by every process that uses the server until it ends;
- ``server.lock``: held by the server itself, so that a stale ``postmaster.pid`` does not matter.

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

from shared.database._location import NAME, Location, find_location, make_private, restrict_to
from shared.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ensure", "keep", "release"]

START_S: Final = 60.0
AGAIN_S: Final = 6.0
LOG_BYTES: Final = 1_000_000
_NO_SPACE: Final = "No space left on device"
# A new server and its first runs: initdb writes 40 MB, and the write-ahead log needs several segments of 16 MB.
_FULL: Final = "Free 100 MB there, or set another --state-dir or TELECINE_DATABASE_URL; no data is lost."
_START_OVER: Final = "Delete the folder to start over, or set TELECINE_DATABASE_URL to another server."
_OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    # The default is 1/32 of shared_buffers, with which a session that loads a large file writes most of its WAL itself.
    "wal_buffers": "16MB",
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
    """Return the URL of the project's server, which now runs until this process ends or calls :func:`release`.

    Args:
        state_dir: the project's state folder; the server's files are in ``postgres`` below it. As root they may be
            below ``/var/tmp`` instead, since PostgreSQL runs as another user, which must reach them.
        options: further server settings, for tests; used only if this call starts the server.

    Raises:
        ExtraMissing: no PostgreSQL is installed.
        ConfigurationError: the server has no folder to use or no user to run as.
        DatabaseUnreachable: it does not start.
    """
    place = Path(state_dir).absolute()
    with _mutex:
        location = find_location(place)
        if not (location.base / "run").is_dir():  # the folder was deleted; its server ends by itself
            find_location.cache_clear()
            release(place)
            location = find_location(place)
        with _locked(location.base / "start.lock"):
            if place not in _held:
                # Waits while a supervisor stops the server: it holds the exclusive lock until the server has ended.
                _held[place] = _lock(location.base / "users.lock", fcntl.LOCK_SH)
            try:
                _start(location, options or {})
            except BaseException:
                os.close(_held.pop(place))
                raise
        return location.url


def keep(state_dir: str | Path, seconds: float) -> None:
    """Keep the server running for some time after its last user, for `psql`."""
    with _mutex:
        (find_location(Path(state_dir).absolute()).base / "keep_until").write_text(str(time.time() + seconds))


def release(state_dir: str | Path) -> None:
    """Stop using the server before this process ends; it stops when its last user releases it."""
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


def _start(location: Location, options: dict[str, str]) -> None:
    """Start the server unless it is running, and wait until it answers. The caller holds the start lock."""
    started = time.monotonic()
    launched = 0.0
    while not _answers(location):
        if time.monotonic() > started + START_S:
            raise _unreachable(location)
        try:
            lock = _lock(location.base / "server.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it is starting, or the server of a killed supervisor is still ending
            time.sleep(0.02)
            continue
        try:
            if launched:
                # It ended at once. A killed server's shared memory is freed within seconds, so try again.
                if time.monotonic() > launched + AGAIN_S:
                    raise _unreachable(location)
                time.sleep(0.5)
            _launch(location, options, lock)
            launched = launched or time.monotonic()
        finally:
            os.close(lock)  # the supervisor and the server hold it now


def _unreachable(location: Location) -> DatabaseUnreachable:
    tail = ""
    with suppress(OSError):
        tail = " | ".join(location.log.read_text(errors="replace").strip().splitlines()[-5:])
    return DatabaseUnreachable(
        f"the embedded PostgreSQL below '{location.base}' does not start; its log ends with: {tail or 'nothing'}."
        f" {_FULL if _NO_SPACE in tail else _START_OVER}",
        host=str(location.run),
    )


def _launch(location: Location, options: dict[str, str], lock: int) -> None:
    if location.run.parent != location.base:
        with suppress(FileExistsError):
            location.run.mkdir(0o700)
            restrict_to(location.run, location.owner)
        make_private(location.run, location.owner.uid, 0o700)
    _initialise(location)
    # Holding the server's lock proves that no server runs: a dead server's PID may belong to any process now.
    (location.data / "postmaster.pid").unlink(missing_ok=True)
    if location.log.exists() and location.log.stat().st_size > LOG_BYTES:
        location.log.unlink()
    merged = {**_OPTIONS, **options, "unix_socket_directories": str(location.run)}
    settings = [part for name, value in merged.items() for part in ("-c", f"{name}={value}")]
    # The supervisor forks and the process started here ends at once, so this process keeps no child.
    subprocess.run(  # noqa: S603 - our own script and a server that was probed
        [
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("_supervisor.py"))),
            *(str(location.base / "users.lock"), str(location.base / "keep_until"), str(location.log)),
            *(str(location.owner.uid), str(location.owner.gid), str(lock)),
            *(str(location.binaries.folder / "postgres"), "-D", str(location.data), *settings),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        cwd="/",
        # It outlives this process, whose secrets it must not keep.
        env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
        start_new_session=True,  # Ctrl-C in the terminal is only for the command
        check=True,
        timeout=START_S,
    )


def _initialise(location: Location) -> None:
    """Create the data folder, renamed into place at the end: a killed initdb leaves nothing that looks complete."""
    for draft in location.base.glob("new-*"):
        shutil.rmtree(draft, ignore_errors=True)
    if location.data.exists():
        return
    # A new name each time: a surviving child of a killed initdb may still write to the last one.
    draft = location.base / f"new-{location.binaries.major}-{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    restrict_to(draft, location.owner)
    answer = location.owner.run(
        [
            *(str(location.binaries.folder / "initdb"), "-D", str(draft), "-U", NAME, "-E", "UTF8", "--locale=C"),
            *("--auth-local=trust", "--auth-host=reject", "--no-sync"),
        ]
    )
    if answer.returncode != 0:
        output = (answer.stderr or answer.stdout).strip()[-500:]
        raise DatabaseUnreachable(
            f"initdb below '{location.base}' exited with {answer.returncode}: {' | '.join(output.splitlines())}."
            f" {_FULL if _NO_SPACE in answer.stderr else _START_OVER}",
            host=str(location.run),
        )
    draft.rename(location.data)


def _answers(location: Location) -> bool:
    """Return whether the server accepts connections; creates the database on the first one."""
    if not (location.run / ".s.PGSQL.5432").exists():
        return False
    import psycopg

    def connect(name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(location.run), user=NAME, dbname=name, connect_timeout=5, autocommit=True)

    try:
        connect(NAME).close()
    except psycopg.OperationalError as error:
        if _NO_SPACE in str(error):  # it runs but cannot serve anyone; its log may be cut off as well
            raise DatabaseUnreachable(
                f"the embedded PostgreSQL below '{location.base}' accepts no connection: {error}. {_FULL}",
                host=str(location.run),
            ) from error
        if f'database "{NAME}" does not exist' not in str(error):
            return False
        with connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{NAME}"')
    return True
