"""The thread pool that does not delay the exit of a process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.threads import Threads, frequent_switches


def test_a_process_ends_without_threads_that_still_wait_for_a_store() -> None:
    code = (
        "import threading; from shared.threads import Threads\n"
        "threads = Threads(2)\n"
        "for _ in range(3): threads.submit(threading.Event().wait)\n"
        "threads.shutdown()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[3])


def test_what_was_not_begun_is_not_begun_once_they_are_left() -> None:
    begun, go = threading.Event(), threading.Event()
    done = []

    def work(value: int) -> int:
        begun.set()
        go.wait(10)
        done.append(value)
        return -value

    threads = Threads(1)
    futures = [threads.submit(work, value) for value in (1, 2)]
    assert begun.wait(10)
    threads.shutdown()
    go.set()
    assert futures[0].result(10) == -1
    assert done == [1]
    assert not futures[1].done()


def test_what_a_thread_raises_comes_to_whoever_waits() -> None:
    threads = Threads(1)
    futures = [threads.submit(divmod, 1, value) for value in (0, 1)]
    with pytest.raises(ZeroDivisionError):
        futures[0].result(10)
    assert futures[1].result(10) == (1, 0)
    threads.shutdown()


def test_threads_switch_frequently_until_the_last_user_ends():
    usual = sys.getswitchinterval()
    first, second = frequent_switches(), frequent_switches()
    first.__enter__()
    assert sys.getswitchinterval() < usual
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() < usual
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual
