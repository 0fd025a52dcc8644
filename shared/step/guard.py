"""Map signals and exceptions to exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from shared import logs
from shared.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, ExtraMissing, Stopped, TelecineError
from shared.extras import extra_of
from shared.step import termination
from shared.streams import write_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["exit_code_of", "guarded", "load", "note_logs", "printing", "signals", "status_of"]

_LOG: Final = logging.getLogger("telecine")

_logs_ready = False


def note_logs() -> None:
    """Record that logs are set up; until then, errors are written to standard error as plain text."""
    global _logs_ready  # noqa: PLW0603 - process-wide, like logging itself
    _logs_ready = True


def load(path: str) -> Any:
    """Import and return ``module:name``.

    Raises:
        ExtraMissing: an optional dependency is not installed; the message contains the command that installs it.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise (_extra_missing(error, module) or error) from error


def _extra_missing(error: ModuleNotFoundError, importer: str = "") -> ExtraMissing | None:
    missing = (error.name or "").partition(".")[0]
    # Modules of a pipeline are named jobs.<pipeline>.….
    extra = extra_of(missing, importer.removeprefix("jobs.").partition(".")[0])
    if extra is None:
        return None
    return ExtraMissing(
        f"the Python package '{missing}', which this command needs, is not installed; "
        f"run: pip install 'telecine[{extra}]'",
        extra=extra,
        module=missing,
    )


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of an exception."""
    if isinstance(error, TelecineError | Stopped):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, ModuleNotFoundError) and (missing := _extra_missing(error)):
        return missing.exit_code
    return EXIT_BUG


def status_of(error: BaseException) -> Literal["failed", "cancelled", "interrupted"]:
    """Return the status of a step that ended with an exception."""
    if isinstance(error, KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, Stopped):
        return "cancelled" if error.signum == signal.SIGINT else "interrupted"
    return "failed"


def guarded(body: Callable[[], int]) -> int:
    """Call ``body`` with signal handlers installed, and map any exception to an exit code; never raise.

    Expected errors are logged in one line (with a traceback at ``--log-level DEBUG``); anything else is a bug, exit 70.
    """
    global _logs_ready  # noqa: PLW0603 - see note_logs
    _logs_ready = False
    try:
        with signals():
            code = body()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK if end.code is None else EXIT_USAGE
    except BaseException as error:  # noqa: BLE001 - the outermost handler maps bugs to their exit code
        _report(error)
        return exit_code_of(error)
    return code


def _report(error: BaseException) -> None:
    """Log why the command ended: one line for an expected error, a traceback for a bug."""
    if isinstance(error, ModuleNotFoundError):
        error = _extra_missing(error) or error
    termination.write(error.message if isinstance(error, TelecineError) else f"{type(error).__name__}: {error}")
    if not _logs_ready and not isinstance(error, TelecineError):
        # Without a handler of ours, logging would print the text as it is.
        logs.configure()
    if isinstance(error, Stopped | KeyboardInterrupt):
        _LOG.warning("%s", error if isinstance(error, Stopped) else "stopped by SIGINT")
    elif not isinstance(error, TelecineError):
        _LOG.critical("this is a bug in telecine; please report it with these lines: %r", error, exc_info=error)
    elif not _logs_ready:
        write_error(error.message)
    else:
        shown = error if _LOG.isEnabledFor(logging.DEBUG) else None
        _LOG.error("%s", error.message, extra={"code": error.code, "data": error.data}, exc_info=shown)


@contextmanager
def printing() -> Iterator[None]:
    """Ignore a closed standard output (``telecine … | head``), and flush it at the end.

    Wrap only printing: a broken pipe to one of our own processes is a bug and must not be ignored.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python's own flush at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def signals() -> Iterator[None]:
    """Raise :class:`Stopped` in the main thread on the first SIGINT or SIGTERM; exit immediately on the second.

    Outside the main thread, which cannot install handlers, do nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def exit_now(signum: int, _frame: FrameType | None) -> NoReturn:
        # Neither clean up nor flush, because the user has asked twice.
        os._exit(128 + signum)

    def first(signum: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, exit_now)
        signal.signal(signal.SIGTERM, exit_now)
        raise Stopped(signum)

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
