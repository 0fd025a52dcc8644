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
from tests.skips import pytest_sessionfinish, write_skips

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _pytest.terminal import TerminalReporter

__all__ = [
    "hermetic_environment",
    "logging_as_before",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "scheduling_as_before",
    "secrets_as_the_test_sets_them",
]

# jsonschema imports it for formats that no schema of ours names, and its grammars take 1.3 s of processor time.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# Test machines are shared and sometimes slow: a slow example is not a failure.
settings.register_profile("telecine", deadline=None)
settings.load_profile("telecine")


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
        gc.set_threshold(10_000)


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
        is_counted = any(is_below(item.path, folder) for folder in counted)
        if not is_counted or is_hypothesis_test(getattr(item, "function", None)):
            item.add_marker("no_cover")


_PREFIXES = ("TELECINE_", "AWS_", "ARGO_", "KUBERNETES_", "PG")
_NAMES = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "S3_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def hermetic_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES:
            monkeypatch.delenv(name)
    # Neither the developer's AWS profile nor a cloud machine's own role.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def scheduling_as_before() -> Iterator[None]:
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before, "a library made this thread a real-time one: what it starts is, too"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    names = ("", "jobs", "shared", "telecine", "workflows")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = list(root.handlers)
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture(autouse=True)
def secrets_as_the_test_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for secrets at every call, and forget those of other tests."""
    monkeypatch.setattr(scrub, "FRESH_S", 0.0)
    monkeypatch.setattr(secrets, "_seen", set())
