from __future__ import annotations

import io
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.progress import NullProgress, Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock():
    return Clock()


def test_the_line_has_counts_rate_and_time_left(clock):
    progress = NullProgress(clock=clock)
    progress.start(10, "TARs")
    progress.advance(3, failed=1, skipped=0)
    assert progress.text() == "3 of 10 TARs, failed 1"
    clock.now = 6.0
    assert progress.text() == "3 of 10 TARs, failed 1, 0.5 TARs/s, 14 s left"


def test_a_rate_of_one_item_or_of_the_first_seconds_is_not_shown(clock):
    progress = NullProgress(clock=clock)
    progress.start(5, "TARs")
    clock.now = 20.0
    progress.advance()
    assert progress.text() == "1 of 5 TARs"
    clock.now = 4.0
    progress.advance()
    assert progress.text() == "2 of 5 TARs"
    progress.advance(3)
    assert progress.text() == "5 of 5 TARs, 1.25 TARs/s"


def test_log_lines_come_every_15_seconds_and_at_the_end(clock, caplog):
    caplog.set_level(logging.INFO, "shared.progress")
    progress = Progress("extract", clock=clock)
    progress.start(100, "TARs")
    for second in range(40):
        clock.now = float(second)
        progress.advance()
    progress.finish()
    progress.finish()
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "extract: 16 of 100 TARs",
        "extract: 31 of 100 TARs",
        "extract: 40 of 100 TARs",
    ]


def test_argos_file_has_n_of_m(clock, tmp_path, monkeypatch):
    path = tmp_path / "progress"
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(path))
    progress = Progress(clock=clock)
    progress.start(3)
    assert path.read_text() == "0/3\n"
    progress.advance()
    assert path.read_text() == "0/3\n"
    clock.now = 1.0
    progress.advance()
    assert path.read_text() == "2/3\n"
    progress.advance(5)
    progress.finish()
    assert path.read_text() == "3/3\n"


def test_nothing_to_do_is_all_done_in_argos_form(tmp_path, monkeypatch):
    path = tmp_path / "progress"
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(path))
    progress = Progress()
    progress.start(0)
    assert path.read_text() == "1/1\n"


def test_a_progress_file_that_cannot_be_written_stops_nothing(monkeypatch):
    monkeypatch.setenv("ARGO_PROGRESS_FILE", "/dev/null/progress")
    progress = Progress()
    progress.start(1)
    progress.advance()
    progress.finish()
    assert progress.done == 1


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress("extract")
    progress.start(4, "TARs")
    progress.advance(failed=2)
    progress.finish()
    assert "extract" in terminal.getvalue()
    assert "1/4" in terminal.getvalue()
    assert "failed 2" in terminal.getvalue()


def test_a_log_line_and_a_bar_share_the_terminal(monkeypatch):
    from shared import logs

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    logs.configure("INFO")
    progress = Progress("extract")
    progress.start(4)
    logging.getLogger("jobs.x").warning("careful now")
    progress.finish()
    assert "careful now" in terminal.getvalue()


def test_a_pod_gets_no_bar(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    caplog.set_level(logging.INFO, "shared.progress")
    progress = Progress()
    progress.start(1)
    progress.advance()
    progress.finish()
    assert sys.stderr.getvalue() == ""
    assert "1 of 1 items" in caplog.text


def test_starting_again_begins_anew():
    progress = NullProgress()
    progress.start(2)
    progress.advance(2, failed=1)
    progress.start(5, "rows")
    assert (progress.done, progress.total, progress.unit, progress.counts) == (0, 5, "rows", {})


def test_threads_lose_no_count():
    progress = NullProgress()
    progress.start(4000)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4000):
            pool.submit(progress.advance, failed=1)
    assert (progress.done, progress.counts) == (4000, {"failed": 4000})
