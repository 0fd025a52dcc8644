from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared import scrub as module
from shared import secrets
from shared.scrub import HIDDEN, SHORTEST, scrub
from shared.settings.database import DatabaseSettings
from shared.text import clean_text, printable
from tests.growth import assert_linear

# Of a length that is hidden everywhere.
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=SHORTEST, max_size=40).filter(
    lambda text: text.strip()
)
FORMS = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "percent with slashes": quote,
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
}


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(secrets, "_seen", set())
    monkeypatch.setattr(module, "_known", module._Known())
    return secrets.remember


@pytest.mark.parametrize("form", FORMS)
def test_a_known_secret_is_hidden_in_every_form(form, known, monkeypatch):
    @given(SECRETS, st.text(max_size=20), st.text(max_size=20))
    def hides(secret, before, after):
        assume("://" not in secret)
        shown = FORMS[form](secret)
        # A secret such as "******" cannot be told from what replaces it.
        assume(shown not in before + HIDDEN + after and "*" not in secret)
        monkeypatch.setattr(secrets, "_seen", {secret})
        monkeypatch.setattr(module, "_known", module._Known())
        assert shown not in scrub(f"{before} {shown} {after}")

    hides()


@given(st.text(max_size=200))
def test_hiding_twice_changes_nothing_more(text):
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://telecine:pa/ss@w0rd@db:5432/telecine",
        "postgresql://telecine:pa%2Fss%40w0rd@db:5432/telecine",
        "postgresql://db/telecine?user=telecine&password=pa%2Fss%40w0rd&sslpassword=another-one",
    ],
)
def test_the_password_of_a_url_is_hidden_alone_too(url, known):
    known(url)
    for text in (url, f"({url})", "pa/ss@w0rd", "pa%2Fss%40w0rd", "pa%2fss%40w0rd", "FATAL: 'pa/ss@w0rd' is wrong"):
        assert "w0rd" not in scrub(text)
    # What helps to find the mistake stays.
    assert "db" in scrub(url)
    assert "telecine" in scrub(url)


def test_a_webhook_is_a_secret_as_a_whole(known):
    known("https://hooks.example.org/services/T00/B00/abcdef")
    assert scrub("POST https://hooks.example.org/services/T00/B00/abcdef: 404") == f"POST {HIDDEN}: 404"
    assert "abcdef" not in scrub("HTTPSConnectionPool(url: /services/T00/B00/abcdef)")


@pytest.mark.parametrize("text", ["password='two words'", '{"password": "two words"}', 'SMTP_PASSWORD = "two words"'])
def test_a_value_in_quotes_is_hidden_to_its_end(text):
    assert "words" not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://game-data/a@b/c.tar",
        "http://minio:9000/bucket/key",
        "postgresql://db/telecine",
        "mail to media@example.org",
        "sha256 " + "0123456789abcdef" * 4,
        "first a.tar: metadata_invalid: expected an object",
        "token_list.csv and secrets.md",
    ],
)
def test_text_without_a_secret_is_unchanged(text):
    assert scrub(text) == text


def test_short_secrets_do_not_make_text_unreadable(known):
    known("a")
    known("12345")
    assert scrub("a batch of 12345 items") == "a batch of 12345 items"


def test_a_secret_of_a_file_or_the_folder_is_hidden(tmp_path, monkeypatch, known):
    (tmp_path / "TELECINE_DATABASE_URL").write_text("postgresql://u:from-the-folder@h/d\n")
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("telecine\n")
    monkeypatch.setenv("TELECINE_SECRETS_DIR", str(tmp_path))
    assert scrub("it is from-the-folder") == f"it is {HIDDEN}"
    assert scrub("telecine is a user") == "telecine is a user"
    other = tmp_path / "other"
    other.write_text("from-a-file")
    monkeypatch.delenv("TELECINE_SECRETS_DIR")
    monkeypatch.setenv("TELECINE_DATABASE_MIGRATION_URL_FILE", str(other))
    assert DatabaseSettings.model_fields
    assert scrub("it is from-a-file") == f"it is {HIDDEN}"
    assert clean_text("it is from-a-file") == f"it is {HIDDEN}"


@given(st.text())
def test_printable_text_moves_no_cursor_and_reorders_nothing(text):
    shown = printable(text)
    assert not set(shown) & {
        chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x202E, 0x2066)
    }
    shown.encode()
    assert printable("Ünï\tcode\n日本") == "Ünï\tcode\n日本"


@pytest.mark.parametrize("word", ["a://", "http://u:", "a://b:"])
def test_many_urls_take_linear_time(word):
    assert_linear(lambda size: word * (size // len(word)), scrub, 20_000)
