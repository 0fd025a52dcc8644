from __future__ import annotations

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.progress import Progress
from shared.rayjob import log
from shared.rayjob.launcher import Launcher
from shared.rayjob.log import DriverLog, fetch_log, show_line
from shared.rayjob.manifest import Job
from shared.rayjob.settings import RaySettings
from tests.fakes.kubernetes import Clock, FakeCluster, status


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
    asked: list = []  # noqa: RUF012 - a handler is made for each request

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/api/jobs/moved/logs":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        if self.path == "/api/jobs/garbage/logs":
            self.wfile.write(b"no HTTP\r\n\r\n")
            return
        found = {
            "/api/jobs/good/logs": b'{"logs": "one\\n"}',
            "/api/jobs/odd/logs": b"<html>",
            "/api/jobs/deep/logs": b"[" * 100_000,
        }.get(self.path)
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def dashboard():
    Dashboard.asked = []
    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_log_comes_over_http(dashboard):
    assert fetch_log(dashboard, "good") == "one\n"
    for job_id in ("odd", "deep", "garbage", "missing"):
        with pytest.raises(OSError, match=r"returned no log|404"):
            fetch_log(f"http://{dashboard}", job_id)
    assert {authorization for _, authorization in Dashboard.asked} == {None}


def test_a_head_that_is_gone_is_an_oserror():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            fetch_log(f"127.0.0.1:{closed.getsockname()[1]}", "good")


def test_the_token_goes_to_the_head_only(dashboard, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetch_log(dashboard, "good", token="sesame") == "one\n"
    assert Dashboard.asked == [("/api/jobs/good/logs", "Bearer sesame")]
    with pytest.raises(OSError, match="302"):
        fetch_log(dashboard, "moved", token="sesame")
    assert [path for path, _ in Dashboard.asked] == ["/api/jobs/good/logs", "/api/jobs/moved/logs"]


def test_a_log_beyond_the_limit_is_an_oserror(dashboard, monkeypatch):
    monkeypatch.setattr(log, "_MAX_BYTES", 10)
    with pytest.raises(OSError, match="returned no log"):
        fetch_log(dashboard, "good")


def test_the_launcher_reads_the_log_with_its_token_and_does_not_log_it(dashboard, caplog):
    settings = RaySettings(image="telecine-ray:0", auth_token="sesame")
    job = Job("gamedata", "extract", "telecine gamedata extract", "cpu", "u-1", {})
    ended = {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete", "dashboardURL": dashboard}
    clock = Clock()
    with caplog.at_level(logging.DEBUG):
        for job_id in ("good", "missing"):
            cluster = FakeCluster([status("Running", "RUNNING") | {"dashboardURL": dashboard, "jobId": job_id}])
            cluster.script.append(cluster.script[0] | ended)
            Launcher(cluster, settings, job, sleep=clock.sleep, clock=clock).run()
    assert {authorization for _, authorization in Dashboard.asked} == {"Bearer sesame"}
    assert "cannot read the driver's log" in caplog.text
    assert "sesame" not in caplog.text + repr(settings)


def test_a_line_of_the_driver_is_written_again_without_secrets_and_escapes(capsys):
    show_line(json.dumps({"message": "x \x9b31m \u202e AKIAABCDEFGHIJKLMNOP", "level": "INFO"}, ensure_ascii=False))
    line = capsys.readouterr().err
    assert "AKIA" not in line
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["message"] == "x \x9b31m \u202e ***"


def test_a_line_that_nests_too_deeply_is_a_line_of_text(caplog):
    with caplog.at_level(logging.INFO):
        show_line("[" * 200_000)
    assert caplog.records[-1].getMessage().startswith("[[[")


def test_a_line_with_a_value_that_nests_too_deeply_is_written_as_text(capsys):
    line = f'{{"message": "AKIAABCDEFGHIJKLMNOP", "level": "INFO", "a": {"[" * 700}{"]" * 700}}}'
    show_line(line)
    shown = json.loads(capsys.readouterr().err)
    assert shown["level"] == "INFO"
    assert shown["message"].startswith('{"message": "***", ')
