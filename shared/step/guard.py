"""From signals and exceptions to exit codes (DESIGN §5)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from shared.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, ExtraMissing, Stopped, TelecineError
from shared.extras import EXTRA_OF
from shared.step import termination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["exit_code_of", "guarded", "load", "note_logs", "printing", "signals", "status_of"]

_LOG: Final = logging.getLogger("telecine")

_logs_ready = False


def note_logs() -> None:
    """Remember that logs are set up; before that, errors go to standard error as plain text."""
    global _logs_ready  # noqa: PLW0603 - as process-wide as logging itself
    _logs_ready = True


def load(place: str) -> Any:
    """Import ``module:name``.

    Raises:
        ExtraMissing: an optional dependency of the module is not installed; the message has the line that installs it.
    """
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise (_extra_missing(error) or error) from error


def _extra_missing(error: ModuleNotFoundError) -> ExtraMissing | None:
    missing = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(missing)
    if extra is None:
        return None
    return ExtraMissing(
        f"this command needs the Python package '{missing}', which is not installed; "
        f"install it with: pip install 'telecine[{extra}]'",
        extra=extra,
        module=missing,
    )


def exit_code_of(error: BaseException) -> int:
    """Return the exit code that an exception means."""
    if isinstance(error, TelecineError | Stopped):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, ModuleNotFoundError) and (missing := _extra_missing(error)):
        return missing.exit_code
    return EXIT_BUG


def status_of(error: BaseException) -> Literal["failed", "cancelled", "interrupted"]:
    """Return the status that an exception gives a step."""
    if isinstance(error, KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, Stopped):
        return "cancelled" if error.signum == signal.SIGINT else "interrupted"
    return "failed"


def guarded(body: Callable[[], int]) -> int:
    """Call ``body`` with the signals set, and map what it raises to an exit code; nothing is raised.

    An expected error is one line (with a traceback at ``--log-level DEBUG``); anything else is a bug of ours, 70.
    """
    global _logs_ready  # noqa: PLW0603 - see note_logs
    _logs_ready = False
    try:
        with signals():
            code = body()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK if end.code is None else EXIT_USAGE
    except BaseException as error:  # noqa: BLE001 - the last place that can turn a bug into its exit code
        _tell(error)
        return exit_code_of(error)
    return code


def _tell(error: BaseException) -> None:
    """Say what ended the command: one line for what was expected, a traceback for a bug."""
    if isinstance(error, ModuleNotFoundError):
        error = _extra_missing(error) or error
    termination.leave(error.message if isinstance(error, TelecineError) else f"{type(error).__name__}: {error}")
    if isinstance(error, Stopped | KeyboardInterrupt):
        _LOG.warning("%s", error if isinstance(error, Stopped) else "stopped by SIGINT")
    elif not isinstance(error, TelecineError):
        _LOG.critical("this is a bug of ours, please report it with these lines: %r", error, exc_info=error)
    elif not _logs_ready:
        sys.stderr.write(f"{error.message}\n")
    else:
        shown = error if _LOG.isEnabledFor(logging.DEBUG) else None
        _LOG.error("%s", error.message, extra={"code": error.code, "data": error.data}, exc_info=shown)


@contextmanager
def printing() -> Iterator[None]:
    """Let a reader of standard output go away (``telecine … | head``) without a word, and flush at the end.

    Only printing stands inside: a broken pipe to a process of ours is a bug, and must not end here.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def signals() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into :class:`Stopped` in the main thread; the second ends the process at once.

    Outside the main thread, where Python allows no handlers, nothing is set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def at_once(signum: int, _frame: FrameType | None) -> NoReturn:
        # No handlers, no flush: the person asked twice.
        os._exit(128 + signum)

    def first(signum: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, at_once)
        signal.signal(signal.SIGTERM, at_once)
        raise Stopped(signum)

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
