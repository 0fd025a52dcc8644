"""Modes of access that protect nothing are refused before anything listens."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs.cli import run
from jobs.console.app import create
from shared.errors import ConfigurationError
from tests.console_app import settings


def refusal(**values: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        create(settings(**values))
    assert caught.value.exit_code == 78
    return caught.value


def test_a_pod_without_a_mode_does_not_start(monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert refusal().code == "access_missing"
    assert run(["console", "--port", "0"]) == 78
    assert "TELECINE_CONSOLE_ACCESS is not set" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "console.example"])
def test_local_listens_on_loopback_only(host):
    assert refusal(host=host).code == "access_local"


def test_local_is_not_reached_by_another_name():
    error = refusal(public_url="https://console.example")
    assert error.code == "access_local"
    assert "--access proxy" in str(error)
    create(settings(public_url="http://localhost:9000"))


def test_proxy_needs_trusted_proxies_and_two_headers():
    error = refusal(access="proxy", host="0.0.0.0")
    assert error.code == "access_proxy"
    assert "--trusted-proxies 10.0.0.0/8" in str(error)
    same = refusal(access="proxy", trusted_proxies=("10.0.0.1",), user_header="X-A", groups_header="x-a")
    assert "two different headers" in str(same)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", ""])
def test_everyone_and_names_are_not_trusted_proxies(network):
    with pytest.raises(ValidationError, match="expected"):
        settings(access="proxy", trusted_proxies=(network,))


@pytest.mark.parametrize("header", ["X_Forwarded_User", "X User", "X-User\r\nX", "", "-"])
def test_a_header_with_two_spellings_is_not_taken(header):
    with pytest.raises(ValidationError, match="expected letters and digits with single dashes"):
        settings(user_header=header)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "//argo.example", "argo.example/{workflow}", "data:text/html,x"]
)
def test_a_link_that_is_not_a_web_address_is_refused(link):
    with pytest.raises(ValidationError, match="web address"):
        settings(argo_link=link)
    with pytest.raises(ValidationError, match="web address"):
        settings(docs_link=link)


@pytest.mark.parametrize("name", ["a b", "-a", "", "é", "a\n", "a" * 64])
def test_a_token_has_a_name_that_can_be_typed_again(name, capsys):
    for command in ("issue", "revoke"):
        assert run(["console", "token", command, "--", name]) == 2
        assert "expected a letter or digit, and up to 62" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        None,
        "http://console.example",
        "http://localhost.evil.example",
        "http://localhost.evil.example:8080",
        "http://127.0.0.1.evil.example",
        "http://localhostx",
    ],
)
def test_token_needs_tls_before_it(url):
    assert refusal(access="token", public_url=url).code == "access_token"


@pytest.mark.parametrize(
    "url", ["https://console.example", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:80/"]
)
def test_token_takes_tls_and_this_machine(url):
    create(settings(access="token", public_url=url, host="0.0.0.0"))


@pytest.mark.parametrize(
    "url",
    [
        "console.example",
        "ftp://console.example",
        "https://",
        "https://user@console.example",
        "https://@console.example",
        "https://console.example/path",
        "https://console.example?",
        "https://console.example#",
        "https://console.example:0",
        "https://console.example:99999",
        "https://console.example:x",
        "https://con sole.example",
        "https://b\u00fcro.example",
        "https://[::1",
        "https://console.example\r\nX: y",
    ],
)
def test_what_is_not_an_origin_is_refused(url):
    with pytest.raises(ValidationError, match="expected https://host"):
        settings(public_url=url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Console.Example:443/", "https://console.example"),
        ("https://console.example:8443", "https://console.example:8443"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_as_browsers_write_it(url, origin):
    assert settings(public_url=url).public_url == origin
