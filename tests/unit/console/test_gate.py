"""The gate: hosts, paths, bodies and headers of requests that no page would send."""

from __future__ import annotations

import logging

import pytest

from jobs.console.app import create
from jobs.console.web.gate import Gate
from tests.console_app import BROWSER, ask, post, settings

TOKEN = {"access": "token", "public_url": "https://console.example", "host": "0.0.0.0"}
FORM = {
    "content-type": "application/x-www-form-urlencoded",
    "sec-fetch-site": "same-origin",
    "accept": "application/json",
}


@pytest.fixture(scope="module")
def local():
    return create(settings())


@pytest.fixture(scope="module")
def token():
    return create(settings(**TOKEN))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"])
def test_local_answers_under_the_names_of_this_machine(local, host):
    assert ask(local, "/static/x/icon.svg", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evil.example:8080", "", "localhost:", "localhost:x", "localhost."),
        *("evil@localhost", "localhost/healthz", "localhost?/healthz", "localhost#", "evil.example/healthz?", "::1"),
        *("127.0.0.1.evil.example", "[::1].evil.example", "localhost:8080,evil.example", "127.1", "0.0.0.0", " "),
        None,
    ],
)
def test_local_refuses_every_other_host(local, host):
    answer = ask(local, "/runs.json", host=host)
    assert (answer.status, answer.code) == (400, "host_unknown")


def test_two_hosts_are_none(local):
    answer = ask(local, "/runs.json", headers=[("host", "localhost:8080")])
    assert (answer.status, answer.code) == (400, "host_unknown")


@pytest.mark.parametrize("host", ["console.example", "Console.Example", "console.example:443"])
def test_a_public_url_is_the_only_host(token, host):
    assert ask(token, "/login", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "evil.example", "console.example.evil.example", "console.example:80", "x@console.example"]
)
def test_a_public_url_refuses_other_hosts(token, host):
    answer = ask(token, "/login", host=host, headers={"accept": "application/json"})
    assert (answer.status, answer.code) == (400, "host_unknown")


@pytest.mark.parametrize("host", ["10.1.2.3:8080", "[fd00::1]:8080", None])
def test_probes_take_the_address_of_a_pod(token, host):
    assert ask(token, "/healthz", host=host).status == 200
    assert ask(token, "/metrics", host=host).status == 200


def test_a_probe_with_an_odd_host_is_refused(token):
    assert ask(token, "/healthz", host="a/b").status == 400


@pytest.mark.parametrize("target", ["/runs/%00", "/%00", "http://evil.example/runs", "*", "", "/runs?q=\xff"])
def test_paths_that_are_not_ours_are_400(local, target):
    answer = ask(local, target, headers={"accept": "application/json"})
    assert (answer.status, answer.code) == (400, "bad_url")


@pytest.mark.parametrize(
    "target", ["/%ff%fe", "//evil.example/x", "/..%2f..%2fetc/passwd", "/runs/", "/static/x/../../settings.py"]
)
def test_other_odd_paths_are_404_without_a_link_to_them(local, target):
    answer = ask(local, target, headers=BROWSER)
    assert (answer.status, answer.header("location")) == (404, None)
    assert "evil.example" not in answer.text


def test_long_urls_and_headers_are_refused(local):
    long = ask(local, f"/runs.json?q={'x' * 16_384}")
    assert (long.status, long.code) == (414, "url_too_long")
    large = ask(local, "/runs.json", headers=[(f"x-{number}", "x" * 1_000) for number in range(33)])
    assert (large.status, large.code) == (431, "headers_too_large")


@pytest.mark.parametrize("lengths", [["-1"], ["+5"], ["1_0"], ["0x10"], [""], ["\xb2"], ["5", "5"], ["5, 5"], ["1e3"]])
def test_a_length_that_is_not_one_number_is_400(token, lengths):
    headers = [*FORM.items(), *(("content-length", length) for length in lengths)]
    answer = ask(token, "/login", method="POST", headers=headers, host="console.example")
    assert (answer.status, answer.code) == (400, "bad_length")


@pytest.mark.parametrize("length", ["65537", "9" * 18, "9" * 6_000])
def test_a_length_over_the_limit_is_413_before_the_body(token, length):
    headers = {**FORM, "content-length": length}
    answer = ask(token, "/login", method="POST", headers=headers, host="console.example", endless=True)
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize("length", [None, "10"])
def test_a_body_over_the_limit_is_413_whatever_its_header_says(token, length):
    headers = {**FORM, **({} if length is None else {"content-length": length})}
    parts = [b"token=" + b"x" * 32_000, b"x" * 32_000, b"x" * 32_000]
    answer = ask(token, "/login", method="POST", headers=headers, body=parts, host="console.example")
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_multipart_body_over_the_limit_is_413(token):
    head = b'--b\r\nContent-Disposition: form-data; name="token"; filename="../../x"\r\n\r\n'
    headers = {**FORM, "content-type": "multipart/form-data; boundary=b"}
    answer = ask(token, "/login", method="POST", headers=headers, body=[head, b"x" * 70_000], host="console.example")
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_that_pauses_is_408(token):
    app = Gate(token.app, token.app.state.console, body_pause_s=0.05)
    answer = ask(app, "/login", method="POST", headers=FORM, body=b"tok", host="console.example", endless=True)
    assert (answer.status, answer.code) == (408, "body_too_slow")


@pytest.mark.parametrize("fields", [{"token": "s3cret" * 50}, {"next": "/" * 3_000, "token": "s3cret"}])
def test_an_invalid_form_is_400_and_repeats_nothing(token, fields):
    answer = post(token, "/login", fields, host="console.example", headers={"accept": "application/json"})
    assert (answer.status, answer.code) == (400, "bad_values")
    assert "s3cret" not in answer.text


def test_every_answer_has_the_headers(local, token):
    answers = [
        ask(local, "/static/x/icon.svg"),
        ask(local, "/nothing", headers=BROWSER),
        ask(local, "/runs.json", host="evil.example"),
        ask(local, "/runs", headers=BROWSER),
        ask(token, "/login", host="console.example"),
        ask(token, "/runs", method="OPTIONS", host="console.example"),
    ]
    assert [answer.status for answer in answers] == [200, 404, 400, 503, 200, 405]
    for answer in answers:
        assert (answer.header("content-security-policy") or "").startswith("default-src 'none'; script-src 'self'")
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("cache-control") in ("no-store", "no-cache")
        assert answer.header("x-request-id")
        assert answer.header("server") is None


def test_head_is_get_without_a_body(local):
    get, head = ask(local, "/static/x/icon.svg"), ask(local, "/static/x/icon.svg", method="HEAD")
    assert (head.status, head.body, head.complete) == (200, b"", True)
    assert head.header("content-length") == get.header("content-length")
    assert ask(local, "/nothing", method="HEAD").status == 404


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "BREW", "X" * 5_000])
def test_other_methods_are_405(local, method):
    assert ask(local, "/healthz", method=method).status == 405


def test_metrics_have_no_series_of_a_client_s_own(local):
    for number in range(3):
        ask(local, f"/nothing-{number}")
        ask(local, f"/static/digest-{number}/nothing-{number}")
        ask(local, "/healthz", method=f"BREW{number}")
    text = ask(local, "/metrics").text
    assert "nothing" not in text
    assert "digest-" not in text
    assert "BREW" not in text
    assert 'method="other",route="/healthz",status="405"' in text
    assert 'route="/static/{digest}/{name:path}"' in text


def test_metrics_parse():
    from prometheus_client.parser import text_string_to_metric_families

    app = create(settings())
    ask(app, "/healthz")
    families = {each.name: each for each in text_string_to_metric_families(ask(app, "/metrics").text)}
    assert {name for name in families if not name.endswith("_created")} == {
        *("telecine_console_requests", "telecine_console_request_seconds", "telecine_console_logins"),
        "telecine_console_database_up",
        *("telecine_console_slo_budget_left_share", "telecine_console_slo_budget_spent_share"),
        *("telecine_console_slo_days", "telecine_console_slo_days_without_data"),
        "telecine_console_uploads",
    }
    (sample,) = [each for each in families["telecine_console_requests"].samples if each.name.endswith("_total")]
    assert sample.labels == {"method": "GET", "route": "/healthz", "status": "200"}
    assert sample.value == 1


def test_a_bug_is_500_with_an_id_that_is_in_the_log(monkeypatch, caplog):
    app = create(settings())

    def broken(*_: object) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(app.app.state.console.assets, "response", broken)
    with caplog.at_level(logging.INFO):
        answer = ask(app, "/static/x/icon.svg", headers=BROWSER)
    assert answer.status == 500
    request_id = answer.header("x-request-id")
    assert f"<code>{request_id}</code>" in answer.text
    assert "Traceback" not in answer.text
    assert "secret detail" not in answer.text
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.request == request_id
    assert record.exc_info is not None
    assert 'status="500"' in ask(app, "/metrics").text


def test_without_a_database_pages_are_503_and_probes_tell_them_apart(local):
    page, data = ask(local, "/runs", headers=BROWSER), ask(local, "/runs.json")
    assert (page.status, page.header("retry-after")) == (503, "5")
    assert "Not available right now" in page.text
    assert (data.status, data.header("retry-after")) == (503, "5")
    assert "127.0.0.1" not in page.text + data.text
    assert ask(local, "/healthz").status == 200
    ready = ask(local, "/readyz")
    assert (ready.status, ready.json()) == (503, {"status": "unavailable", "code": "database_unreachable"})
