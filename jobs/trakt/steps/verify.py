"""The verify step: compare all stored layers with what they follow from, change nothing, exit with 65 for damage."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.audit.verify import verify
from jobs.trakt.errors import AUDIT, STALE
from jobs.trakt.settings import IngestSettings, ModelSettings, PublishSettings
from shared.database.migrate import ready
from shared.errors import EXIT_DATA, EXIT_OK
from shared.failure import Failure
from shared.report import Report, Shares, Table
from shared.report.sections import CHECKED
from shared.report.terminal import counted, find_table, print_line, print_table
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.audit.model import Check
    from jobs.trakt.settings import VerifySettings
    from shared.step.contract import UnrecordedRun

__all__ = ["run", "show"]

_CHECKS: Final = "Checks"
_FINDINGS: Final = "Findings"
# Findings in the log; the report has more.
_LOGGED: Final = 20
# Code -> what to do; names in braces are commands.
_ADVICE: Final[dict[str, str]] = {
    "PAGE_MISSING": "restore it from a backup of the bucket; its rows are still in bronze",
    "PAGE_DAMAGED": "restore it from a backup of the bucket; its rows are still in bronze",
    "PAGE_DIFFERS": "restore it from a backup of the bucket",
    "ORPHAN": "restore the database from a newer backup, or delete these objects and run: {backfill}",
    "LOAD_MISSING": "restore bronze/trakt from a backup of the bucket, or run: {backfill}",
    "LOAD_WAITING": "run: {ingest}",
    "PAGE_ROW_MISSING": "restore bronze/trakt from a backup of the bucket",
    "ROW_MISSING": "restore bronze/trakt from a backup of the bucket",
    "ROW_EXTRA": "restore the page object from a backup of the bucket",
    "ROW_TWICE": "restore bronze/trakt from a backup of the bucket; silver counts the row once",
    "SILVER_MISSING": "run: {refresh}",
    "SILVER_EXTRA": "run: {refresh}",
    "SILVER_DIFFERS": "run: {refresh}",
    "SILVER_ABSENT": "run: {model}",
    "SILVER_STALE": "run: {model}",
    "GOLD_FILE": "run: {refresh}, then: {publish}",
    "GOLD_DIFFERS": "run: {refresh}, then: {publish}",
    "GOLD_STALE": "run: {publish}",
}

_LOG: Final = logging.getLogger(__name__)


def run(settings: VerifySettings, stage_run: UnrecordedRun) -> Report:
    """Compare ledger, page objects, bronze, silver and gold, and return the report.

    The exit code is 65 if anything is damaged. A layer that is only older than the one before it is a warning.

    Args:
        settings: the bucket, the database, the folder of builds, and how thorough to be.
        stage_run: receives progress.

    Raises:
        ConfigurationError: the salt or dbt's environment is missing, or the database is not migrated.
        IntegrityError: the DuckDB file cannot be read.
        TransientError: the store or the database does not answer.
    """
    ready(settings)
    checks = verify(settings, stage_run.progress)
    stage_run.progress.finish()
    return _report(settings, checks)


def _report(settings: VerifySettings, checks: list[Check]) -> Report:
    found = sorted((each for check in checks for each in check.findings), key=lambda each: each.code in STALE)
    wrong, stale = sum(check.wrong for check in checks), sum(check.stale for check in checks)
    rows = [[each.place, each.code, each.message, _advice(settings, each.code)] for each in found]
    for place, code, message, advice in rows[:_LOGGED]:
        _LOG.warning("%s: %s: %s; %s", place, code, message, advice, extra={"item": place})
    if len(rows) > _LOGGED:
        _LOG.warning("%d more findings are in the report", len(rows) - _LOGGED)
    return Report(
        status="failed" if wrong else "partial" if stale else "success",
        exit_code=EXIT_DATA if wrong else EXIT_OK,
        headline=_headline(settings, checks, wrong, stale),
        items=sum(check.checked for check in checks),
        counts={"checked": sum(check.checked for check in checks), "wrong": wrong, "stale": stale},
        rejects=dict(sorted(sum((check.codes for check in checks), Counter()).items())),
        failures=[Failure(place, code, f"{message}; {advice}") for place, code, message, advice in rows],
        failures_truncated=wrong + stale - len(rows),
        durations={check.name: check.seconds for check in checks},
        sections=_sections(checks, rows),
    )


def _headline(settings: VerifySettings, checks: list[Check], wrong: int, stale: int) -> str:
    if not (wrong or stale or any(check.checked for check in checks)):
        ingest = next_command("trakt ingest", model=IngestSettings, settings=settings)
        return f"nothing was compared, because no page is stored yet; run: {ingest}"
    pages, bronze, silver, gold = (check.checked for check in checks)
    text = (
        f"{counted(pages, 'page', 'pages')}, {counted(bronze, 'row', 'rows')} of bronze, "
        f"{counted(silver, 'comment', 'comments')} of silver and {counted(gold, 'row', 'rows')} of gold compared: "
    )
    text += f"{wrong:,} wrong" if wrong else "no difference"
    return f"{text}, {stale:,} to be settled by the next run" if stale else text


def _sections(checks: list[Check], rows: list[list[str]]) -> list[Any]:
    bars = [
        (each.name, [max(each.checked - each.wrong - each.stale, 0), each.stale, each.wrong])
        for each in checks
        if each.checked or each.codes
    ]
    sections: list[Any] = [
        *([Shares("Compared values", "values", CHECKED, bars)] if bars else []),
        Table(
            _CHECKS,
            ["check", "compared", "wrong", "stale", "seconds"],
            [[each.name, each.checked, each.wrong, each.stale, round(each.seconds, 1)] for each in checks],
            note="Stale: the next run settles it.",
        ),
    ]
    if rows:
        note = " ".join(f"{code}: {AUDIT[code]}." for code in dict.fromkeys(row[1] for row in rows))
        explained = [(row[0], row[1]) for row in rows]
        total = sum(each.wrong + each.stale for each in checks)
        columns = ["where", "code", "finding", "next"]
        sections.append(Table(_FINDINGS, columns, rows, note=note, explains=explained, total=total))
    return sections


def _advice(settings: VerifySettings, code: str) -> str:
    return _ADVICE.get(code, "restore the bucket from a backup").format(
        ingest=next_command("trakt ingest", model=IngestSettings, settings=settings),
        backfill=next_command("trakt backfill", model=IngestSettings, settings=settings),
        model=next_command("trakt model", model=ModelSettings, settings=settings),
        refresh=next_command("trakt model", "--full-refresh", model=ModelSettings, settings=settings),
        publish=next_command("trakt publish", model=PublishSettings, settings=settings),
    )


def show(report: Report, console: Console) -> None:
    """Print the checks and the findings.

    Args:
        report: report of verify.
        console: the terminal.
    """
    checks = find_table(report, _CHECKS)
    if checks is not None:
        print_table(console, checks.columns, checks.rows, right={"compared", "wrong", "stale", "seconds"})
    findings = find_table(report, _FINDINGS)
    if findings is not None:
        print_table(console, findings.columns, findings.rows)
    print_line(console, report.headline)
