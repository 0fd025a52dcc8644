"""Trakt in a cluster: media reads a storm completely, a refused key is asked once, and the cron measures."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.node import wait_for
from tests.e2e.site import KEY, replaying, watch

if TYPE_CHECKING:
    from tests.e2e.argo import Run
    from tests.e2e.conftest import Closing, Opening, Sinks
    from tests.e2e.installation import Installation

# Of 24 titles of the site.
TITLES = 8
# For a run of four pods on two cores, which takes about 80 s, with 30 s for the rest of media, and for two of two pods,
# which take about 30 s each.
SECONDS = 300


@dataclass
class Storm:
    """A run of media over a storm, and a dry run of a backfill that was submitted at the same time.

    Attributes:
        run: the run; its branch of gamedata finds nothing new.
        before: visible comments of the watched titles before the run.
        after: the same after it: the site lives on.
        statuses: status -> number of answers.
    """

    run: Run
    backfill: Run
    before: int
    after: int
    statuses: dict[str, int]


@pytest.fixture(scope="module")
def storm(installation: Installation, opening: Opening, closing: Closing) -> Storm:
    """Submit once the long runs have ended, so that each run has the node to itself."""
    opening.media.ended()
    closing.bad_media.ended()
    closing.leave_site()
    with replaying(installation.node, "storm") as site:
        # A title that is away at times, or merged, has no fixed number of comments.
        watched = [each for each in site.titles() if not each["away"] and not each["merged_into"]][:TITLES]
        watch(installation, watched)
        wanted = {(each["kind"], each["trakt"]) for each in watched}

        def visible() -> int:
            return sum(each["comments"] for each in site.titles() if (each["kind"], each["trakt"]) in wanted)

        before = visible()
        run = installation.argo.submit(
            "media", {**opening.form_of_media, "viewership-enabled": "false", "trakt-enabled": "true"}
        )
        backfill = installation.argo.submit("trakt-backfill", {"dry-run": "true"})
        run.ended(SECONDS)
        backfill.ended(SECONDS)
        return Storm(run, backfill, before, visible(), site.ask("status")["statuses"])


def phases(run: Run, task: str = "stages") -> dict[str, str]:
    """Return how each step of a run ended: of its own template, or of its task in media."""
    found = run.phases(*(f"{task}.{step}" for step in ("ingest", "backfill", "model", "publish", "slo")))
    return {name.removeprefix(f"{task}."): phase for name, phase in found.items()}


def test_media_reads_a_storm_completely_and_it_becomes_gold(installation: Installation, storm: Storm) -> None:
    storm.run.succeeded()
    assert phases(storm.run, "trakt") == dict.fromkeys(("ingest", "model", "publish", "slo"), "Succeeded")
    # Otherwise this would not be a storm.
    assert sum(count for status, count in storm.statuses.items() if status not in ("200", "404")) > 0
    pages = dict(
        installation.rows("SELECT status, count(*) FROM trakt.pages WHERE run_id = %s GROUP BY 1", storm.run.uid)
    )
    assert set(pages) <= {"good", "good_empty"}, pages
    assert pages["good"] >= 3 * TITLES
    swept = installation.rows(
        "SELECT count(*) FROM trakt.sweeps WHERE run_id = %s AND resource = 'comments' AND complete", storm.run.uid
    )
    assert swept == [(TITLES,)]
    # Without the titles that only the feed named.
    ((titles, comments),) = installation.rows(
        "SELECT count(*), sum(comments)::bigint FROM gold.trakt_engagement_daily"
        " WHERE period = 'all' AND as_of = (SELECT max(as_of) FROM gold.trakt_engagement_daily)"
    )
    assert titles == TITLES
    # While it is read, the site writes or deletes a comment every 3 s of its own clock.
    low, high = sorted((storm.before, storm.after))
    assert low - 60 <= comments <= high + 60, (storm.before, comments, storm.after)
    print(f"{comments} comments of {TITLES} titles in {sum(storm.statuses.values())} requests: {storm.statuses}")
    stages = installation.rows(
        "SELECT stage, status FROM pipeline.run_stages WHERE run_id = %s AND pipeline = 'trakt' ORDER BY started_at",
        storm.run.uid,
    )
    assert stages == [(stage, "success") for stage in ("ingest", "model", "publish_trakt", "slo")]
    code, page = storm.run.artifact(storm.run.branch("trakt", "slo")[-1], "report-html")
    assert code == 200
    assert page
    code, page = storm.run.artifact(storm.run.index(), "report-html")
    assert code == 200
    assert b"trakt" in page


def test_a_backfill_waits_for_the_quota_of_the_key(storm: Storm) -> None:
    storm.backfill.succeeded()
    # A dry run reads nothing, so nothing is modelled.
    assert phases(storm.backfill) == {"backfill": "Succeeded", "model": "Skipped", "publish": "Omitted"}
    times = sorted(
        tuple(dt.datetime.fromisoformat(node[time]) for time in ("startedAt", "finishedAt"))
        for run, task, step in ((storm.run, "trakt", "ingest"), (storm.backfill, "stages", "backfill"))
        for node in (run.branch(task, step)[0],)
    )
    assert times[0][1] <= times[1][0], "two pods asked with one key at once"


def test_a_refused_key_is_asked_once_and_ends_with_78(installation: Installation, storm: Storm, sinks: Sinks) -> None:
    storm.run.ended()
    with replaying(installation.node, "dead-key") as site:
        run = installation.argo.submit("trakt")
        run.failed(SECONDS)
        requests = site.requests()
    assert [each["status"] for each in requests] == [403]
    (attempt,) = run.nodes("ingest")
    assert attempt["outputs"]["exitCode"] == "78"
    assert "does not accept the key" in attempt["message"]
    # What was missed is measured; nothing is modelled again.
    assert phases(run) == {"ingest": "Failed", "model": "Skipped", "publish": "Omitted", "slo": "Succeeded"}
    documents, mails = sinks.of(run.uid)
    failures: list[dict[str, Any]] = [each for each in documents if each.get("exit_code") == 78]
    assert [(each["pipeline"], each["step"]) for each in failures] == [("trakt", "ingest")]
    assert KEY not in json.dumps(documents) + "".join(mails) + run.log(attempt)


def test_the_cron_writes_the_service_levels_and_an_alert_is_sent_once(
    installation: Installation, storm: Storm, sinks: Sinks
) -> None:
    storm.run.ended()
    # As if the titles had been tracked for days: one that was not tracked at 09:00 does not count.
    installation.rows("UPDATE trakt.titles SET tracked_since = tracked_since - interval '3 days'")
    installation.rows("DELETE FROM gold.trakt_slo_days")
    installation.rows("DELETE FROM trakt.slo_alerts")
    measured = (
        "SELECT d.day, d.titles, s.host FROM gold.trakt_slo_days d"
        " JOIN pipeline.run_stages s ON s.run_id = d.run_id AND s.stage = 'slo' AND s.status = 'success'"
        " WHERE d.is_final ORDER BY d.day"
    )
    told = len(of_alerts(sinks))
    set_cron(installation, {"suspend": False, "schedules": ["* * * * *"]})
    try:
        wait_for(lambda: installation.rows(measured), SECONDS, "the cron has measured a day", every=1)
    finally:
        set_cron(installation, {"suspend": True, "schedules": ["0 9 * * *"]})
    rows = installation.rows(measured)
    assert {titles for _, titles, _ in rows} == {TITLES}
    assert all(host.startswith("trakt-freshness-") for *_, host in rows)
    # Nothing was read on those days.
    alerts = {name for (name,) in installation.rows("SELECT alert FROM trakt.slo_alerts WHERE ended_on IS NULL")}
    assert "breach" in alerts
    wait_for(lambda: len(of_alerts(sinks)) >= told + len(alerts), 30, "the alerts are sent")
    assert len(of_alerts(sinks)) == told + len(alerts), "an alert was sent twice"
    value = "argo_workflows_telecine_trakt_alert{"
    wait_for(
        lambda: any(
            line.startswith(value) and 'alert="breach"' in line and line.endswith(" 1")
            for line in installation.node.metrics().splitlines()
        ),
        60,
        "Prometheus sees the breach",
        every=2,
    )


def of_alerts(sinks: Sinks) -> list[dict[str, Any]]:
    """Return the messages about service levels so far."""
    return [document for document in sinks.hook.got if document.get("event") == "slo.alert"]


def set_cron(installation: Installation, change: dict[str, Any]) -> None:
    installation.node.kubectl(
        "-n", installation.namespace, "patch", "cronworkflow", "trakt-freshness", "--type=merge",
        "--patch", json.dumps({"spec": change}),
    )  # fmt: skip


def test_the_pods_have_an_account_of_their_own_and_only_the_ingest_has_the_key(
    installation: Installation, storm: Storm
) -> None:
    storm.run.ended()
    mounted = {}
    for step in ("ingest", "model", "publish", "slo"):
        spec = storm.run.pod_of(storm.run.branch("trakt", step)[-1]).spec
        assert spec.service_account_name == "telecine-trakt"
        mounted[step] = [
            source.secret.name
            for volume in spec.volumes
            if volume.name == "secrets"
            for source in volume.projected.sources
        ]
    assert mounted == {
        "ingest": ["telecine-database", "telecine-s3", "telecine-trakt", "telecine-trakt-users"],
        "model": ["telecine-database", "telecine-s3", "telecine-trakt-users"],
        "publish": ["telecine-database", "telecine-s3"],
        "slo": ["telecine-database", "telecine-notify"],
    }
