from __future__ import annotations

import re
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from shared.database import database_url, translated
from shared.database.connection import is_embedded, shown
from shared.errors import ConfigurationError, DatabaseNotMigrated, DatabaseUnreachable, TelecineError, TransientError
from shared.settings import StepSettings
from shared.settings.database import DatabaseSettings

URL = "postgresql://user:p%40ss@db:5433/telecine?sslmode=require"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_spelling_of_the_scheme(scheme: str):
    url = database_url(DatabaseSettings(database_url=URL.replace("postgresql", scheme)))
    assert url == "postgresql+psycopg://user:p%40ss@db:5433/telecine?sslmode=require"


@pytest.mark.parametrize(
    "url", ["mysql://u:hush@h/d", "hush", "postgresql://u:hush@h:port/d", "postgresql://u:hush@h", "sqlite:///hush"]
)
def test_other_urls_are_refused_without_being_shown(url: str):
    with pytest.raises(ConfigurationError, match="expected postgresql://") as caught:
        database_url(DatabaseSettings(database_url=url))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("after", ["", "?sslmode=require", "?host=@socket"])
@pytest.mark.parametrize(
    "password",
    [
        *("hush@hash", "hush@ha/sh", "hush@ha#sh", "hush@ha?sh", "hush@ha:sh", "hush@12/sh", "hush@ha/sh?hash=h"),
        *(
            "hush@ha/sh#hash@hash",
            "hush/sh@hash",
            "hush:sh@hash",
            "hush@[hash",
            "hush@ha%sh",
            "@hush",
            "hush@",
            "hu@ha/?",
        ),
    ],
)
def test_no_part_of_a_password_that_is_not_encoded_is_shown(password: str, after: str, monkeypatch: pytest.MonkeyPatch):
    url = f"postgresql://user:{password}@db:5432/telecine{after}"
    settings = DatabaseSettings(database_url=url)
    with pytest.raises(ConfigurationError) as caught:
        database_url(settings)
    assert "@ : / ? # % in a password must be percent-encoded, such as %40 for @" in str(caught.value)
    parts = [part for part in re.split(r"[@:/?#%=\[]", password) if part]
    assert not [part for part in parts if re.search(rf"\b{part}\b", str(caught.value))]
    # While an error of the server is translated, too.
    with pytest.raises(ConfigurationError) as caught, translated(settings):
        raise psycopg.OperationalError("connection refused")
    assert not [part for part in parts if re.search(rf"\b{part}\b", str(caught.value))]
    encoded = f"postgresql://user:{quote(password, safe='')}@db:5432/telecine{after}"
    expected = f"postgresql+psycopg://user:***@db:5432/telecine{after.replace('@', '%40')}"
    assert shown(DatabaseSettings(database_url=encoded)) == expected


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://user:a/b?c#d:e%zz@db/telecine", "db:5432"),
        ("postgresql://user@tenant:hush@db/telecine", "db:5432"),
        ("postgresql://user:hush@db:6432/telecine?application_name=a@b", "db:6432"),
        ("postgresql:///telecine?host=@socket", "@socket:5432"),
    ],
)
def test_a_url_with_one_meaning_is_accepted(url: str, host: str):
    settings = DatabaseSettings(database_url=url)
    with pytest.raises(DatabaseUnreachable, match=f"PostgreSQL at {host} does not answer"), translated(settings):
        raise psycopg.OperationalError("connection refused")


def test_a_refused_password_may_not_be_encoded():
    error = psycopg.OperationalError('FATAL: password authentication failed for user "user"')
    with (
        pytest.raises(ConfigurationError, match="must be percent-encoded"),
        translated(DatabaseSettings(database_url=URL)),
    ):
        raise error


def test_the_migrating_role_has_its_own_url():
    settings = DatabaseSettings(database_url=URL, database_migration_url="postgresql://owner@db/telecine")
    assert database_url(settings, migration=True) == "postgresql+psycopg://owner@db/telecine"
    assert database_url(DatabaseSettings(database_url=URL), migration=True).startswith("postgresql+psycopg://user:")


def test_in_a_pod_the_url_must_be_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TELECINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    settings = DatabaseSettings()
    assert not is_embedded(settings)
    with pytest.raises(ConfigurationError, match="TELECINE_DATABASE_URL is not set"):
        database_url(settings)


def test_the_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TELECINE_DATABASE_URL", URL)
    settings = StepSettings()
    assert shown(settings) == "postgresql+psycopg://user:***@db:5433/telecine?sslmode=require"
    assert "p%40ss" not in repr(settings)
    assert "p%40ss" not in str(settings.parameters())


def by_state(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)(f"error {state}")


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (by_state("42501"), ConfigurationError, "database_rights"),
        (by_state("42P01"), DatabaseNotMigrated, "database_not_migrated"),
        (by_state("3F000"), DatabaseNotMigrated, "database_not_migrated"),
        (by_state("40P01"), TransientError, "database_busy"),
        (by_state("55P03"), TransientError, "database_busy"),
        (by_state("53100"), TransientError, "database_busy"),
        (by_state("25006"), TransientError, "database_busy"),
        (by_state("57P01"), DatabaseUnreachable, "database_unreachable"),
        (by_state("53300"), DatabaseUnreachable, "database_unreachable"),
        (by_state("08006"), DatabaseUnreachable, "database_unreachable"),
        (psycopg.OperationalError("connection refused"), DatabaseUnreachable, "database_unreachable"),
        (psycopg.OperationalError("FATAL: password authentication failed"), ConfigurationError, "database_refused"),
        (psycopg.OperationalError('FATAL: role "x" does not exist'), ConfigurationError, "database_refused"),
        (psycopg.OperationalError("no pg_hba.conf entry for host"), ConfigurationError, "database_refused"),
    ],
    ids=str,
)
def test_what_postgresql_says_and_what_it_means(error: psycopg.Error, expected: type[TelecineError], code: str):
    for raised in (error, OperationalError("SELECT 1", {}, error)):
        with pytest.raises(expected) as caught, translated(DatabaseSettings(database_url=URL)):
            raise raised
        assert caught.value.code == code


def test_the_role_of_the_console_is_not_told_to_grant_itself_rights():
    settings = DatabaseSettings(database_url="postgresql://telecine_console:hush@db/telecine")
    with pytest.raises(ConfigurationError) as caught, translated(settings):
        raise by_state("42501")
    message = str(caught.value)
    assert "run other commands with the role of the runs in TELECINE_DATABASE_URL" in message
    assert "If the console lacks it, `telecine db upgrade" in message
    assert "db check" not in message


def test_other_errors_pass():
    with pytest.raises(psycopg.errors.UniqueViolation), translated(DatabaseSettings(database_url=URL)):
        raise by_state("23505")
