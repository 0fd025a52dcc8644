"""Every test runs in a hermetic environment, whatever the machine has configured."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import is_hypothesis_test, settings

from shared import scrub, secrets
from tests.docs.summary import write_summary
from tests.short_reports import pytest_report_from_serializable, pytest_sessionstart
from tests.skips import pytest_sessionfinish, write_skips

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _pytest.terminal import TerminalReporter

__all__ = [
    "hermetic_process",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_report_from_serializable",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
]

# jsonschema imports it for formats that no schema of ours names, and its grammars take 1.3 s of processor time.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# Tests change secrets, so each call looks for them.
vars(scrub)["FRESH_S"] = 0.0

# Test machines are shared and sometimes slow: a slow example is not a failure. Each run draws other examples; of the
# usual 100, the second half takes 20 s of a run's processor time.
settings.register_profile("telecine", deadline=None, max_examples=50)
settings.load_profile("telecine")


# One thread for each test process and what it starts: threads of OpenMP and OpenBLAS spin while they wait for a core
# that another test has. That took a twelfth of the processor time of tests/unit.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

# Of a whole run, with all that it keeps until its end, 3 GB are used.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 6 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory if there is room, unless TMPDIR says where.

    ext4 does not give out inodes that were freed within the last minutes: each new file looks through all of them, and
    half of the processor time of these tests went into the files of databases that are made and dropped.
    """
    if hasattr(config, "workerinput") or "TMPDIR" in os.environ:
        return
    try:
        place = os.statvfs(_MEMORY)
    except OSError:
        return
    room = min(place.f_bavail * place.f_frsize, psutil.virtual_memory().available)
    if room < _MEMORY_BYTES or place.f_flag & os.ST_NOEXEC:
        return
    for left in _MEMORY.glob("telecine-[0-9]*-*"):
        if not psutil.pid_exists(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    # A short name: a socket's path has at most 103 bytes.
    folder = tempfile.mkdtemp(prefix=f"telecine-{os.getpid()}-", dir=_MEMORY)
    # Servers run as another user, who must reach what is below.
    Path(folder).chmod(0o755)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempt modules and collected tests from garbage collection: they live until the end.

    Collecting tests/unit takes 9 s of processor time instead of 16 s, and no later full collection walks its objects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # Of Python's 700 new objects, a single test makes many times that number.
        gc.set_threshold(50_000)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    write_summary(terminalreporter)
    write_skips(terminalreporter)


# After pytest-randomly, which shuffles first.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the browser's files to the start, the many small ones to the end. Choose the tests whose coverage counts.

    A worker takes one file after the other. At the end, one that takes minutes would keep the other worker waiting:
    without --no-loadscope-reorder, xdist puts files with one test last, the longest of all among them. Files of
    tests/browser follow each other, since they share a browser. The order is random otherwise.
    """
    small = Path(__file__).parent / "unit"
    is_below = cache(Path.is_relative_to)
    browser = small.with_name("browser")
    items.sort(key=lambda item: (not is_below(item.path, browser), is_below(item.path, small)))
    # Tracing doubles the processor time of Python code. These two folders reach what there is to reach: other tests can
    # only raise the figure, and property tests repeat the same lines a hundred times.
    counted = (small, small.with_name("integration"))
    for item in items:
        _check_name(item)
        is_counted = any(is_below(item.path, folder) for folder in counted)
        if not is_counted or is_hypothesis_test(getattr(item, "function", None)):
            item.add_marker("no_cover")


def _check_name(item: pytest.Item) -> None:
    """Refuse a set in a test's name: each process writes it in another order, and xdist compares the names."""
    case = getattr(item, "callspec", None)
    for value in () if case is None else case.params.values():
        if isinstance(value, set | frozenset) and len(value) > 1 and str(value) in item.name:
            raise pytest.UsageError(f"{item.nodeid} has a set in its name; expected a list, or names by `ids`")


_PREFIXES = ("TELECINE_", "AWS_", "ARGO_", "KUBERNETES_", "PG")
_NAMES = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "S3_ENDPOINT_URL")
# Neither the developer's AWS profile nor a cloud machine's own role.
_NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_ROOT = logging.getLogger()
_LOGGERS = (_ROOT, *map(logging.getLogger, ("jobs", "shared", "telecine", "workflows")))


@pytest.fixture(autouse=True)
def hermetic_process() -> Iterator[None]:
    """Keep the machine's configuration and the process's state from every test.

    One fixture, without monkeypatch: four of them took 0.3 ms of each test, 5 s of a whole run.
    """
    scheduler = os.sched_getscheduler(0)
    variables = {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES) or name in _NAMES}
    for name in variables:
        del os.environ[name]
    os.environ.update(_NO_CREDENTIALS)
    levels, handlers = [logger.level for logger in _LOGGERS], list(_ROOT.handlers)
    seen = set(secrets._seen)
    secrets._seen.clear()
    yield
    secrets._seen.clear()
    secrets._seen.update(seen)
    for handler in set(_ROOT.handlers) - set(handlers):
        _ROOT.removeHandler(handler)
        handler.close()
    for logger, level in zip(_LOGGERS, levels, strict=True):
        if logger.level != level:
            logger.setLevel(level)
    logging.captureWarnings(capture=False)
    for name in _NO_CREDENTIALS:
        os.environ.pop(name, None)
    os.environ.update(variables)
    after = os.sched_getscheduler(0)
    assert after == scheduler, "a library made this thread a real-time one: what it starts is, too"
