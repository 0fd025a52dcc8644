"""Start a run as a child process, in a session of its own: Ctrl-C and the console's end do not reach it.

A run that has begun is finished even if the console stops: in a cluster, a Workflow does the same, and stopping it
halfway would leave the upload to a second run. At most :data:`SLOTS` run at once, over all consoles with the same state
directory: each holds the lock of a file, which the operating system releases at its end.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from jobs.console.launch.model import Ended, Outcome
from shared.errors import ConfigurationError
from shared.settings.base import ENCODED_SUFFIX
from shared.settings.database import DatabaseSettings
from shared.settings.storage import StorageSettings

if TYPE_CHECKING:
    from jobs.console.launch.model import Launch
    from jobs.console.settings import ConsoleSettings

__all__ = ["SLOTS", "command", "ended", "log_file", "start"]

SLOTS: Final = 2
"""A run uses up to 2 GB and two cores."""

_MAIN: Final = "from jobs.cli import main; main()"
# Parameters that are passed by position.
_POSITIONAL: Final = ("files", "number")
_SWITCHES: Final = ("round-money", "all")
# The last line of a log.
_TAIL_BYTES: Final = 8_192

_running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
_lock: Final = threading.Lock()


def start(settings: ConsoleSettings, launch: Launch) -> Outcome:
    """Start the command, unless it is running already or too many others are.

    Args:
        settings: its state directory, database and store are those of the command.
        launch: the request.

    Raises:
        ConfigurationError: the state directory cannot be written, or the command cannot be started.
    """
    with _lock:
        try:
            slot = _take_slot(settings, launch.name)
        except OSError as error:
            raise ConfigurationError(
                f"{_folder(settings)} cannot be written: {error.strerror}; expected a folder of this user; pass another"
                " --state-dir"
            ) from error
        if slot is None:
            return Outcome("requested", message=f"queued: {SLOTS} other runs are in progress")
        if slot < 0:
            return Outcome("started", run_id=launch.name)
        try:
            _running[launch.name] = (_spawn(settings, launch, slot), log_file(settings, launch.name))
        except OSError as error:
            raise ConfigurationError(
                f"telecine viewership {launch.step} cannot be started: {error.strerror}"
            ) from error
        finally:
            os.close(slot)
    return Outcome("started", run_id=launch.name)


def ended() -> list[Ended]:
    """Return the child processes of this console that have ended since the last call."""
    found = []
    with _lock:
        for name, (process, log) in list(_running.items()):
            code = process.poll()
            if code is not None:
                del _running[name]
                found.append(Ended(name, code, _last_line(log) or f"telecine viewership ended with {code}"))
    return found


def command(launch: Launch) -> list[str]:
    """Return the command line; text of users is a flag's value or an argument, and never taken for a flag."""
    flags = [
        f"--{name}" if name in _SWITCHES else f"--{name}={text}"
        for name, text in launch.parameters.items()
        if name not in _POSITIONAL and not (name in _SWITCHES and text != "true")
    ]
    words = [launch.parameters[name] for name in _POSITIONAL if name in launch.parameters]
    # -P: nothing is imported from the current folder.
    return [
        sys.executable,
        "-P",
        "-c",
        _MAIN,
        "viewership",
        launch.step,
        *flags,
        f"--run-id={launch.name}",
        "--",
        *words,
    ]


def log_file(settings: ConsoleSettings, name: str) -> Path:
    """Return the file that holds the output of a run's command."""
    return _folder(settings) / f"{name}.log"


def _folder(settings: ConsoleSettings) -> Path:
    return Path(os.path.abspath(settings.state_dir)) / "console"  # noqa: PTH100 - as everywhere


def _take_slot(settings: ConsoleSettings, name: str) -> int | None:
    """Return a locked file; -1 if the run holds one already; None if all are locked."""
    folder = _folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    taken: int | None = None
    for number in range(SLOTS):
        slot = os.open(folder / f"slot-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(slot, 100, 0).decode(errors="replace")
            os.close(slot)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if holder == name:
                if taken is not None:
                    os.close(taken)
                return -1
            continue
        if taken is None:
            taken = slot
        else:
            os.close(slot)
    if taken is not None:
        os.ftruncate(taken, 0)
        os.pwrite(taken, name.encode(), 0)
    return taken


def _spawn(settings: ConsoleSettings, launch: Launch, slot: int) -> subprocess.Popen[bytes]:
    mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    log = os.open(log_file(settings, launch.name), mode, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own command; texts are values of flags
            command(launch),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(settings),
            # The child keeps the lock of its slot until it ends.
            pass_fds=(slot,),
            start_new_session=True,
        )
    finally:
        os.close(log)


def _environment(settings: ConsoleSettings) -> dict[str, str]:
    """Return the console's variables, with the database and the store that its flags name; secrets only here."""
    found = dict(os.environ)
    for model in (DatabaseSettings, StorageSettings):
        for field in model.model_fields:
            value = getattr(settings, field)
            if value is None:
                continue
            variable = model.variables(field)[0]
            found.pop(variable + ENCODED_SUFFIX, None)
            found[variable] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    found["TELECINE_STATE_DIR"] = os.path.abspath(settings.state_dir)  # noqa: PTH100
    # A command that is not part of the console's own run.
    for name in ("TELECINE_RUN_ID", "TELECINE_REPORT_DIR", "TELECINE_LOG_FILE"):
        found.pop(name, None)
    found["TELECINE_VIEWERSHIP_BUCKET"] = settings.viewership_bucket
    if settings.formats_dir is not None:
        found["TELECINE_VIEWERSHIP_FORMATS_DIR"] = settings.formats_dir
    return found


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    line = next((each for each in reversed(lines) if each.strip()), "")
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(line)["message"])
    # The first line of a usage error names the flag; the others list valid ones.
    return next((each for each in lines if each.startswith("telecine ")), line)
