"""Settings of the API: which URLs get the key, who may lift the quota, and names of the source's variables."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs.cli import run
from jobs.trakt.settings import ModelSettings
from jobs.trakt.settings.api import ApiSettings
from shared.errors import ConfigurationError, UsageError
from shared.scrub import scrub
from shared.settings.command import parse

KEY = "3f9c" * 16


def parsed(*argv):
    return parse(ApiSettings, "telecine trakt ingest", "Ingest.", argv)


def test_variables_of_the_source_are_read(monkeypatch):
    for name, value in {
        "TRAKT_CLIENT_ID": KEY,
        "TRAKT_CLIENT_SECRET": "s" * 64,
        "TRAKT_BASE_URL": "http://127.0.0.1:8790/",
        "TRAKT_USER_AGENT": "App/1.0.0",
        "TRAKT_MAX_RETRIES": "2",
        "TRAKT_BACKOFF_SECONDS": "0.5",
        "SOURCE_SYSTEM": "replay",
    }.items():
        monkeypatch.setenv(name, value)
    found = ApiSettings()
    assert found.key().get_secret_value() == KEY
    assert (found.base_url, found.user_agent, found.source_system) == ("http://127.0.0.1:8790", "App/1.0.0", "replay")
    assert (found.max_retries, found.backoff_seconds) == (2, 0.5)
    monkeypatch.setenv("TELECINE_TRAKT_MAX_RETRIES", "7")
    assert ApiSettings().max_retries == 7


def test_a_short_salt_is_refused_by_its_length_and_not_shown(monkeypatch):
    monkeypatch.setenv("TELECINE_TRAKT_USER_SALT", "too short")
    with pytest.raises(UsageError, match="expected at least 16 characters") as caught:
        parse(ModelSettings, "telecine trakt model", "Model.", ())
    assert "too short" not in caught.value.message


def test_neither_the_key_nor_the_secret_is_shown():
    found = ApiSettings(client_id=KEY, client_secret="s" * 64)
    assert KEY not in f"{found!r} {found.parameters()} {found.key_hash()}"
    assert "s" * 64 not in f"{found!r} {found.parameters()}"
    assert not {"client_id", "client_secret"} & set(found.parameters())


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "ключ", "k" * 257, "a\r\nX-Other: 1"])
def test_a_key_that_is_not_a_header_value_is_refused_and_not_repeated(key):
    with pytest.raises(ValidationError) as caught:
        ApiSettings(client_id=key)
    assert "letters and digits" in str(caught.value)
    assert key.strip() == "" or repr(key) not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.trakt.tv",
        "file:///etc/passwd",
        "api.trakt.tv",
        "https://",
        "https://user:pw-of-mine@api.trakt.tv",
        "https://@api.trakt.tv",
        "https://api.trakt.tv?key=1",
        "https://api.trakt.tv#part",
        "https://api.trakt.tv/\r\nX-Other: 1",
        "https://api.trakt.tv\\@evil.example",
        "https://api .trakt.tv",
        "https://трактор.example",
        "https://api.trakt.tv:99999",
        "https://api.trakt.tv:0",
        "https://[::1",
        "http://api.trakt.tv",
        "http://10.0.0.1:8790",
        "http://localhost.evil.example",
    ],
)
def test_a_url_that_must_not_get_the_key_is_a_usage_error(url):
    with pytest.raises(UsageError, match=r"--base-url.*expected https") as caught:
        parsed("--base-url", url)
    assert caught.value.exit_code == 2
    # As every message is printed and stored.
    assert "pw-of-mine" not in scrub(str(caught.value))


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://api.trakt.tv", "trakt"),
        ("https://proxy.example/trakt/", "trakt"),
        ("http://localhost:8790", "replay"),
        ("http://127.0.0.5", "replay"),
        ("http://[::1]:8790", "replay"),
        ("http://trakt-replayer.telecine.svc:8790", "replay"),
    ],
)
def test_a_url_that_may_get_the_key_is_accepted_without_its_last_slash(url, source):
    assert ApiSettings(base_url=url, source_system=source).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8790", "https://127.0.0.1", "http://localhost:8790", "http://[::1]:1", "http://10.0.0.1"]
)
def test_a_replayer_that_is_not_declared_as_one_is_refused_with_both_variables_named(monkeypatch, url):
    monkeypatch.setenv("TRAKT_BASE_URL", url)
    with pytest.raises(UsageError, match=r"both TRAKT_BASE_URL and SOURCE_SYSTEM=replay") as caught:
        parsed()
    assert caught.value.exit_code == 2
    monkeypatch.setenv("SOURCE_SYSTEM", "replay")
    assert parsed().is_replayer


@pytest.mark.parametrize("host", ["api.trakt.tv", "trakt.tv", "API.TRAKT.TV", "api.trakt.tv.", "x.trakt.tv:443"])
def test_trakt_itself_is_never_a_replayer(host):
    with pytest.raises(UsageError, match="expected the URL of a replayer"):
        parsed("--source-system", "replay", "--base-url", f"https://{host}")


@pytest.mark.parametrize("quota", ["0", "501", "1000"])
def test_only_a_replayer_may_be_asked_more_often(quota):
    with pytest.raises(UsageError, match=r"--request-quota .* expected 1 to 500"):
        parsed("--request-quota", quota)
    with pytest.raises(UsageError, match=r"--request-quota .* expected 1 to 500"):
        parsed("--request-quota", quota, "--base-url", "https://proxy.example")
    for own in ("http://127.0.0.1:1", "http://replayer", "https://replayer.example"):
        argv = ("--source-system", "replay", "--base-url", own)
        assert parsed("--request-quota", quota, *argv).request_quota == int(quota)


def test_the_quota_of_trakt_can_be_lowered_but_its_window_not_shortened():
    assert parsed("--request-quota", "200", "--request-window-s", "600").request_quota == 200
    with pytest.raises(UsageError, match=r"--request-window-s .* expected at least 300"):
        parsed("--request-window-s", "299")
    own = ("--source-system", "replay", "--base-url", "http://localhost:1")
    assert parsed("--request-window-s", "2", *own).request_window_s == 2


def test_a_clock_is_moved_only_at_a_replayer_without_a_quota():
    own = ("--source-system", "replay", "--base-url", "http://127.0.0.1:1", "--advance-replayer")
    assert parsed(*own, "--request-quota", "0").advance_replayer
    for argv in (own, ("--advance-replayer",), ("--advance-replayer", "--request-quota", "0")):
        with pytest.raises(UsageError, match="expected"):
            parsed(*argv)


@pytest.mark.parametrize("agent", ["", "a\nb", "a\x00b", "a\x7fb", "café/1", " a", "a" * 201])
def test_a_user_agent_with_control_characters_is_refused(agent):
    with pytest.raises(ValidationError):
        ApiSettings(user_agent=agent)


def test_without_a_key_only_a_replayer_can_be_asked():
    with pytest.raises(ConfigurationError, match="TRAKT_CLIENT_ID is not set") as caught:
        ApiSettings().key()
    assert caught.value.exit_code == 78
    # As a replayer needs both.
    assert "TRAKT_BASE_URL" in caught.value.message
    assert "SOURCE_SYSTEM=replay" in caught.value.message
    own = ApiSettings(source_system="replay", base_url="http://127.0.0.1:1")
    assert own.key().get_secret_value() == "replay"
    assert (own.is_replayer, own.is_local) == (True, True)
    assert ApiSettings().is_replayer is False


def test_a_replayer_and_the_api_have_separate_budgets_and_each_key_its_own():
    hashes = {
        ApiSettings(client_id=KEY).key_hash(),
        ApiSettings(client_id=KEY, source_system="replay", base_url="http://127.0.0.1:1").key_hash(),
        ApiSettings(client_id="other").key_hash(),
    }
    assert len(hashes) == 3
    assert ApiSettings(client_id=KEY, base_url="https://proxy.example").key_hash() in hashes


def test_help_names_the_variables_of_the_source_too(capsys: pytest.CaptureFixture[str]):
    assert run(["trakt", "ingest", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for names in (
        "TELECINE_TRAKT_BASE_URL or TRAKT_BASE_URL]",
        "TELECINE_TRAKT_SOURCE_SYSTEM or SOURCE_SYSTEM]",
        "TELECINE_TRAKT_CLIENT_ID, TELECINE_TRAKT_CLIENT_ID_FILE or TRAKT_CLIENT_ID]",
    ):
        assert names in text
    assert "ingest needs it only after an erasure" in text
