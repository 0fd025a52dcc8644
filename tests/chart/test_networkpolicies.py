"""The policies of values-prod let a run through, and nothing else."""

from __future__ import annotations

from itertools import count

import pytest

from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from tests.chart.rendering import LEAST, find, merged, render, small, values_of
from tests.network.installation import rendered_policies
from tests.network.policies import Connection, Endpoint, blocked

NODE, HOST, DNS = Endpoint("10.88.0.1", name="node"), Endpoint("10.88.1.1", name="host"), Endpoint("10.96.0.10")
API, S3, DATABASE, WEBHOOK, MAIL = 6443, 9000, 5432, 8080, 2525
REPLAYER, LINEAGE = 8790, 5000
NOTIFY = {
    "notify": {"webhookUrl": f"http://10.88.1.1:{WEBHOOK}/hook", "smtp": {"host": "10.88.1.1", "port": MAIL}},
    "trakt": {"sourceSystem": "replay", "baseUrl": f"http://10.88.1.1:{REPLAYER}"},
    "lineage": {"url": f"http://10.88.1.1:{LINEAGE}"},
}


@pytest.fixture(scope="module")
def policies():
    return rendered_policies(node_ip=NODE.ip, host_ip=HOST.ip, operator="kuberay-operator", **NOTIFY)


_ADDRESSES = (f"10.244.0.{number}" for number in count(10))


def pod(name, labels, namespace="telecine"):
    return Endpoint(next(_ADDRESSES), labels, namespace, name=name)


def steps():
    """Return the pods of all steps by template, with the labels that Argo gives them."""
    found = {}
    for each in render(values_of("values-prod")):
        if each["kind"] == "WorkflowTemplate":
            for template in each["spec"]["templates"]:
                if "container" in template:
                    document, name = each["metadata"]["name"], template["name"]
                    # Steps of trakt have names that other pipelines use too.
                    key = f"{document}-{name}" if document.startswith("trakt") else name
                    found[key] = pod(key, template["metadata"]["labels"])
    return found


def ray_pods():
    """Return the head and the workers of a RayJob, with the labels that KubeRay adds to its pods."""
    job = Job("gamedata", "extract", "telecine gamedata extract", "mixed", "u-1", {})
    cluster = make_rayjob(RaySettings(image="telecine-ray:0"), job)["spec"]["rayClusterSpec"]
    templates = {"head": cluster["headGroupSpec"]["template"]}
    templates |= {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {
        name: pod(
            name,
            {
                "ray.io/cluster": "telecine-a",
                "ray.io/is-ray-node": "yes",
                "ray.io/node-type": "head" if name == "head" else "worker",
                "ray.io/group": "headgroup" if name == "head" else name,
                **template["metadata"]["labels"],
            },
        )
        for name, template in templates.items()
    }


STEPS, RAY = steps(), ray_pods()
JOB = find(render(values_of("values-prod")), "Job", "telecine-migration")
MIGRATION = pod("migration", JOB["spec"]["template"]["metadata"]["labels"])
SMOKE = pod("smoke", find(render(LEAST, small()), "Pod", "telecine-smoke")["metadata"]["labels"])
CONSOLE = pod(
    "console",
    find(render(values_of("values-prod")), "Deployment", "telecine-console")["spec"]["template"]["metadata"]["labels"],
)
INGRESS = pod("ingress", {"app.kubernetes.io/name": "ingress-nginx"}, "ingress-nginx")
PROMETHEUS = pod("prometheus", {"app": "prometheus"}, "monitoring")
LAUNCHER, HOOK, UPLOAD = STEPS["extract-on-cluster"], STEPS["close-run"], STEPS["upload"]
OPERATOR = pod("operator", {"app.kubernetes.io/component": "kuberay-operator"}, "kuberay-operator")
STRANGER = pod("stranger", {"app": "web"}, "elsewhere")
NEIGHBOUR = pod("neighbour", {"app": "web"})
# Labels that a pod of another namespace may give itself.
IMPOSTOR = pod("impostor", LAUNCHER.labels, "elsewhere")

ALLOWED = {
    "launcher reads the driver's log": (LAUNCHER, RAY["head"], 8265),
    "operator submits the job": (OPERATOR, RAY["head"], 8265),
    "driver writes to the database": (RAY["head"], NODE, DATABASE),
    "driver reads the store": (RAY["head"], NODE, S3),
    "worker reads the store": (RAY["cpu"], NODE, S3),
    "GPU worker reads the store": (RAY["gpu"], NODE, S3),
    "worker joins its head": (RAY["cpu"], RAY["head"], 6379),
    "head starts an actor": (RAY["head"], RAY["cpu"], 10002),
    "workers exchange objects": (RAY["cpu"], RAY["gpu"], 34567),
    "kubelet probes a head": (Endpoint("10.244.0.1", node=True), RAY["head"], 52365),
    "hook calls the webhook": (HOOK, HOST, WEBHOOK),
    "hook sends mail": (HOOK, HOST, MAIL),
    "upload calls the webhook": (UPLOAD, HOST, WEBHOOK),
    "upload sends mail": (UPLOAD, HOST, MAIL),
    "upload reads the store": (UPLOAD, NODE, S3),
    "ingest of trakt asks the API": (STEPS["trakt-ingest"], HOST, REPLAYER),
    "backfill of trakt asks the API": (STEPS["trakt-backfill-backfill"], HOST, REPLAYER),
    "slo of trakt calls the webhook": (STEPS["trakt-slo"], HOST, WEBHOOK),
    "slo of trakt sends mail": (STEPS["trakt-slo"], HOST, MAIL),
    "a model of trakt sends lineage": (STEPS["trakt-model"], HOST, LINEAGE),
    "migration writes to the database": (MIGRATION, NODE, DATABASE),
    "ingress controller opens a page": (INGRESS, CONSOLE, 8080),
    "Prometheus reads the console's metrics": (PROMETHEUS, CONSOLE, 8080),
    "kubelet probes the console": (Endpoint("10.244.0.1", node=True), CONSOLE, 8080),
    "console reads the database": (CONSOLE, NODE, DATABASE),
    "console reads the store": (CONSOLE, NODE, S3),
    "console starts a run": (CONSOLE, NODE, API),
    "smoke test submits": (SMOKE, NODE, API),
    "smoke test writes TARs": (SMOKE, NODE, S3),
    "smoke test counts rows": (SMOKE, NODE, DATABASE),
}
BLOCKED = {
    "worker to the database": (RAY["cpu"], NODE, DATABASE),
    "GPU worker to the database": (RAY["gpu"], NODE, DATABASE),
    "worker to the API server": (RAY["cpu"], NODE, API),
    "head to the API server": (RAY["head"], NODE, API),
    "head to the webhook": (RAY["head"], HOST, WEBHOOK),
    "worker to the internet": (RAY["cpu"], Endpoint("93.184.216.34"), 443),
    "migration to the store": (MIGRATION, NODE, S3),
    "migration to the API server": (MIGRATION, NODE, API),
    "launcher to the webhook": (LAUNCHER, HOST, WEBHOOK),
    "launcher to Ray's other ports": (LAUNCHER, RAY["head"], 6379),
    "launcher to a worker": (LAUNCHER, RAY["cpu"], 8265),
    "another step to the head": (STEPS["plan"], RAY["head"], 8265),
    "smoke test to the head": (SMOKE, RAY["head"], 8265),
    "hook to the head": (HOOK, RAY["head"], 8265),
    "operator to Ray's other ports": (OPERATOR, RAY["head"], 6379),
    "operator to a worker": (OPERATOR, RAY["cpu"], 8265),
    "neighbour to the head": (NEIGHBOUR, RAY["head"], 8265),
    "stranger to the head": (STRANGER, RAY["head"], 8265),
    "stranger to the head's Redis port": (STRANGER, RAY["head"], 6379),
    "impostor to the head": (IMPOSTOR, RAY["head"], 8265),
    "stranger to a step": (STRANGER, LAUNCHER, 8080),
    "neighbour to a step": (NEIGHBOUR, STEPS["plan"], 8080),
    "another step of viewership to the webhook": (STEPS["match"], HOST, WEBHOOK),
    "model of trakt to the API": (STEPS["trakt-model"], HOST, REPLAYER),
    "slo of trakt to the API": (STEPS["trakt-slo"], HOST, REPLAYER),
    "ingest of another pipeline to the API of trakt": (STEPS["ingest"], HOST, REPLAYER),
    "ingest of another pipeline to lineage": (STEPS["ingest"], HOST, LINEAGE),
    "ingest of trakt to the webhook": (STEPS["trakt-ingest"], HOST, WEBHOOK),
    "upload to Ray's head": (UPLOAD, RAY["head"], 8265),
    "step to the mail server": (STEPS["plan"], HOST, MAIL),
    "stranger to the console": (STRANGER, CONSOLE, 8080),
    "neighbour to the console": (NEIGHBOUR, CONSOLE, 8080),
    "step to the console": (STEPS["plan"], CONSOLE, 8080),
    "ingress controller to another port of the console": (INGRESS, CONSOLE, 8265),
    "ingress controller to a step": (INGRESS, STEPS["plan"], 8080),
    "console to the webhook": (CONSOLE, HOST, WEBHOOK),
    "console to the internet": (CONSOLE, Endpoint("93.184.216.34"), 443),
    "console to Ray's head": (CONSOLE, RAY["head"], 8265),
    "another address on an allowed port": (STEPS["plan"], HOST, S3),
}


@pytest.mark.parametrize("flow", ALLOWED)
def test_what_a_run_needs_is_allowed(policies, flow):
    assert blocked(policies, Connection(*ALLOWED[flow])) == []


@pytest.mark.parametrize("flow", BLOCKED)
def test_everything_else_is_blocked(policies, flow):
    assert blocked(policies, Connection(*BLOCKED[flow])) != []


@pytest.mark.parametrize("name", STEPS)
def test_every_step_reaches_the_api_server_the_store_and_the_database(policies, name):
    for port in (API, S3, DATABASE):
        assert blocked(policies, Connection(STEPS[name], NODE, port)) == []


@pytest.mark.parametrize("source", [*STEPS.values(), *RAY.values(), MIGRATION, SMOKE, CONSOLE], ids=str)
def test_every_pod_resolves_names(policies, source):
    for protocol in ("UDP", "TCP"):
        assert blocked(policies, Connection(source, DNS, 53, protocol)) == []


def ports_of(values, policy="telecine-steps"):
    enabled = {"networkPolicies": {"enabled": True}}
    spec = find(render(merged(LEAST, enabled, values), small()), "NetworkPolicy", policy)["spec"]
    return [[port["port"] for port in rule.get("ports", [])] for rule in spec["egress"]]


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("", [443]),
        ("https://s3.example.com", [443]),
        ("http://store", [443, 80]),
        ("http://10.88.0.1:9000", [443, 9000]),
        ("https://[fd00::1]:9443", [443, 9443]),
        ("https://[fd00::1]", [443]),
    ],
)
def test_the_port_of_the_store_is_allowed(url, ports):
    assert ports_of({"s3": {"endpointUrl": url}})[1] == ports
    assert ports_of({"s3": {"endpointUrl": url}}, "telecine-ray") == [[], ports]


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("postgresql://u:p@h/d", [5432]),
        ("postgresql://u:p@h:6432/d", [5432, 6432]),
        ("postgresql+psycopg://u@h:6432/d?options=a@b:1", [5432, 6432]),
        # Not valid in a URL, but PostgreSQL's drivers take them.
        ("postgresql://u:pa/ss:1@h:6432/d", [5432, 6432]),
        ("postgresql://u:%ZZ@h:6432,i:6433/d", [5432, 6432, 6433]),
        ("postgresql://u@[fd00::1]:6432/d", [5432, 6432]),
    ],
)
def test_the_port_of_the_database_is_allowed(url, ports):
    values = {"database": {"existingSecret": "", "url": url}}
    assert ports_of(values)[2] == ports
    assert ports_of(values, "telecine-migration") == ports_of(values, "telecine-ray-head") == [ports]


def test_the_port_of_the_consoles_database_is_allowed_for_the_console_only():
    console = {"enabled": True, "access": "proxy", "trustedProxies": ["10.0.0.0/8"]}
    values = {"console": {**console, "databaseUrl": "postgresql://c:p@pooler:6432/d"}}
    assert ports_of(values, "telecine-console") == [[5432, 6432], [443], [443, 6443]]
    values["console"]["launch"] = {"enabled": False}
    assert ports_of(values, "telecine-console") == [[5432, 6432], [443]]
    assert ports_of(values, "telecine-migration") == [[5432]]


def test_pods_that_may_open_pages_are_named_by_value():
    peers = {"namespaceLabels": {"team": "edge"}, "podLabels": {"app": "oauth2-proxy"}}
    values = {"networkPolicies": {"enabled": True}, "console": {"allowedFrom": peers}}
    prod = render(merged(values_of("values-prod"), values), small())
    (rule,) = find(prod, "NetworkPolicy", "telecine-console")["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"]["team"] == "edge"
    assert rule["from"][0]["podSelector"] == {"matchLabels": {"app": "oauth2-proxy"}}


@pytest.mark.parametrize(
    ("notify", "ports"),
    [
        ({}, [443, 587]),
        ({"webhookUrl": "https://u:p@hooks.example.com/@team:1/x"}, [443, 587]),
        ({"webhookUrl": "http://hooks:8080/x"}, [443, 587, 8080]),
        ({"smtp": {"host": "mail", "port": 25, "from": "a@b", "to": ["c@d"]}}, [443, 587, 25]),
        ({"smtp": {"port": 25}}, [443, 587]),
    ],
)
def test_the_ports_of_notifications_are_allowed(notify, ports):
    assert ports_of({"notify": notify}, "telecine-notify") == [ports]


@pytest.mark.parametrize(
    "artifacts", [{"endpointUrl": "http://minio:9001"}, {"endpoint": "minio:9001"}], ids=["a URL", "the old name"]
)
def test_the_artifact_stores_port_is_allowed(artifacts):
    assert ports_of({"artifacts": artifacts})[1] == [443, 9001]


def test_the_proxys_port_is_allowed_where_it_is_used():
    values = {"proxy": {"http": "http://proxy:3128", "https": "http://proxy:3129"}}
    assert ports_of(values)[1] == [443, 3128, 3129]
    assert ports_of(values, "telecine-notify") == [[443, 587, 3128, 3129]]
    assert ports_of(values, "telecine-migration") == [[5432]]


def test_the_ports_of_the_trakt_api_and_of_lineage_are_allowed():
    assert ports_of({}, "telecine-trakt") == [[443]]
    replayed = {"trakt": {"sourceSystem": "replay", "baseUrl": "http://replayer:8790"}}
    assert ports_of(replayed, "telecine-trakt") == [[443, 8790]]
    assert ports_of({"lineage": {"url": "http://marquez:5000/api"}}, "telecine-lineage") == [[443, 5000]]
    objects = render(merged(LEAST, {"networkPolicies": {"enabled": True}}), small())
    assert not [each for each in objects if each["metadata"]["name"] == "telecine-lineage"], "there is nobody to tell"
