"""The verify step: compare stored values with recomputed ones, change nothing, and exit with 65 for damage."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.audit.verify import verify
from jobs.viewership.errors import AUDIT, STALE
from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.steps._platforms import check_platforms
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK
from shared.failure import Failure
from shared.report import Report, Shares, Table
from shared.report.sections import CHECKED
from shared.report.terminal import counted, find_table, print_line, print_table
from shared.settings import StepSettings
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.viewership.audit.model import Finding
    from jobs.viewership.audit.verify import Audit
    from shared.ledger import StageRun

__all__ = ["run", "show_verify"]

CHECKS: Final = "Checks"
FINDINGS: Final = "Findings"
_SUMS: Final = "Sums: expected and actual"
_SHOWN: Final = 200
# Findings in the log; the report has more.
_LOGGED: Final = 20
# Code -> what to do; {reread}, {repair} and {reprocess} are commands. Without --all, reprocess checks only what
# catalogue changes affect.
_ADVICE: Final[dict[str, str]] = {
    "SUMS": "find the lines with: {reread}",
    "UNITS": "find the lines with: {reread}",
    "VALUES": "find the lines with: {reread}",
    "FILE_MISSING": "restore it from a backup of the bucket",
    "FILE_CHANGED": "restore it from a backup of the bucket",
    "FILE_READING": "the stored rows are kept; check how the file reads with: telecine viewership formats check",
    "MATCH_MISSING": "run: {repair}",
    "MATCH": "run: {repair}",
    "SCOPE": "run: {repair}",
    "DETAIL": "run: {repair}",
    "DETAIL_MISSING": "run: {repair}",
    "DETAIL_EXTRA": "run: {repair}",
    "DETAIL_REPLACED": "run: {repair}",
    "KEY_STALE": "run: {reprocess}",
    "SCOPE_STALE": "run: {reprocess}",
    "MATCH_STALE": "run: {reprocess}",
    "DETAIL_STALE": "run: {reprocess}",
    "NOT_CHECKED": "verify again",
    "DECISION": "decide again: telecine viewership review list",
    "KEY": "restore viewership.keys from a backup",
    "DETAIL_TWICE": "restore the primary key of viewership.episode_details",
    "UPLOAD_TWICE": "retract one of them: telecine viewership retract",
}
_OTHERWISE: Final = "retract the upload, and upload its raw file again"

_log = logging.getLogger(__name__)


def run(settings: VerifySettings, stage_run: StageRun) -> Report:
    """Compare every stored match, sum and final row with the raw rows, and return the report.

    Nothing is changed. The exit code is 65 if a value is wrong. Values that differ only because the catalogue has
    changed since are a warning: run `reprocess`.

    Args:
        settings: the uploads, the bucket, and how thorough to be.
        stage_run: receives progress.

    Raises:
        UsageError: an upload does not exist.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    ready(settings)
    if settings.platform is not None and not settings.upload:
        with transaction(settings) as session:
            check_platforms(session, [settings.platform])
    audit = verify(settings, stage_run.progress)
    stage_run.progress.finish()
    return _report(settings, audit)


def _report(settings: VerifySettings, audit: Audit) -> Report:
    found = [finding for check in audit.checks for finding in check.findings]
    found.sort(key=lambda finding: finding.code in STALE)
    wrong, stale = sum(check.wrong for check in audit.checks), sum(check.stale for check in audit.checks)
    rows = [[finding.place, finding.code, finding.message, _advice(settings, finding)] for finding in found]
    for place, code, message, advice in rows[:_LOGGED]:
        _log.warning("%s: %s: %s; %s", place, code, message, advice, extra={"item": place})
    if len(rows) > _LOGGED:
        _log.warning("%d more findings are in the report", len(rows) - _LOGGED)
    failures = [
        Failure(place, code, f"{message}; {advice}", data={"upload_id": finding.upload_id, "line": finding.line})
        for finding, (place, code, message, advice) in zip(found, rows, strict=True)
    ]
    checked = sum(check.checked for check in audit.checks)
    return Report(
        status="failed" if wrong else "partial" if stale else "success",
        exit_code=EXIT_DATA if wrong else EXIT_OK,
        headline=_headline(settings, audit, wrong, stale),
        items=audit.uploads,
        counts={"uploads": audit.uploads, "checked": checked, "wrong": wrong, "stale": stale, **audit.gauges},
        rejects=dict(sorted(sum((check.codes for check in audit.checks), Counter()).items())),
        failures=failures,
        # Those beyond the first of each code.
        failures_truncated=wrong + stale - len(failures),
        durations=audit.seconds,
        sections=_sections(audit, rows),
    )


def _sections(audit: Audit, rows: list[list[Any]]) -> list[Any]:
    checks = Table(
        CHECKS,
        ["check", "compared", "wrong", "stale", "seconds"],
        [
            [check.name, check.checked, check.wrong, check.stale, round(audit.seconds[check.name], 1)]
            for check in audit.checks
        ],
        note="Stale: the catalogue or the rules have changed since; run `telecine viewership reprocess`.",
    )
    names = ("units", "hours", "revenue", "unreadable")
    sums = Table(
        _SUMS,
        ["upload", "platform", "file", *(f"{name}{side}" for name in names for side in (", expected", ", actual"))],
        [
            [each.upload_id, each.platform, each.filename, *_pairs(each.expected, each.actual)]
            for each in audit.sums[:_SHOWN]
        ],
        note="Expected: sums of the file, taken before any unit had a fate. Actual: sums of all fates.",
        total=len(audit.sums),
    )
    bars = [
        (check.name, [max(check.checked - check.wrong - check.stale, 0), check.stale, check.wrong])
        for check in audit.checks
        if check.checked or check.findings
    ]
    sections: list[Any] = [checks, sums, *([Shares("Compared values", "values", CHECKED, bars)] if bars else [])]
    if rows:
        codes = dict.fromkeys(row[1] for row in rows)
        note = " ".join(f"{code}: {AUDIT[code]}." for code in codes)
        explained = [(row[0], row[1]) for row in rows[:_SHOWN]]
        total = sum(check.wrong + check.stale for check in audit.checks)
        columns = ["where", "code", "what", "what to do"]
        sections.append(Table(FINDINGS, columns, rows[:_SHOWN], note=note, explains=explained, total=total))
    return sections


def _pairs(expected: tuple[Any, ...], actual: tuple[Any, ...]) -> list[str]:
    values = (value for pair in zip(expected, actual, strict=True) for value in pair)
    return [f"{value:,}" if isinstance(value, int) else f"{value:,f}" for value in values]


def _advice(settings: VerifySettings, finding: Finding) -> str:
    number = () if finding.upload_id is None else ("--upload", str(finding.upload_id))
    return _ADVICE.get(finding.code, _OTHERWISE).format(
        reread=next_command("viewership verify", *number, "--reread", model=VerifySettings, settings=settings),
        repair=_reprocess(settings, ("--all", *number)),
        reprocess=_reprocess(settings, number),
    )


def _reprocess(settings: VerifySettings, words: tuple[str, ...] = ()) -> str:
    return next_command("viewership reprocess", *words, model=StepSettings, settings=settings)


def _headline(settings: VerifySettings, audit: Audit, wrong: int, stale: int) -> str:
    text = f"{counted(audit.uploads, 'upload', 'uploads')}: "
    if wrong:
        text += f"{wrong:,} wrong"
    elif audit.uploads:
        text += "all values match the raw rows"
    else:
        text += "nothing to compare"
    return f"{text}; {stale:,} stale, run: {_reprocess(settings)}" if stale else text


def show_verify(report: Report, console: Console) -> None:
    """Print the checks and the findings.

    Args:
        report: report of verify.
        console: the terminal.
    """
    checks = find_table(report, CHECKS)
    if checks is not None:
        print_table(console, checks.columns, checks.rows, right={"compared", "wrong", "stale", "seconds"})
    findings = find_table(report, FINDINGS)
    if findings is not None:
        print_table(console, findings.columns, findings.rows)
    print_line(console, report.headline)
