from __future__ import annotations

import base64
import html
import json
import os
import pickle
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from shared import scrub as module
from shared import secrets
from shared.scrub import HIDDEN, SHORTEST, hide_known, is_secret_name, scrub, scrub_data
from shared.settings.base import Settings, is_secret
from shared.settings.database import DatabaseSettings
from shared.text import clean_item, clean_text, printable
from tests.growth import assert_linear

ROOT = Path(__file__).parents[3]
SIGNS = "/@:% &'\"\\<>+=?#é\U0001f600\x1b\n\u202e"
# Of a length that is hidden everywhere. An asterisk cannot be told from what replaces a secret.
SECRETS = (st.text(min_size=SHORTEST, max_size=40) | st.text("aZ09" + SIGNS, min_size=SHORTEST, max_size=40)).filter(
    lambda text: text.strip() and "*" not in text and "://" not in text and text.casefold() not in module._COMMON
)


def _octal(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in letter.encode())


FORMS = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: "".join(
        each if each.isalnum() and each.isascii() else quote(each, safe="").lower() for each in text
    ),
    "percent with slashes": quote,
    "percent as SQLAlchemy": lambda text: quote(text, safe=" +"),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "printable": printable,
    "html": html.escape,
    "html by number": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "html twice": lambda text: html.escape(html.escape(text)),
    "bytes": lambda text: repr(text.encode())[2:-1],
    "bytes, printable": lambda text: printable(text.encode().decode("latin-1")),
    "octal": lambda text: "".join(each if each.isascii() else _octal(each) for each in text),
    "UTF-8 read as Latin-1": lambda text: text.encode().decode("latin-1"),
    "UTF-8 read as ASCII": lambda text: text.encode().decode("ascii", "surrogateescape"),
    "UTF-8 read as ASCII, JSON": lambda text: json.dumps(text.encode().decode("ascii", "surrogateescape"))[1:-1],
    "percent, Latin-1": lambda text: quote(text, safe="", encoding="latin-1" if max(text) <= "\xff" else "utf-8"),
    "in a shell": lambda text: text.replace("'", "'\"'\"'"),
    "in a shell, JSON": lambda text: json.dumps(text.replace("'", "'\"'\"'"))[1:-1],
    "in a shell, with a backslash": lambda text: text.replace("'", "'\\''"),
    "SQL": lambda text: text.replace("'", "''"),
    "CSV": lambda text: text.replace('"', '""'),
    "base64": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in a query": lambda text: quote(base64.b64encode(text.encode()).decode().rstrip("="), safe=""),
}


@pytest.fixture
def known():
    return secrets.remember


@pytest.mark.parametrize("form", FORMS)
def test_a_known_secret_is_hidden_in_every_form(form, known, monkeypatch):
    @settings(max_examples=25)
    @given(SECRETS, st.text(max_size=20), st.text(max_size=20))
    # Few texts that Hypothesis makes are Latin-1 beyond ASCII.
    @example("Zürich's größ\"er & <9>", "a ", " b")
    @example("pä\N{SLIGHTLY SMILING FACE}ss 漢+/\\=word", "", "\n")
    def hides(secret, before, after):
        shown = FORMS[form](secret)
        assume(shown not in f"{before} {HIDDEN} {after}")
        monkeypatch.setattr(secrets, "_seen", {secret})
        clean = scrub(f"{before} {shown} {after}")
        assert shown not in clean
        assert hide_known(clean) == clean

    hides()


@given(st.binary(max_size=20), SECRETS, st.binary(max_size=20))
def test_a_secret_is_hidden_in_the_base64_of_a_longer_text(before, secret, after):
    secrets._seen.clear()
    secrets.remember(secret)
    shown = base64.b64encode(before + secret.encode() + after).decode()
    clean = hide_known(shown)
    assert HIDDEN in clean
    # What is left over is what comes before and after it, with at most one of its own bytes at each end.
    assert len(clean) - len(HIDDEN) <= len(shown) - len(secret.encode()) * 4 // 3 + 4


@given(st.lists(SECRETS, max_size=4), st.text(max_size=20))
def test_any_secrets_are_hidden_in_stored_text(found, between):
    secrets._seen.clear()
    for secret in found:
        secrets.remember(secret)
    text = between.join(found)
    for clean in (clean_text(text), clean_item(text), json.dumps(scrub_data({"x": [text]}), ensure_ascii=False)):
        assert not [secret for secret in found if secret in clean and secret not in between]


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "password",
                "Authorization",
                "token",
                "bearer ",
                "Basic ",
                "=",
                ":",
                " ",
                "'",
                '"',
                "\\",
                "://",
                "u",
                "@",
            ),
            *(
                "postgresql",
                "/",
                "***",
                "A1b2c3d4e5",
                "AKIAIOSFODNN7EXAMPLE",
                "[",
                "{",
                "(",
                ",",
                "&",
                "\n",
                "80",
                "eyJ",
            ),
        ]
    ),
    max_size=14,
)


@given(st.text(max_size=200) | PIECES.map("".join))
def test_hiding_twice_changes_nothing_more(text):
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://telecine:pa/ss@w0rd@db:5432/telecine", "pa/ss@w0rd"),
        ("postgresql://telecine:pa%2Fss%40w0rd@db:5432/telecine", "pa/ss@w0rd"),
        ("postgresql://telecine:two w0rds: 100%25@db/telecine", "two w0rds: 100%"),
        ("postgresql://telecine@server:s3cr3t-x@db/telecine", "s3cr3t-x"),
        ("postgresql://telecine:s3cr3t-x@db/telecine?application_name=a@b", "s3cr3t-x"),
        ("postgresql://db/telecine?user=telecine&password=pa%2Fss%40w0rd", "pa/ss@w0rd"),
        ("postgresql://db/telecine?user=telecine&sslpassword=two+w0rds", "two w0rds"),
        ("postgresql://telecine:first-0ne@db/telecine?password=two+w0rds", "two w0rds"),
        ("postgresql://telecine:first-0ne@db/telecine?password=two+w0rds", "first-0ne"),
        ("postgresql://us%2Fer%40x:s3cr3t-x@db/telecine", "s3cr3t-x"),
    ],
)
def test_the_password_of_a_url_is_hidden_alone_too(url, password, known):
    known(url)
    for shown in (form(password) for form in FORMS.values()):
        assert shown not in scrub(f"FATAL: '{shown}' is wrong")
    assert password not in scrub(url)
    assert quote(password, safe="") not in scrub(url)
    # What helps to find the mistake stays.
    assert "db" in scrub(url)
    assert "telecine" in scrub(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sEcr3t@h/d",
        "postgresql://u:sE/cr3t@h/d",
        "postgresql://u:sE@cr3t@h/d",
        "postgresql://u:sE'cr3t@h/d",
        "postgresql://u@tenant:sEcr3t@h/d",
        "postgresql://:sEcr3t@h/d",
        "http://u:sEcr3t@proxy:3128",
        "{'url': 'postgresql://u:sEcr3t@h/d', 'x': 1}",
        "postgresql://h/d?password=sEcr3t&sslmode=require",
        "postgresql://u:x@h/d?sslpassword=sEcr3t",
        "postgresql://us%2Fer:x@h/d?sslpassword=sEcr3t",
    ],
)
def test_a_password_in_a_url_is_hidden_without_being_known(url):
    clean = scrub(f"cannot connect to {url}.")
    assert "cr3t" not in clean
    assert "h/d" in clean or "proxy:3128" in clean


def test_a_webhook_is_a_secret_as_a_whole_and_in_parts(known):
    known("https://hooks.example.org/services/T00000000000/B00/a1b2c3d4e5f6g7h8?key=x")
    assert scrub("POST https://hooks.example.org/services/T00000000000/B00/a1b2c3d4e5f6g7h8?key=x: 404") == (
        f"POST {HIDDEN}: 404"
    )
    assert "g7h8" not in scrub("HTTPSConnectionPool(url: /services/T00000000000/B00/a1b2c3d4e5f6g7h8?key=x)")
    assert "g7h8" not in scrub("a1b2c3d4e5f6g7h8")
    assert scrub("all services of hooks.example.org") == "all services of hooks.example.org"


@pytest.mark.parametrize(
    "text",
    [
        "password='two words'",
        "password = 'two words, and more'; x",
        r"password='it\'s two words'",
        "password='two words cut",
        "password=b'two words'",
        "password=['two words']",
        '{"password": "two words"}',
        json.dumps(json.dumps({"password": "two words"})),
        'SMTP_PASSWORD = "two words"',
        '"Authorization": "Custom two words"',
        "Authorization: Bearer two1words",
        "GET /?x=1&password=words&y=2",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0NTY3.words-and-more",
    ],
)
def test_a_value_is_hidden_by_its_form_to_its_end(text):
    assert "words" not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://game-data/a@b/c.tar",
        "s3://game-data/a:1@2/c.tar",
        "http://minio:9000/bucket/key",
        "http://minio:9000/bucket/a@b.tar",
        "http://[::1]:9000/bucket/a@b.tar",
        "file:///data/a:b@c.tar",
        "postgresql://db/telecine",
        "postgresql://telecine@db:5432/telecine?sslmode=require",
        "mail to media@example.org; see http://host:80, or ask x@y",
        "sha256 " + "0123456789abcdef" * 4,
        "first a.tar: metadata_invalid: expected an object",
        "token_list.csv and secrets.md",
        "basic authentication is not supported",
        "the bearer certificates",
        '{"password": {"type": "string"}, "token": {}, "secret": []}',
        "12:03:04 WARNING recording.mp4 spans bytes 512-214636 but the object is only 150186 bytes long",
        "",
    ],
)
def test_text_without_a_secret_is_unchanged(text, known):
    known("something-el5e entirely")
    known("postgresql://telecine:telecine@db/telecine")
    assert scrub(text) == text
    assert scrub_data(text) == text


@given(st.text("abcdefgh0123 _-./,;", max_size=200))
def test_plain_text_is_unchanged(text):
    secrets.remember("something-el5e entirely")
    assert scrub(text) == text


def test_short_and_common_secrets_do_not_make_text_unreadable(known):
    for secret in ("a", "12345", "telecine", "postgres", "postgresql://media-team:media-team@db/x"):
        known(secret)
    text = "a batch of 12345 items of telecine in postgres for media-team"
    assert scrub(text) == text
    # By form, they are hidden still.
    assert scrub("password=telecine postgresql://media-team:media-team@db/x") == (
        f"password={HIDDEN} postgresql://media-team:{HIDDEN}@db/x"
    )


def test_a_secret_of_a_file_or_the_folder_is_hidden(tmp_path, monkeypatch):
    (tmp_path / "TELECINE_DATABASE_URL").write_text("postgresql://u:from-the-folder@h/d\n")
    (tmp_path / "TELECINE_DATABASE_ENVIRONMENT").write_text("staging\n")
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("telecine\n")
    (tmp_path / "UNKNOWN").write_text("an-unknown-one")
    monkeypatch.setenv("TELECINE_SECRETS_DIR", str(tmp_path))
    assert scrub("it is from-the-folder") == f"it is {HIDDEN}"
    assert scrub("it is an-unknown-one") == f"it is {HIDDEN}"
    assert scrub("telecine is public, and so is staging") == "telecine is public, and so is staging"
    other = tmp_path / "other"
    other.write_text("from-a-file")
    monkeypatch.delenv("TELECINE_SECRETS_DIR")
    monkeypatch.setenv("TELECINE_DATABASE_MIGRATION_URL_FILE", str(other))
    assert scrub("it is from-a-file") == f"it is {HIDDEN}"


def settings_classes(base=Settings):
    for model in base.__subclasses__():
        yield model
        yield from settings_classes(model)


def secret_variables():
    """Return the variables of all secret fields in all settings, of commands or not."""
    for path in sorted(path for package in ("jobs", "shared") for path in (ROOT / package).rglob("*.py")):
        if "SecretStr" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {
        model.variables(name)[0]
        for model in settings_classes()
        if model.__module__.startswith(("jobs.", "shared."))
        for name, field in model.model_fields.items()
        if is_secret(field)
    }


SECRET_VARIABLES = [
    *sorted(secret_variables()),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "PGPASSWORD"),
    "RAY_AUTH_TOKEN",
]


def test_the_secret_fields_of_all_settings_are_found():
    assert {
        *("TELECINE_DATABASE_URL", "TELECINE_DATABASE_MIGRATION_URL", "TELECINE_NOTIFY_WEBHOOK_URL"),
        *("TELECINE_NOTIFY_SMTP_PASSWORD", "TELECINE_RAY_AUTH_TOKEN", "TELECINE_SCREENALYTICS_OUTBOX_URL"),
        *("TELECINE_SCREENALYTICS_SECRET_ACCESS_KEY", "TELECINE_SCREENALYTICS_SESSION_TOKEN"),
    } <= set(SECRET_VARIABLES)


@pytest.mark.parametrize("variable", SECRET_VARIABLES)
def test_every_secret_variable_is_hidden_from_each_of_its_sources(variable, monkeypatch, tmp_path):
    secret = "Zx9 hush+hush/42=="
    value = f"postgresql://u:{quote(secret, safe='')}@h/d" if variable.endswith("_URL") else secret
    if "WEBHOOK" in variable:
        value = f"https://h/{secret}"
    shown = f"it is {value} or {quote(secret)}"
    path = tmp_path / variable
    path.write_text(value + "\n")
    for name, content in (
        (variable, value),
        (f"{variable}_BASE64", base64.b64encode(value.encode()).decode()),
        (f"{variable}_FILE", str(path)),
        ("TELECINE_SECRETS_DIR", str(tmp_path)),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, content)
            assert "hush" not in scrub(shown), name


def test_the_password_of_a_proxy_is_hidden_and_its_host_shown(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pr0xy-pass@proxy:3128")
    assert scrub("407 from proxy:3128 for pr0xy-pass") == f"407 from proxy:3128 for {HIDDEN}"


CHILD = """
import pickle, sys
settings = pickle.loads(sys.stdin.buffer.read())
from shared.scrub import scrub
print(scrub("it is by-flag-0nly"))
"""


def test_a_process_that_receives_settings_by_pickle_hides_their_secrets():
    settings = DatabaseSettings(database_url="postgresql://u:by-flag-0nly@h/d")
    assert scrub("it is by-flag-0nly") == f"it is {HIDDEN}"
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=pickle.dumps(settings),
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.decode().strip() == f"it is {HIDDEN}"


def test_values_below_a_secret_name_are_hidden_at_any_depth():
    assert scrub_data({"passwords": ["a", {"x": "b", "n": 1}], "x": "c"}) == {
        "passwords": [HIDDEN, {"x": HIDDEN, "n": 1}],
        "x": "c",
    }
    assert scrub_data({"postgresql://u:pass@h": 1}) == {f"postgresql://u:{HIDDEN}@h": 1}
    assert is_secret_name("passwords")


def test_text_of_hostile_repetition_is_hidden_in_linear_time(known):
    known("\\" * 20 + "x%" * 20)
    pieces = ("a://x:", "password='", "secret-", "\\", "bearer ", "authorization:", "eyJaaaaaaaa.", "x%", "@://")

    def seconds(text):
        began = time.process_time()
        scrub(text)
        return time.process_time() - began

    for piece in pieces:
        text = piece * (200_000 // len(piece)) + "@"
        # 0.3 s each; quadratic time would be minutes.
        assert seconds(text) < 10, piece


@given(st.text())
def test_printable_text_moves_no_cursor_and_reorders_nothing(text):
    shown = printable(text)
    assert not set(shown) & {
        chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x202E, 0x2066)
    }
    shown.encode()
    assert printable("Ünï\tcode\n日本") == "Ünï\tcode\n日本"


@pytest.mark.parametrize("letter", "\u034f\u115f\u1160\u17b4\u180b\u3164\uffa0\ufff0\U0001d173")
def test_invisible_letters_are_escaped(letter):
    assert printable(f"a{letter}.tar") == f"a{ascii(letter)[1:-1]}.tar"


@pytest.mark.parametrize("word", ["a://", "http://u:", "a://b:"])
def test_many_urls_take_linear_time(word):
    # Without an @, the rule for URLs is not tried.
    assert_linear(lambda size: word * (size // len(word)) + " a@b", scrub, 4_000, most=16_000)
