from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.progress import Progress
from shared.rayjob.log import DriverLog, fetch_log, show_line


class Head:
    """Gives one text after the other; an exception stands for a head that does not answer."""

    def __init__(self, *texts):
        self.texts = list(texts)
        self.asked = set()

    def __call__(self, dashboard, job_id):
        self.asked.add((dashboard, job_id))
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return text


def follow(*texts, last=True):
    shown = []
    head = Head(*texts)
    log = DriverLog(show=shown.append, fetch=head)
    answers = [log.poll("h:8265", "j", last=last and not head.texts[1:]) for _ in texts]
    return shown, answers


def test_each_line_is_shown_once_and_whole():
    shown, _ = follow("", "one\ntw", "one\ntwo\n", "one\ntwo\n", "one\ntwo\nthr", "one\ntwo\nthree")
    assert shown == ["one", "two", "three"]


def test_a_head_that_is_away_meanwhile_doubles_and_loses_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        shown, answers = follow("one\n", OSError("refused"), OSError("refused"), "one\ntwo\n", "one\ntwo\nthree\n")
    assert shown == ["one", "two", "three"]
    assert answers == [True, False, False, True, True]
    assert caplog.text.count("cannot read the driver's log") == 1


@pytest.mark.parametrize("second", ["b one\n", "b one\nb two\nb three\nb four\n"], ids=["shorter", "longer"])
def test_a_driver_that_began_anew_is_shown_from_its_beginning(second, caplog):
    shown, _ = follow("a one\na two\n", second)
    assert shown == ["a one", "a two", *second.splitlines()]
    assert "the driver has restarted" in caplog.text


def test_an_unfinished_line_waits():
    shown, _ = follow("one\ntw", last=False)
    assert shown == ["one"]


def test_json_lines_pass_as_they_are_and_others_become_one(capsys, caplog):
    line = json.dumps({"level": "INFO", "message": "hello", "run": "r"})
    with caplog.at_level(logging.INFO, logger="shared.rayjob.log"):
        show_line(line)
        show_line("2026-01-01 INFO ray started")
    assert capsys.readouterr().err == f"{line}\n"
    assert [record.getMessage() for record in caplog.records] == ["2026-01-01 INFO ray started"]


def test_progress_reaches_argo_as_the_driver_logs_it(tmp_path, monkeypatch, caplog, capsys):
    file = tmp_path / "progress"
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(file))
    times = iter(range(0, 1000, 20))
    progress = Progress("extract", clock=lambda: float(next(times)))
    with caplog.at_level(logging.INFO):
        progress.start(10, "TARs")
        progress.advance(3)
    (record,) = [each for each in caplog.records if "3 of 10" in each.getMessage()]
    file.unlink()
    show_line(json.dumps({"message": record.getMessage(), "done": record.done, "total": record.total}))
    assert file.read_text() == "3/10\n"
    show_line(json.dumps({"message": "no progress", "done": "x"}))
    assert file.read_text() == "3/10\n"


class Dashboard(BaseHTTPRequestHandler):
    def do_GET(self):
        found = {"/api/jobs/good/logs": b'{"logs": "one\\n"}', "/api/jobs/odd/logs": b"<html>"}.get(self.path)
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_):
        pass


def test_the_log_comes_over_http():
    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        assert fetch_log(address, "good") == "one\n"
        for job_id in ("odd", "missing"):
            with pytest.raises(OSError, match=r"returned no log|404"):
                fetch_log(f"http://{address}", job_id)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(OSError, match="refused"):
        fetch_log(address, "good")
