from __future__ import annotations

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


def test_other_errors_pass():
    with pytest.raises(psycopg.errors.UniqueViolation), translated(DatabaseSettings(database_url=URL)):
        raise by_state("23505")
