"""Run one embedded PostgreSQL and stop it after its last user. A script that uses only the standard library.

Every process that uses the server holds a shared lock on the users' file; the kernel releases it however the process
ends. The supervisor waits for the exclusive lock, which it gets when no user is left. PostgreSQL inherits the server's
lock, so holding that lock proves that no server runs on the data, whatever `postmaster.pid` says.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

STOP_S = 20.0
PR_SET_PDEATHSIG = 1


def _die_with_supervisor() -> None:
    """Ask the kernel to shut PostgreSQL down fast if the supervisor is killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))


def _kept_until(keep: Path) -> float:
    try:
        return float(keep.read_text())
    except (OSError, ValueError):
        return 0.0


def _wait_for_last_user(users: Path, keep: Path) -> int:
    """Return the users' file, locked exclusively, once no process uses the server and no `keep` is in effect."""
    while True:
        handle = os.open(users, os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # `telecine db url` asks for minutes; a clock set back must not keep the server running for days.
        remaining = _kept_until(keep) - time.time()
        if not 0 < remaining < 3600:  # noqa: PLR2004 - an hour
            return handle
        os.close(handle)
        time.sleep(min(remaining, 0.5))


def _stop_when_unused(server: subprocess.Popen[bytes], users: Path, keep: Path) -> None:
    handle = _wait_for_last_user(users, keep)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
    # The lock is held until this process ends, so that a new user finds either a running server or none.
    os.set_inheritable(handle, False)


def main(arguments: list[str]) -> int:
    """Run ``postgres`` until its last user is gone; return its exit status.

    Args:
        arguments: users' lock file, keep file, log file, uid, gid, descriptor of the server's lock; then the command.
    """
    users, keep, log = (Path(argument) for argument in arguments[:3])
    uid, gid, lock = (int(argument) for argument in arguments[3:6])
    command = arguments[6:]
    os.chdir("/")
    if os.fork():
        os._exit(0)
    root = os.geteuid() == 0
    with log.open("ab") as out:
        server = subprocess.Popen(  # noqa: S603 - the command comes from shared.database.embedded
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(lock,),
            preexec_fn=_die_with_supervisor,  # noqa: PLW1509 - no thread runs yet
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
            user=uid if root else None,
            group=gid if root else None,
            extra_groups=[] if root else None,
        )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: server.send_signal(signal.SIGINT))
    threading.Thread(target=_stop_when_unused, args=(server, users, keep), daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
