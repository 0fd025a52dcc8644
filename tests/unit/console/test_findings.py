"""Findings about the console's settings: a wrong variable is one of them, and no bug."""

from __future__ import annotations

import pytest

from jobs.console import findings
from jobs.console.findings import examine
from shared.cluster.client import Client
from shared.doctor.settings import DoctorSettings
from tests.console_app import NO_DATABASE


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PORT", "abc"), ("THREADS", "99"), ("ACCESS", "none"), ("USER_HEADER", "a_b"), ("TRUSTED_PROXIES", "0.0.0.0/0")],
)
def test_a_variable_that_is_not_valid_is_a_finding(monkeypatch, variable, value):
    name = f"TELECINE_CONSOLE_{variable}"
    monkeypatch.setenv(name, value)
    (found,) = examine(DoctorSettings(database_url=NO_DATABASE))
    assert (found.area, found.name, found.status) == ("console", "access", "fail")
    assert f"{name}={value} is not valid" in found.message
    assert "expected" in found.message


def test_variables_that_are_valid_name_the_mode(monkeypatch):
    monkeypatch.setenv("TELECINE_CONSOLE_PUBLIC_URL", "https://console.example")
    monkeypatch.setenv("TELECINE_CONSOLE_ACCESS", "token")
    (found,) = examine(DoctorSettings(database_url=NO_DATABASE))
    assert (found.status, found.message) == ("ok", "token, at https://console.example")


@pytest.mark.parametrize(
    ("allowed", "status", "words"),
    [
        (True, "ok", "may create Workflows in telecine"),
        (False, "fail", "cannot create workflows in telecine"),
        (None, "fail", "the console needs a service account with a token"),
    ],
)
def test_a_console_in_a_pod_needs_the_right_to_create_workflows(monkeypatch, allowed, status, words):
    class Api:
        def call_api(self, path, method, *, body, **_):
            assert (path, method) == ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST")
            asked = body["spec"]["resourceAttributes"]
            assert (asked["verb"], asked["resource"], asked["group"]) == ("create", "workflows", "argoproj.io")
            return {"status": {"allowed": allowed}}

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("TELECINE_CONSOLE_ACCESS", "token")
    monkeypatch.setenv("TELECINE_CONSOLE_PUBLIC_URL", "https://console.example")
    if allowed is not None:
        monkeypatch.setattr(findings, "connect", lambda **values: Client(Api(), "telecine", **values))
    access, launch = examine(DoctorSettings(database_url=NO_DATABASE))
    assert access.status == "ok"
    assert (launch.area, launch.name, launch.status) == ("console", "starting runs", status)
    assert words in launch.message
    monkeypatch.setenv("TELECINE_CONSOLE_LAUNCH", "off")
    assert [each.name for each in examine(DoctorSettings(database_url=NO_DATABASE))] == ["access"]


def test_variables_that_the_kubelet_sets_for_a_service_are_not_the_consoles(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("TELECINE_CONSOLE_SERVICE_HOST", "10.96.0.7")
    monkeypatch.setenv("TELECINE_CONSOLE_PORT", "tcp://10.96.0.7:80")
    assert list(examine(DoctorSettings(database_url=NO_DATABASE))) == []
