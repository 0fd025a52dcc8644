"""The real client against an API server of a few lines."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration

from shared.cluster.client import Client
from shared.errors import ConfigurationError, TransientError
from shared.rayjob.cluster import KubernetesCluster, RayJobExists, options

PATH = "/apis/ray.io/v1/namespaces/telecine/rayjobs"


class Api(BaseHTTPRequestHandler):
    answers: dict = {}  # noqa: RUF012 - a handler is made for each request
    asked: list = []  # noqa: RUF012

    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.asked.append((self.command, self.path, body))
        code, answer = self.answers.get((self.command, self.path.partition("?")[0]), (404, {"message": "not found"}))
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    Api.answers, Api.asked = {}, []
    server = HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cluster(api):
    configuration = Configuration(host=f"http://127.0.0.1:{api.server_port}")
    configuration.retries = False
    with ApiClient(configuration) as client:
        yield KubernetesCluster(Client(client, "telecine", **options()))


def test_it_gets_makes_lists_and_deletes(cluster):
    Api.answers = {
        ("GET", f"{PATH}/a"): (200, {"metadata": {"name": "a"}}),
        ("POST", PATH): (201, {"metadata": {"uid": "u"}}),
        ("GET", PATH): (200, {"items": [{"metadata": {"name": "a"}}]}),
        ("DELETE", f"{PATH}/a"): (200, {"status": "Success"}),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/telecine/workflows/w"): (200, {"spec": {"shutdown": "Stop"}}),
        ("GET", "/api/v1/namespaces/telecine/pods"): (200, {"items": []}),
    }
    assert cluster.get_rayjob("a") == {"metadata": {"name": "a"}}
    assert cluster.get_rayjob("b") is None
    assert cluster.create_rayjob({"kind": "RayJob"}) == {"metadata": {"uid": "u"}}
    assert cluster.list_rayjobs("a=b,c=d") == [{"metadata": {"name": "a"}}]
    cluster.delete_rayjob("a", "u")
    cluster.delete_rayjob("b", "u")
    assert cluster.get_workflow("w") == {"spec": {"shutdown": "Stop"}}
    assert cluster.get_workflow("x") is None
    assert cluster.list_pods("x=y") == []
    assert ("POST", PATH, {"kind": "RayJob"}) in Api.asked
    assert ("GET", f"{PATH}?labelSelector=a%3Db%2Cc%3Dd", None) in Api.asked
    deleted = {"propagationPolicy": "Background", "preconditions": {"uid": "u"}}
    assert ("DELETE", f"{PATH}/a", deleted) in Api.asked


@pytest.mark.parametrize("name", ["../../pods/a", "..", ".", "a/b", "a?b=c", "a#b", "", "A", "%2e%2e", "a\n"])
def test_the_name_of_an_owner_leads_nowhere_else(cluster, name):
    assert cluster.get_workflow(name) is None
    assert Api.asked == []


def test_another_of_the_same_name_is_not_deleted(cluster):
    Api.answers = {("DELETE", f"{PATH}/a"): (409, {"message": "the UID in the precondition does not match"})}
    cluster.delete_rayjob("a", "u")


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (409, RayJobExists, "create rayjobs: already exists"),
        (429, TransientError, r"cannot create rayjobs right now \(429\)"),
        (503, TransientError, r"cannot create rayjobs right now \(503\)"),
        (401, ConfigurationError, r"refuses to create rayjobs in namespace telecine \(401\)"),
        (403, ConfigurationError, r"\(403\): already exists; the launcher needs"),
        (422, ConfigurationError, r"\(422\)"),
    ],
)
def test_refusals_become_typed_errors(cluster, code, error, words):
    Api.answers = {("POST", PATH): (code, {"message": "already exists"})}
    with pytest.raises(error, match=words):
        cluster.create_rayjob({})


def test_an_api_that_is_not_there_may_come_back(api, cluster):
    api.shutdown()
    api.server_close()
    with pytest.raises(TransientError, match="does not answer"):
        cluster.get_rayjob("a")


def test_a_cluster_without_kuberay_says_so(cluster):
    with pytest.raises(ConfigurationError, match="is KubeRay installed"):
        cluster.list_rayjobs("a=b")
    assert cluster.get_rayjob("a") is None
    with pytest.raises(ConfigurationError, match="is KubeRay installed"):
        cluster.create_rayjob({})
