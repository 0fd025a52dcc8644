"""The console in a cluster: behind its Service, with its own database role, without loss while a pod ends."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.installation import CHART
from tests.e2e.node import wait_for
from tests.e2e.promql import evaluate, held

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing, Opening
    from tests.e2e.installation import Installation
    from tests.e2e.node import Node

SELECTOR = "app.kubernetes.io/component=console"
ANN = {"X-Forwarded-User": "ann"}


@dataclass
class Site:
    """The console behind its Service, called as its proxy would."""

    node: Node
    namespace: str

    def url(self) -> str:
        service = self.node.core.read_namespaced_service("telecine-console", self.namespace)
        return f"http://{service.spec.cluster_ip}:{service.spec.ports[0].port}"

    def pods(self) -> list[Any]:
        """Return the pods that are ready and are not being deleted."""
        found = self.node.core.list_namespaced_pod(self.namespace, label_selector=SELECTOR).items
        return [
            pod
            for pod in found
            if pod.metadata.deletion_timestamp is None
            and any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
        ]


def ask(url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, bytes]:
    """Return status and body of an answer; a connection of its own, as a proxy without keep-alive."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def site(installation: Installation) -> Site:
    made = Site(installation.node, installation.namespace)
    wait_for(lambda: len(made.pods()) == 2, 120, "two replicas of the console are ready")
    return made


def test_the_page_of_runs_shows_the_runs_of_this_cluster(site: Site, opening: Opening) -> None:
    opening.main.ended()
    status, body = ask(f"{site.url()}/runs.json?q={opening.main.uid}", ANN)
    assert status == 200, body
    (row,) = json.loads(body)["rows"]
    assert (row["run_id"], row["pipeline"]) == (opening.main.uid, "gamedata")
    status, body = ask(f"{site.url()}/runs/{opening.main.uid}", ANN)
    assert (status, b"<html" in body) == (200, True)
    # Every replica has the same rows.
    for pod in site.pods():
        assert ask(f"http://{pod.status.pod_ip}:8080/runs.json?q={opening.main.uid}", ANN)[0] == 200


def test_a_failed_run_is_found_by_its_status(site: Site, closing: Closing) -> None:
    closing.bad.ended()
    status, body = ask(f"{site.url()}/runs.json?status=failed&limit=100", ANN)
    assert status == 200, body
    assert closing.bad.uid in {row["run_id"] for row in json.loads(body)["rows"]}


def test_a_request_without_a_user_is_refused(site: Site) -> None:
    for path in ("/", "/runs", "/runs.json", "/runs.csv"):
        assert ask(f"{site.url()}{path}")[0] == 401, path
    assert ask(f"{site.url()}/runs", {"X-Forwarded-User": ""})[0] == 401
    assert ask(f"{site.url()}/healthz")[0] == 200
    assert ask(f"{site.url()}/readyz")[0] == 200


def test_a_pod_that_is_not_a_proxy_cannot_name_a_user(site: Site) -> None:
    """Its own address stands for any other pod's: a policy would not see this connection, and it is not trusted."""
    pod = site.pods()[0]
    code = (
        "import urllib.request as r, urllib.error as e\n"
        f"try: print(r.urlopen(r.Request('http://{pod.status.pod_ip}:8080/runs', headers={ANN!r})).status)\n"
        "except e.HTTPError as error: print(error.code)"
    )
    said = site.node.kubectl("-n", site.namespace, "exec", pod.metadata.name, "--", "python", "-c", code)
    assert said.strip() == "401"


def test_it_connects_to_the_database_as_its_own_role(site: Site, installation: Installation) -> None:
    for pod in site.pods():
        assert ask(f"http://{pod.status.pod_ip}:8080/runs", ANN)[0] == 200
    addresses = {pod.status.pod_ip for pod in site.pods()}
    rows = installation.rows("SELECT host(client_addr), usename FROM pg_stat_activity WHERE client_addr IS NOT NULL")
    found = {(address, user) for address, user in rows if address in addresses}
    assert found == {(address, "telecine_console") for address in addresses}


def test_doctor_in_its_pod_finds_the_role_the_access_and_the_right_to_start_runs(site: Site) -> None:
    said = site.node.kubectl(
        "-n", site.namespace, "exec", "deploy/telecine-console", "--",
        "sh", "-c", "telecine doctor --format json --read-buckets '' --write-buckets '' || true",
    )  # fmt: skip
    lines = {(each["area"], each["name"]): each for each in json.loads(said)["lines"]}
    assert lines["database", "schema"]["status"] == "ok", lines
    assert lines["console", "access"]["status"] == "ok"
    assert lines["console", "role"]["status"] == "ok"
    assert lines["console", "starting runs"]["status"] == "ok"


def test_its_pods_have_the_token_of_their_account_and_a_read_only_root(site: Site) -> None:
    for pod in site.pods():
        (container,) = pod.spec.containers
        mounts = {mount.mount_path for mount in container.volume_mounts}
        assert [path for path in mounts if path.startswith("/var/run/secrets/kubernetes.io")]
        assert pod.spec.service_account_name == "telecine-console"
        assert container.security_context.read_only_root_filesystem
        assert pod.spec.security_context.run_as_non_root


def test_no_request_is_lost_while_a_pod_ends(site: Site) -> None:
    url = site.url()
    over = threading.Event()
    answers: list[int | str] = []

    def visit() -> None:
        while not over.is_set():
            try:
                answers.append(ask(f"{url}/runs.json?limit=20", ANN)[0])
            except OSError as error:
                answers.append(f"{time.monotonic():.1f} {error!r}")

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for each in visitors:
        each.start()
    try:
        wait_for(lambda: len(answers) >= 20, 60, "visitors have answers")
        leaving = site.pods()[0]
        before = len(answers)
        # SIGTERM, as a rolling update or a drained node sends it.
        site.node.core.delete_namespaced_pod(leaving.metadata.name, site.namespace)
        wait_for(
            lambda: not _is_there(site, leaving.metadata.uid) and len(site.pods()) == 2,
            120,
            "the pod is gone, and another one has taken its place",
        )
        assert len(answers) - before >= 20
    finally:
        over.set()
        for each in visitors:
            each.join()
    assert {answer for answer in answers if answer != 200} == set()


def _is_there(site: Site, uid: str) -> bool:
    pods = site.node.core.list_namespaced_pod(site.namespace, label_selector=SELECTOR).items
    return uid in {pod.metadata.uid for pod in pods}


def test_its_alerts_are_evaluated_over_its_page(site: Site) -> None:
    pod = site.pods()[0]
    _, page = ask(f"http://{pod.status.pod_ip}:8080/metrics")
    now = time.time()
    binary = Path(site.node.settings["KBIN"]) / "promql-eval"
    rules = CHART / "observability" / "alerts.yaml"
    verdicts = evaluate(rules, held([(now - 900, page.decode()), (now, page.decode())]), binary)
    found = {each["alert"]: each for each in verdicts if each["alert"].startswith("TelecineConsole")}
    assert len(found) == 4
    assert {name: each["error"] for name, each in found.items() if each["error"]} == {}
    assert {name: each["missing"] for name, each in found.items() if each["missing"]} == {}
    assert {name for name, each in found.items() if each["result"]} == set()
