"""Logging: readable lines on a terminal, JSON lines elsewhere; secrets are removed from both.

A JSON line has ``ts`` (UTC), ``level``, ``message`` and ``logger``, then ``run``, ``step`` and ``item`` if known, the
call's ``extra``, and ``traceback``.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import UsageError
from shared.scrub import scrub
from shared.streams import write_error
from shared.text import as_json, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HumanFormatter", "JsonFormatter", "bind", "bound", "configure", "in_pod", "is_human"]

_LOG: Final = logging.getLogger("telecine")
_OURS: Final = ("jobs", "shared", "telecine", "workflows")
_BOUND: ContextVar[dict[str, str]] = ContextVar("telecine_logs_bound")
# Threads and Ray's callbacks start with an empty context, so the process's run and step are kept here.
_process: dict[str, str] = {}

_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m", "DEBUG": "\x1b[2m"}


def in_pod() -> bool:
    """Return whether this process runs in a Kubernetes pod."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def is_human() -> bool:
    """Return whether standard error is a terminal, outside a pod."""
    return sys.stderr.isatty() and not in_pod()


def bound() -> dict[str, str]:
    """Return the names that :func:`bind` set in this context: any of ``run``, ``step``, ``item``."""
    return {**_process, **_BOUND.get({})}


@contextmanager
def bind(
    *, run: str | None = None, step: str | None = None, item: str | None = None, process: bool = False
) -> Iterator[None]:
    """Add names to every log line written inside the block.

    Args:
        run: the run's id.
        step: ``pipeline step``.
        item: the current item, such as a TAR's key.
        process: apply to all threads of the process, not only to this context.
    """
    given = {key: value for key, value in (("run", run), ("step", step), ("item", item)) if value is not None}
    if process:
        before = dict(_process)
        _process.update(given)
        try:
            yield
        finally:
            _process.clear()
            _process.update(before)
        return
    token = _BOUND.set({**_BOUND.get({}), **given})
    try:
        yield
    finally:
        _BOUND.reset(token)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _PLAIN and not key.startswith("_")}


def _message(record: logging.LogRecord) -> str:
    """Return a record's message, whatever its arguments are; logging would print them unmasked."""
    for text in (record.getMessage, lambda: f"{record.msg} {record.args!r}"):
        with suppress(Exception):  # arguments that do not fit, or that cannot be shown
            return text()
    return "a message that cannot be shown"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for one record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "ts": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "message": _message(record),
            "logger": record.name,
            **bound(),
        }
        line.update({key: value for key, value in _extra(record).items() if key not in line})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return as_json(line)
        except Exception:  # noqa: BLE001 - an extra of too many levels, or one that cannot be shown
            return as_json({name: value for name, value in line.items() if isinstance(value, str)})


class HumanFormatter(logging.Formatter):
    """Formats a record as ``12:03:04 WARNING message [item]``, in colour on a terminal.

    Args:
        colour: write ANSI colours.
    """

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for one record; INFO is not spelled out."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        text = _message(record)
        if record.levelno != logging.INFO:
            text = f"{record.levelname} {text}"
        item = bound().get("item")
        if item and item not in text:
            text += f" [{item}]"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        # Indented, so that a line break in a name cannot forge a line.
        text = printable(scrub(text)).replace("\n", "\n    ")
        colour = _COLOURS.get(record.levelname, "")
        return f"\x1b[2m{moment}\x1b[0m {colour}{text}\x1b[0m" if self._colour else f"{moment} {text}"


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to the current ``sys.stderr``: a rich progress bar replaces it so that lines do not tear the bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        """Stay silent after the reader has closed the pipe (``2>&1 | head``)."""
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            _tell_of_lost_line()


def _tell_of_lost_line() -> None:
    # Instead of logging's own report, which shows the record's arguments unmasked.
    error = sys.exc_info()[1]
    with suppress(Exception):
        write_error(f"a log line could not be written: {type(error).__name__}: {error}")


class _FileHandler(logging.FileHandler):
    """A log file that may run out of disk space; the run continues, and standard error has the lines."""

    _warned = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        """Warn once that the file cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _tell_of_lost_line()
        elif not self._warned:
            self._warned = True
            logging.getLogger(__name__).warning(
                "cannot write to the log file %s (%s); logging only to standard error from now on",
                self.baseFilename,
                error.strerror,
            )

    def close(self) -> None:
        """Close the file; lines that could not be written are lost."""
        with suppress(OSError):
            super().close()


def configure(level: str = "INFO", log_file: str | None = None, form: str = "auto") -> None:
    """Set up logging for the process; a second call replaces the first setup.

    Third-party lines below WARNING are dropped at every level: botocore's DEBUG lines contain credentials.

    Args:
        level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
        log_file: file to which JSON lines are appended as well; its folder is created.
        form: ``text``, ``json``, or ``auto`` to decide by :func:`is_human`.

    Raises:
        UsageError: the file cannot be opened.
    """
    shown = is_human() if form == "auto" else form == "text"
    stderr = _StderrHandler()
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    stderr.setFormatter(HumanFormatter(colour=colour) if shown else JsonFormatter())
    handlers: list[logging.Handler] = [stderr]
    if log_file is not None:
        try:
            Path(log_file).parent.mkdir(parents=True, exist_ok=True)
            file = _FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"--log-file {log_file}: cannot be opened ({error.strerror}); expected the path of a writable file"
            ) from error
        file.setFormatter(JsonFormatter())
        handlers.append(file)
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, HumanFormatter | JsonFormatter):
            root.removeHandler(old)
            old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
    _log_uncaught()


def _log_uncaught() -> None:
    """Log exceptions that nothing catches, also those of threads and destructors; Python would print them unmasked.

    Hooks that a debugger, a test runner or Ray has set are kept.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = lambda _kind, error, _trace: _uncaught("the program", error)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda args: _uncaught(f"thread {args.thread and args.thread.name}", args.exc_value)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda args: _uncaught(args.err_msg or "a destructor", args.exc_value)


def _uncaught(where: str, error: BaseException | None) -> None:
    if error is None or isinstance(error, SystemExit):
        return
    with suppress(Exception):  # at the end of the process, when parts of Python are gone
        _LOG.critical("uncaught in %s: %r", where, error, exc_info=error)
