"""Tokens and sessions on a real database: what they open, when they end, and where they never appear."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from jobs.cli import run
from jobs.console.access import tokens
from jobs.console.access.limit import Limit
from jobs.console.app import create
from jobs.console.pages import login as login_page
from shared.database.session import transaction
from shared.retention.settings import VacuumSettings
from shared.retention.vacuum import vacuum
from tests.console_app import BROWSER, ask, post, settings
from tests.postgres_server import _database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.console_app import Answer
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOST = "console.example"
JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[Database]:
    with _database(postgres, "telecine") as made:
        yield made


def application(database: Database, **values: object) -> ASGIApp:
    known = {"database_url": database.url, "access": "token", "public_url": f"https://{HOST}"}
    return create(settings(**{**known, **values}))


@pytest.fixture(scope="module")
def app(database: Database) -> ASGIApp:
    return application(database)


@pytest.fixture(autouse=True)
def many_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_page, "_limit", Limit(per_peer=1_000, all_peers=1_000, seconds=60))


def issue(database: Database, name: str = "ada", role: str = "viewer", days: int = 90) -> str:
    with transaction(database.settings()) as session:
        return tokens.issue(session, name, role, days)


def log_in(app: ASGIApp, token: str, **fields: str) -> Answer:
    return post(app, "/login", {"token": token, **fields}, host=HOST)


def cookie_of(app: ASGIApp, token: str) -> str:
    answer = log_in(app, token)
    assert answer.status == 303, answer.text
    return (answer.header("set-cookie") or "").partition(";")[0]


def status(app: ASGIApp, cookie: str, **headers: str) -> int:
    return ask(app, "/runs.json", headers={"cookie": cookie, **headers}, host=HOST).status


def bearer(app: ASGIApp, token: str, target: str = "/runs.json", **headers: str) -> int:
    return ask(app, target, headers={"authorization": f"Bearer {token}", **headers}, host=HOST).status


def test_a_login_starts_a_session_and_a_logout_ends_it_on_the_server(app, database):
    answer = log_in(app, issue(database), next="/runs?status=failed")
    assert (answer.status, answer.header("location")) == (303, "/runs?status=failed")
    cookie, *attributes = (answer.header("set-cookie") or "").split("; ")
    assert cookie.startswith("__Host-telecine=")
    assert sorted(each.lower() for each in attributes) == ["httponly", "path=/", "samesite=lax", "secure"]
    page = ask(app, "/runs", headers={**BROWSER, "cookie": cookie}, host=HOST)
    assert page.status == 200
    assert "ada" in page.text
    out = post(app, "/logout", {}, headers={"cookie": cookie}, host=HOST)
    assert (out.status, out.header("location")) == (303, "/login")
    assert '__Host-telecine=""' in (out.header("set-cookie") or "")
    assert status(app, cookie) == 401
    again = ask(app, "/runs?q=a%26b", headers={**BROWSER, "cookie": cookie}, host=HOST)
    assert (again.status, again.header("location")) == (303, "/login?next=%2Fruns%3Fq%3Da%2526b")
    odd = ask(app, "/runs/100%25%20%C3%BC", headers=BROWSER, host=HOST)
    assert odd.header("location") == "/login?next=%2Fruns%2F100%2525%2520%25C3%25BC"
    assert log_in(app, issue(database), next="/runs/100%25%20%C3%BC").header("location") == "/runs/100%25%20%C3%BC"


def test_two_replicas_share_sessions(app, database):
    other = application(database)
    cookie = cookie_of(app, issue(database))
    assert status(other, cookie) == 200
    assert post(other, "/logout", {}, headers={"cookie": cookie}, host=HOST).status == 303
    assert status(app, cookie) == 401


def test_only_hashes_are_stored(app, database):
    token = issue(database, "hashed")
    cookie = cookie_of(app, token).partition("=")[2]
    assert database.rows("SELECT token_hash FROM console.tokens WHERE name = 'hashed'") == [
        (hashlib.sha256(token.encode()).digest(),)
    ]
    stored = "".join(
        str(database.rows(f"SELECT {table}::text FROM console.{table}")) for table in ("tokens", "sessions", "audit")
    )
    assert hashlib.sha256(cookie.encode()).hexdigest() in stored
    assert token not in stored
    assert cookie not in stored


@pytest.mark.parametrize("change", ["expires_at = now()", "revoked_at = now()"])
def test_a_token_that_ends_takes_its_sessions_along(app, database, change):
    token = issue(database, "ending")
    cookie = cookie_of(app, token)
    assert (status(app, cookie), bearer(app, token)) == (200, 200)
    database.rows(f"UPDATE console.tokens SET {change} WHERE name = 'ending'")
    assert (status(app, cookie), bearer(app, token)) == (401, 401)
    assert "failed=1" in (log_in(app, token).header("location") or "")


def test_a_session_ends_after_idle_hours_and_a_request_prolongs_it(app, database):
    cookie = cookie_of(app, issue(database))
    row = f"WHERE session_hash = '\\x{hashlib.sha256(cookie.partition('=')[2].encode()).hexdigest()}'"

    def seen() -> tuple[object, ...]:
        return database.rows(f"SELECT seen_at, xmin::text FROM console.sessions {row}")[0]

    before = seen()
    assert (status(app, cookie), seen()) == (200, before)
    database.rows(f"UPDATE console.sessions SET seen_at = now() - interval '11 hours 59 minutes' {row}")
    assert status(app, cookie) == 200
    assert seen()[0] > before[0]
    database.rows(f"UPDATE console.sessions SET seen_at = now() - interval '12 hours 1 second' {row}")
    assert status(app, cookie) == 401
    assert status(application(database, session_hours=13), cookie) == 200


def test_a_bearer_token_opens_twins_and_needs_no_origin(app, database):
    token = issue(database)
    assert [bearer(app, token, target) for target in ("/runs.json", "/runs.csv", "/runs")] == [200, 200, 200]
    headers = {"authorization": f"bearer {token}", "sec-fetch-site": "cross-site"}
    assert ask(app, "/logout", method="POST", headers=headers, host=HOST).status == 303


def test_an_invalid_bearer_token_is_nobody_whatever_the_cookie(app, database):
    token = issue(database)
    cookie = cookie_of(app, token)
    for text in ("Bearer x", "Bearer ", "Bearer", f"bearer {token}x", f"Bearer {cookie.partition('=')[2]}"):
        assert status(app, cookie, authorization=text) == 401, text
        headers = {"authorization": text, "cookie": cookie}
        assert ask(app, "/logout", method="POST", headers=headers, host=HOST).status == 401, text
    twice = [("authorization", "Basic eA=="), ("authorization", f"Bearer {token}"), ("cookie", cookie)]
    assert ask(app, "/runs.json", headers=twice, host=HOST).status == 401
    # Another scheme is none of ours: the cookie counts, and with it the origin.
    assert status(app, cookie, authorization="Basic eA==") == 200
    headers = {"authorization": "Basic eA==", "cookie": cookie}
    assert ask(app, "/logout", method="POST", headers=headers, host=HOST).status == 403
    assert status(app, cookie) == 200


def test_anonymous_programs_get_401_and_browsers_the_form(app):
    assert bearer(app, "x", "/runs") == 401
    data = ask(app, "/runs.json", host=HOST)
    assert (data.status, data.header("www-authenticate")) == (401, 'Bearer realm="telecine"')
    post_ = ask(app, "/logout", method="POST", headers=BROWSER, host=HOST)
    assert post_.status == 401
    assert 'href="/login"' in post_.text
    # Of a run, nobody learns whether it exists.
    assert ask(app, "/runs/x", headers=JSON, host=HOST).status == 401


def test_other_sites_can_neither_log_in_nor_out(app, database):
    token = issue(database)
    cookie = cookie_of(app, token)
    before = database.rows("SELECT count(*) FROM console.sessions")
    for site in ("cross-site", "same-site", "none"):
        headers = {"sec-fetch-site": site, "cookie": cookie}
        assert post(app, "/logout", {}, headers=headers, host=HOST).status == 403
        assert post(app, "/login", {"token": token}, headers=headers, host=HOST).status == 403
    assert status(app, cookie) == 200
    assert database.rows("SELECT count(*) FROM console.sessions") == before


def test_a_refused_login_tells_nothing(app, database):
    expired, revoked = issue(database, "expired"), issue(database, "revoked")
    database.rows("UPDATE console.tokens SET expires_at = now() WHERE name = 'expired'")
    database.rows("UPDATE console.tokens SET revoked_at = now() WHERE name = 'revoked'")
    said = set()
    for token in (expired, revoked, "telecine_unknown", "", "\0", "' OR true --", "\ud7ff" * 60):
        answer = log_in(app, token)
        assert (answer.status, answer.header("set-cookie")) == (303, None)
        said.add(answer.header("location"))
    assert said == {"/login?next=%2F&failed=1"}
    page = ask(app, "/login?next=%2F&failed=1", headers=BROWSER, host=HOST)
    assert "unknown, expired or revoked" in page.text


def test_logins_are_limited_per_client_also_behind_a_proxy(database, monkeypatch):
    monkeypatch.setattr(login_page, "_limit", Limit(per_peer=2, all_peers=100, seconds=60))
    app = application(database, trusted_proxies=("10.0.0.1",))

    def attempt(client: str, peer: str = "10.0.0.1") -> Answer:
        return post(app, "/login", {"token": "x"}, headers={"x-forwarded-for": client}, peer=peer, host=HOST)

    assert [attempt(client).status for client in ("1.1.1.1", "9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1")] == [303, 303, 429]
    assert attempt("2.2.2.2").status == 303
    assert [attempt(f"3.3.3.{number}", peer="6.6.6.6").status for number in range(3)] == [303, 303, 429]
    refused = attempt("1.1.1.1")
    assert 0 < int(refused.header("retry-after") or 0) <= 60
    # A valid token is refused too: the limit tells nothing about it.
    headers = {"x-forwarded-for": "1.1.1.1"}
    valid = post(app, "/login", {"token": issue(database)}, headers=headers, peer="10.0.0.1", host=HOST)
    assert valid.status == 429


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example"),
        *("javascript:alert(1)", "/\t/evil.example", "/\n//evil.example", "/x\r\nSet-Cookie: a=b", " /x", "evil", ""),
        "/" + "x" * 2_000,
    ],
)
def test_a_login_leads_to_no_other_site(app, database, target):
    answer = log_in(app, issue(database), next=target)
    if len(target) > 2_000:
        assert answer.status == 400
    else:
        assert (answer.status, answer.header("location")) == (303, "/")
    form = ask(app, f"/login?next={quote(target)}", headers=BROWSER, host=HOST)
    assert re.findall(r'name="next" value="([^"]*)"', form.text) == ["/"]


def test_a_login_leads_to_the_page_that_was_asked_for(app, database):
    for target in ("/", "/runs?q=%2F%2Fevil", "/runs/a%2Fb"):
        assert log_in(app, issue(database), next=target).header("location") == target


def test_logins_and_logouts_are_in_the_audit_log(app, database):
    cookie = cookie_of(app, issue(database, "audited", "reviewer"))
    post(app, "/logout", {}, headers={"cookie": cookie}, host=HOST)
    assert database.rows("SELECT actor, role, action FROM console.audit WHERE actor = 'audited' ORDER BY id") == [
        ("audited", "reviewer", "login"),
        ("audited", "reviewer", "logout"),
    ]


def test_no_secret_is_in_logs_pages_or_metrics(app, database, caplog):
    token = issue(database, "quiet")
    with caplog.at_level(logging.DEBUG):
        first = log_in(app, token)
        cookie = (first.header("set-cookie") or "").partition(";")[0]
        refused = log_in(app, token + "x", next="/runs")
        answers = [
            ask(app, target, headers={**BROWSER, "cookie": cookie}, host=HOST)
            for target in ("/", "/runs", "/runs?x=1", "/nothing", "/metrics", "/runs/none")
        ]
        bearer(app, token)
        out = post(app, "/logout", {}, headers={"cookie": cookie}, host=HOST)
    assert "POST /login 303" in caplog.text
    shown = (
        caplog.text + "".join(answer.text for answer in answers) + str(refused.headers) + str(first.header("location"))
    )
    shown += "".join(str(record.__dict__) for record in caplog.records) + str(out.headers)
    for secret in (token, token[9:], cookie.partition("=")[2]):
        assert secret not in shown
    assert 'telecine_console_logins_total{result="accepted"}' in answers[4].text
    assert "quiet" not in answers[4].text


def command(database: Database, *words: str) -> int:
    return run(["console", "token", *words, "--database-url", database.url])


def test_tokens_are_issued_listed_and_revoked_by_commands(app, database, capsys):
    assert command(database, "issue", "bob", "--role", "uploader", "--days", "7") == 0
    first = capsys.readouterr().out
    token = first.split()[0]
    assert token.startswith("telecine_")
    assert "is shown once" in first
    assert command(database, "issue", "bob") == 0
    second = capsys.readouterr().out.split()[0]
    assert second != token
    assert (bearer(app, token), bearer(app, second)) == (200, 200)
    assert command(database, "list") == 0
    listed = capsys.readouterr().out
    assert len(re.findall(r"^bob +(uploader|viewer) ", listed, re.MULTILINE)) == 2
    assert token not in listed
    assert command(database, "revoke", "bob") == 0
    assert "2 tokens of bob revoked" in capsys.readouterr().out
    assert (bearer(app, token), bearer(app, second)) == (401, 401)
    assert command(database, "revoke", "bob") == 2
    assert "has no valid token; list all with: telecine console token list" in capsys.readouterr().err
    assert database.rows("SELECT action, details FROM console.audit WHERE subject = 'bob' ORDER BY id") == [
        ("token_issued", {"role": "uploader", "days": 7}),
        ("token_issued", {"role": "viewer", "days": 90}),
        ("token_revoked", {"tokens": 2}),
    ]


@pytest.mark.parametrize("name", ["a b", "-x", "a;b", "a\n", "\x1b[31m", "../x", "\u00e4", "", "a" * 64, "'"])
def test_hostile_names_are_a_usage_error(database, capsys, name):
    before = database.rows("SELECT count(*) FROM console.tokens")
    for word in ("issue", "revoke"):
        assert run(["console", "token", word, "--database-url", database.url, "--", name]) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert database.rows("SELECT count(*) FROM console.tokens") == before


def test_names_from_elsewhere_are_listed_on_one_line(database, capsys):
    database.rows(
        "INSERT INTO console.tokens (token_hash, name, role, expires_at)"
        " VALUES (sha256('no token'), E'evil\\x1b[31m\\nroot', 'viewer', now() + interval '1 day')"
    )
    assert command(database, "list") == 0
    assert r"evil\x1b[31m root" in capsys.readouterr().out


def test_old_sessions_tokens_and_audit_rows_are_deleted(app, database, tmp_path: Path):
    kept, gone = issue(database, "kept"), issue(database, "gone")
    cookies = [cookie_of(app, token) for token in (kept, kept, gone)]
    old = hashlib.sha256(cookies[1].partition("=")[2].encode()).digest()
    database.rows("UPDATE console.sessions SET seen_at = now() - interval '31 days' WHERE session_hash = %s", old)
    database.rows(
        "UPDATE console.tokens SET created_at = now() - interval '99 days', expires_at = now() - interval '31 days'"
        " WHERE name = 'gone'"
    )
    database.rows("UPDATE console.tokens SET revoked_at = now() - interval '31 days' WHERE name = 'ending'")
    database.rows("UPDATE console.audit SET at = now() - interval '31 days' WHERE actor = 'gone'")
    said = vacuum(
        VacuumSettings(
            database_url=database.url, artifacts=f"file://{tmp_path}", state_dir=str(tmp_path / "none"), days=30
        )
    )
    assert "1 browser sessions" in said
    assert "1 expired access tokens" in said
    assert "1 rows of the console's audit log" in said
    assert [status(app, cookie) for cookie in cookies] == [200, 401, 401]
    assert database.rows("SELECT name FROM console.tokens WHERE name IN ('kept', 'gone')") == [("kept",)]
