"""Firing conditions of each alert in the chart, on handwritten pages. Needs `promql-eval`, no node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.node import ROOT
from tests.e2e.promql import evaluate, held

if TYPE_CHECKING:
    from tests.e2e.node import Node

RULES = ROOT / "charts" / "telecine" / "observability" / "alerts.yaml"
NOW = 1_800_000_000
MINUTE, HOUR = 60, 3600
DAY = 24 * HOUR

# A leading controller with work and without errors; it counts every cause of an error from 0.
CALM = """\
argo_workflows_is_leader 1
argo_workflows_queue_depth_gauge{queue_name="workflow_queue"} 3
argo_workflows_pods_gauge{phase="Running"} 4
argo_workflows_error_count{cause="OperationPanic"} 0
argo_workflows_error_count{cause="CronWorkflowSpecError"} 0
argo_workflows_telecine_runs_total{pipeline="gamedata",status="Succeeded"} 5
"""


def runs(failed: int, status: str = "Failed") -> str:
    return f'argo_workflows_telecine_runs_total{{pipeline="gamedata",status="{status}"}} {failed}\n'


def items(done: int, failed: int) -> str:
    rows = {"done": done, "failed": failed}.items()
    name = "argo_workflows_telecine_items_total"
    return "".join(f'{name}{{pipeline="gamedata",outcome="{key}"}} {count}\n' for key, count in rows)


def nightly(count: int, pod: str = "a", name: str = "gamedata-nightly") -> str:
    # `instance` is on the page instead of being set by the scrape: another pod of the controller is another target.
    labels = f'name="{name}",namespace="telecine",instance="{pod}"'
    return f"argo_workflows_cronworkflows_triggered_total{{{labels}}} {count}\n"


def polls(count: int, pod: str = "a") -> str:
    return nightly(count, pod, "screenalytics-poll")


def upload_polls(count: int, pod: str = "a") -> str:
    return nightly(count, pod, "viewership-poll")


def fates(**rows: int) -> str:
    name = "argo_workflows_telecine_viewership_rows"
    return "".join(f'{name}{{pipeline="viewership",fate="{fate}"}} {count}\n' for fate, count in rows.items())


def reviewed(days: float) -> str:
    return f'argo_workflows_telecine_viewership_oldest_review_seconds{{pipeline="viewership"}} {days * DAY}\n'


def waiting(uploads: int) -> str:
    return f'argo_workflows_telecine_viewership_uploads_waiting{{pipeline="viewership"}} {uploads}\n'


def dailies(count: int, pod: str = "a") -> str:
    return nightly(count, pod, "trakt-daily")


def measurements(count: int, pod: str = "a") -> str:
    return nightly(count, pod, "trakt-freshness")


def levels(**alerts: int) -> str:
    found = dict.fromkeys(("breach", "burn", "missed"), 0) | alerts
    name = "argo_workflows_telecine_trakt_alert"
    return "".join(f'{name}{{pipeline="trakt",alert="{alert}"}} {value}\n' for alert, value in found.items())


def console(up: int = 1, ok: int = 0, failed: int = 0, fast: int = 0, slow: int = 0) -> str:
    """Return the page of a console: requests by status, fast ones within 0.15 s, slow ones within 1 s."""
    labels = 'namespace="telecine",route="/runs"'
    statuses = {"200": ok, "500": failed}
    buckets = {"0.15": fast, "0.6": fast, "1.0": fast + slow, "+Inf": fast + slow}
    # Probes succeed at all times.
    probes = 'telecine_console_requests_total{namespace="telecine",route="/readyz",status="200"} 100000\n'
    return (
        f'telecine_console_database_up{{namespace="telecine"}} {up}\n{probes}'
        + "".join(f'telecine_console_requests_total{{{labels},status="{key}"}} {n}\n' for key, n in statuses.items())
        + "".join(f'telecine_console_request_seconds_bucket{{{labels},le="{le}"}} {n}\n' for le, n in buckets.items())
    )


def slo(silent: int = 0, spent: float = 0) -> str:
    """Return the gauges of an objective: days without data, and the share of the budget that the last day spent."""
    labels = 'namespace="telecine",slo="trakt-freshness"'
    return (
        f"telecine_console_slo_days_without_data{{{labels}}} {silent}\n"
        f'telecine_console_slo_budget_spent_share{{{labels},days="1"}} {spent}\n'
        f'telecine_console_slo_budget_spent_share{{{labels},days="28"}} 0.9\n'
    )


def errors(count: int) -> str:
    return f'argo_workflows_error_count{{cause="CronWorkflowSubmissionError"}} {count}\n'


def pending(count: int) -> str:
    return f'argo_workflows_pods_gauge{{phase="Pending"}} {count}\n'


def queue(depth: int, name: str = "workflow_queue") -> str:
    calm = 'argo_workflows_queue_depth_gauge{queue_name="workflow_queue"} 3\n'
    row = f'argo_workflows_queue_depth_gauge{{queue_name="{name}"}} {depth}\n'
    return CALM.replace(calm, "") + (row if name == "workflow_queue" else calm + row)


def leader(value: int) -> str:
    return CALM.replace("is_leader 1", f"is_leader {value}")


@pytest.fixture(scope="module")
def binary(node: Node) -> Path:
    found = Path(node.settings["KBIN"]) / "promql-eval"
    assert found.exists(), "tests/cluster/build.sh promql"
    return found


def case(name: str, fires: str | None, *pages: tuple[float, str], calm: bool = True):
    """Return pages by age in seconds; each is valid until the next, the last until now."""
    history = [(NOW - ago, (CALM if calm else "") + text) for ago, text in pages]
    history.append((NOW, history[-1][1]))
    span = pages[0][0]
    return pytest.param(held(history, MINUTE if span <= 2 * HOUR else 4 * MINUTE), fires, id=name)


FAILED, ITEMS, NIGHTLY = "TelecineRunFailed", "TelecineManyItemsFailed", "TelecineNightlyMissed"
POLL, PENDING, AWAY = "TelecinePollMissed", "TelecinePodsPending", "TelecineControllerAway"
BACKLOG, ERRORS = "TelecineControllerBacklog", "TelecineControllerErrors"
UPLOADS, RATE = "TelecineUploadPollMissed", "TelecineMatchRateLow"
REVIEW, WAITS = "TelecineReviewOld", "TelecineUploadWaits"
DAILY, FRESHNESS = "TelecineTraktDailyMissed", "TelecineTraktFreshnessMissed"
CONSOLE_DOWN, NO_DATABASE = "TelecineConsoleDown", "TelecineConsoleWithoutDatabase"
CONSOLE_ERRORS, CONSOLE_SLOW = "TelecineConsoleErrors", "TelecineConsoleSlow"
SILENT, FAST = "TelecineSloWithoutData", "TelecineSloBudgetFast"
BREACH, BUDGET, NOT_READ = "TelecineTraktBreach", "TelecineTraktBudget", "TelecineTraktNotRead"


@pytest.mark.parametrize(
    ("history", "fires"),
    [
        case("calm", None, (2 * HOUR, "")),
        case("console", None, (HOUR, console())),
        case("console-gone", CONSOLE_DOWN, (2 * HOUR, console()), (HOUR, "")),
        case("console-uninstalled-7-hours-ago", None, (8 * HOUR, console()), (7 * HOUR, "")),
        case("console-without-database", NO_DATABASE, (HOUR, console(up=0))),
        case("console-6-percent-failed", CONSOLE_ERRORS, (HOUR, console()), (5 * MINUTE, console(ok=94, failed=6))),
        case("console-4-percent-failed", None, (HOUR, console()), (5 * MINUTE, console(ok=96, failed=4))),
        case("console-without-requests", None, (HOUR, console(ok=94, failed=6))),
        case("console-6-percent-slow", CONSOLE_SLOW, (HOUR, console()), (5 * MINUTE, console(fast=94, slow=6))),
        case("console-4-percent-slow", None, (HOUR, console()), (5 * MINUTE, console(fast=96, slow=4))),
        case("slo-measured", None, (4 * HOUR, slo())),
        case("slo-not-measured-for-3-hours", SILENT, (4 * HOUR, slo()), (3 * HOUR, slo(silent=1))),
        case("slo-not-measured-for-an-hour", None, (4 * HOUR, slo()), (HOUR, slo(silent=1))),
        case("slo-a-day-that-spends-30-percent", FAST, (HOUR, slo(spent=0.3))),
        case("slo-a-day-that-spends-20-percent", None, (HOUR, slo(spent=0.2))),
        case("failed-run-as-a-new-series", FAILED, (HOUR, ""), (MINUTE, runs(1))),
        case("failed-run-as-the-first-page", FAILED, (MINUTE, runs(1))),
        case("run-with-an-error-as-a-new-series", FAILED, (HOUR, ""), (MINUTE, runs(1, "Error"))),
        case("failed-run-as-an-increase", FAILED, (HOUR, runs(3)), (MINUTE, runs(4))),
        case("failed-run-after-a-restart", FAILED, (HOUR, runs(3)), (10 * MINUTE, ""), (MINUTE, runs(1))),
        case("failed-run-long-after-a-restart", FAILED, (2 * HOUR, runs(1)), (HOUR, ""), (MINUTE, runs(1))),
        case("failed-run-14-minutes-ago", FAILED, (HOUR, ""), (14 * MINUTE, runs(1))),
        case("failed-run-16-minutes-ago", None, (HOUR, ""), (16 * MINUTE, runs(1))),
        case("failed-run-16-minutes-ago-as-an-increase", None, (HOUR, runs(3)), (16 * MINUTE, runs(4))),
        case("succeeded-run", None, (HOUR, ""), (MINUTE, runs(1, "Running"))),
        case("items-6-percent", ITEMS, (2 * DAY, items(1000, 0)), (HOUR, items(1094, 6))),
        case("items-4-percent", None, (2 * DAY, items(1000, 0)), (HOUR, items(1096, 4))),
        case("items-6-percent-as-new-series", ITEMS, (2 * DAY, ""), (HOUR, items(94, 6))),
        case("items-4-percent-as-new-series", None, (2 * DAY, ""), (HOUR, items(96, 4))),
        case("items-6-percent-before-a-restart", ITEMS, (2 * DAY, ""), (5 * HOUR, items(94, 6)), (HOUR, "")),
        case("items-6-percent-two-days-ago", None, (3 * DAY, ""), (2 * DAY, items(94, 6))),
        case("items-of-a-day-without-runs", None, (2 * DAY, items(94, 6))),
        case("nightly-missed", NIGHTLY, (3 * DAY, nightly(3)), (27 * HOUR, nightly(4))),
        case("nightly-25-hours-ago", None, (3 * DAY, nightly(3)), (25 * HOUR, nightly(4))),
        case("nightly-as-a-new-series", None, (2 * DAY, ""), (5 * HOUR, nightly(1))),
        case("nightly-missed-since-a-new-series", NIGHTLY, (2 * DAY, ""), (27 * HOUR, nightly(1))),
        case("nightly-on-another-pod", None, (2 * DAY, nightly(4)), (9 * HOUR, ""), (5 * HOUR, nightly(1, "b"))),
        case("nightly-then-another-pod", None, (2 * DAY, ""), (9 * HOUR, nightly(1)), (5 * HOUR, "")),
        case("nightly-missed-on-another-pod", NIGHTLY, (3 * DAY, nightly(4)), (30 * HOUR, "")),
        case("nightly-never-asked-for", None, (3 * DAY, "")),
        case("poll-missed", POLL, (3 * HOUR, polls(3)), (70 * MINUTE, polls(4))),
        case("poll-40-minutes-ago", None, (3 * HOUR, polls(3)), (40 * MINUTE, polls(4))),
        case("poll-as-a-new-series", None, (3 * HOUR, ""), (40 * MINUTE, polls(1))),
        case("poll-missed-since-a-new-series", POLL, (3 * HOUR, ""), (70 * MINUTE, polls(1))),
        case("poll-on-another-pod", None, (3 * HOUR, polls(4)), (50 * MINUTE, ""), (20 * MINUTE, polls(1, "b"))),
        case("poll-missed-on-another-pod", POLL, (3 * HOUR, polls(4)), (2 * HOUR, "")),
        case("upload-poll-missed", UPLOADS, (2 * HOUR, upload_polls(90)), (20 * MINUTE, upload_polls(91))),
        case("upload-poll-10-minutes-ago", None, (2 * HOUR, upload_polls(90)), (10 * MINUTE, upload_polls(91))),
        case("upload-poll-never-asked-for", None, (2 * HOUR, "")),
        case("upload-poll-on-another-pod", None, (HOUR, upload_polls(90)), (9 * MINUTE, upload_polls(1, "b"))),
        case("daily-missed", DAILY, (3 * DAY, dailies(3)), (27 * HOUR, dailies(4))),
        # On the day when the clock goes back, the next run is 25 hours later.
        case("daily-25-hours-ago", None, (3 * DAY, dailies(3)), (25 * HOUR, dailies(4))),
        case("daily-missed-on-another-pod", DAILY, (3 * DAY, dailies(4)), (30 * HOUR, "")),
        case("daily-on-another-pod", None, (2 * DAY, dailies(4)), (9 * HOUR, ""), (5 * HOUR, dailies(1, "b"))),
        case("daily-never-asked-for", None, (3 * DAY, "")),
        case("freshness-missed", FRESHNESS, (3 * DAY, measurements(3)), (27 * HOUR, measurements(4))),
        case("freshness-25-hours-ago", None, (3 * DAY, measurements(3)), (25 * HOUR, measurements(4))),
        case("levels-met", None, (HOUR, levels())),
        case("levels-missed", BREACH, (HOUR, levels()), (MINUTE, levels(breach=1))),
        case("levels-met-again", None, (HOUR, levels(breach=1)), (MINUTE, levels())),
        case("budget-nearly-spent", BUDGET, (HOUR, levels(burn=1))),
        case("not-read-by-9", NOT_READ, (HOUR, levels(missed=1))),
        case("match-rate-79-percent", RATE, (HOUR, fates(final=79, review=20, unmatched=1, held=0))),
        case("match-rate-81-percent", None, (HOUR, fates(final=81, review=0, unmatched=19, held=0))),
        # Held rows lack a deal, and the others have nothing to match.
        case(
            "match-rate-of-rows-with-a-deal", None, (HOUR, fates(final=9, review=1, held=90, topline=50, filtered=50))
        ),
        case("match-rate-of-a-day-without-rows", None, (HOUR, fates(final=0, review=0, unmatched=0))),
        case("match-rate-that-recovered", None, (HOUR, fates(final=1, review=9)), (MINUTE, fates(final=9, review=1))),
        case("review-8-days-old", REVIEW, (HOUR, reviewed(8))),
        case("review-6-days-old", None, (HOUR, reviewed(6))),
        case("review-done", None, (HOUR, reviewed(8)), (MINUTE, reviewed(0))),
        case("upload-that-waits", WAITS, (HOUR, waiting(1))),
        case("upload-that-was-submitted-again", None, (HOUR, waiting(1)), (MINUTE, waiting(0))),
        case("pods-pending", PENDING, (HOUR, pending(2))),
        case("no-pods-pending", None, (HOUR, pending(2)), (MINUTE, pending(0))),
        case("does-not-lead", AWAY, (HOUR, leader(0)), calm=False),
        case("answers-without-metrics", AWAY, (HOUR, CALM), (MINUTE, ""), calm=False),
        case("backlog", BACKLOG, (HOUR, queue(101)), calm=False),
        case("queue-at-its-limit", None, (HOUR, queue(100)), calm=False),
        case("another-queue", None, (HOUR, queue(500, "pod_cleanup_queue")), calm=False),
        case("error", ERRORS, (HOUR, errors(0)), (MINUTE, errors(1))),
        case("error-before-the-first-scrape", ERRORS, (HOUR, ""), (MINUTE, errors(1))),
        case("error-an-hour-ago", None, (2 * HOUR, errors(0)), (HOUR, errors(1))),
    ],
)
def test_an_alert_fires_when_it_must_and_only_then(
    binary: Path, history: list[tuple[float, str]], fires: str | None
) -> None:
    verdicts = evaluate(RULES, history, binary)
    assert [each["error"] for each in verdicts] == [None] * len(verdicts)
    assert {each["alert"] for each in verdicts if each["result"]} == ({fires} if fires else set())


def test_a_target_that_went_away_is_a_controller_away(binary: Path) -> None:
    # Nothing has been scraped for 6 minutes; only another target responds now.
    history = [*held([(NOW - HOUR, CALM), (NOW - 6 * MINUTE, CALM)]), (NOW, "up 0\n")]
    verdicts = evaluate(RULES, history, binary)
    assert [each["alert"] for each in verdicts if each["result"]] == [AWAY]


def test_an_alert_names_what_its_summary_says(binary: Path) -> None:
    text = queue(140) + errors(1) + runs(1)
    results = {each["alert"]: each["result"] for each in evaluate(RULES, [(NOW, text)], binary)}
    assert [each["labels"]["pipeline"] for each in results[FAILED]] == ["gamedata"]
    assert [each["value"] for each in results[BACKLOG]] == [140]
    assert [each["labels"]["cause"] for each in results[ERRORS]] == ["CronWorkflowSubmissionError"]


def test_metrics_that_no_page_has_are_named(binary: Path) -> None:
    missing = {each["alert"]: each["missing"] for each in evaluate(RULES, [(NOW, CALM)], binary)}
    assert missing == {
        FAILED: [],
        ITEMS: ["argo_workflows_telecine_items_total"],
        NIGHTLY: ["argo_workflows_cronworkflows_triggered_total"],
        POLL: ["argo_workflows_cronworkflows_triggered_total"],
        UPLOADS: ["argo_workflows_cronworkflows_triggered_total"],
        RATE: ["argo_workflows_telecine_viewership_rows"],
        REVIEW: ["argo_workflows_telecine_viewership_oldest_review_seconds"],
        WAITS: ["argo_workflows_telecine_viewership_uploads_waiting"],
        DAILY: ["argo_workflows_cronworkflows_triggered_total"],
        FRESHNESS: ["argo_workflows_cronworkflows_triggered_total"],
        **{key: ["argo_workflows_telecine_trakt_alert"] for key in (BREACH, BUDGET, NOT_READ)},
        PENDING: [],
        AWAY: [],
        BACKLOG: [],
        ERRORS: [],
        **{key: ["telecine_console_database_up"] for key in (CONSOLE_DOWN, NO_DATABASE)},
        CONSOLE_ERRORS: ["telecine_console_requests_total"],
        CONSOLE_SLOW: ["telecine_console_request_seconds_bucket"],
        SILENT: ["telecine_console_slo_days_without_data"],
        FAST: ["telecine_console_slo_budget_spent_share"],
    }
