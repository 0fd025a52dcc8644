"""The files that pods mount are what the settings of their commands read."""

from __future__ import annotations

import re

import pytest

from jobs.screenalytics.settings import IngestSettings
from jobs.trakt.settings import IngestSettings as Trakt
from jobs.viewership.settings.uploads import RunSettings
from shared.notify.settings import NotifySettings
from shared.rayjob.settings import RaySettings
from shared.settings.database import DatabaseSettings
from shared.settings.storage import S3Options
from shared.storage._s3_client import client
from tests.chart.rendering import ROOT, find, render, small

VALUES = {
    "database": {"url": "postgresql://u:one@h/d", "migration": {"url": "postgresql://m:two@h/d"}},
    "s3": {"accessKeyId": "three", "secretAccessKey": "four"},
    "notify": {
        "webhookUrl": "https://h/five",
        "smtp": {"host": "mail", "from": "a@b", "to": ["c@d"], "user": "u", "password": "six"},
    },
}
# The chart does not create it; docs/helm.md lists its keys.
SCREENALYTICS = {
    "TELECINE_SCREENALYTICS_OUTBOX_URL": "postgresql://o:seven@h/d",
    "TELECINE_SCREENALYTICS_ACCESS_KEY_ID": "eight",
    "TELECINE_SCREENALYTICS_SECRET_ACCESS_KEY": "nine",
    "TELECINE_SCREENALYTICS_SESSION_TOKEN": "ten",
    "TELECINE_SCREENALYTICS_PROFILE": "eleven",
}


@pytest.fixture
def mount(tmp_path, monkeypatch):
    """Return a function that mounts Secrets as a projected volume does, and sets the variable of the folder."""

    def mount(*sources):
        monkeypatch.setenv("TELECINE_SECRETS_DIR", str(tmp_path))
        for data, items in sources:
            for key, value in data.items():
                (tmp_path / items.get(key, key)).write_text(value, encoding="utf-8")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "TELECINE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return mount


def data(name):
    return find(render(VALUES, small()), "Secret", name)["stringData"]


def test_a_step_reads_the_database_and_the_store(mount):
    mount((data("telecine-database"), {}), (data("telecine-s3"), {}))
    assert DatabaseSettings().database_url.get_secret_value() == "postgresql://u:one@h/d"
    credentials = client(S3Options())._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("three", "four")


def test_the_migration_reads_both_urls(mount):
    mount((data("telecine-database-migration"), {}))
    found = DatabaseSettings()
    assert found.database_url.get_secret_value() == "postgresql://u:one@h/d"
    assert found.database_migration_url.get_secret_value() == "postgresql://m:two@h/d"


def test_the_hook_reads_its_channels(mount):
    mount((data("telecine-notify"), {}))
    assert NotifySettings().notify_webhook_url.get_secret_value() == "https://h/five"
    assert NotifySettings().notify_smtp_password.get_secret_value() == "six"


def test_an_empty_channel_is_no_channel(mount):
    mount(
        (
            find(render(VALUES | {"notify": {"webhookUrl": "https://h/x"}}, small()), "Secret", "telecine-notify")[
                "stringData"
            ],
            {},
        )
    )
    assert NotifySettings().notify_smtp_password is None


def test_screenalytics_reads_the_documented_keys(mount):
    mount((SCREENALYTICS, {}))
    found = IngestSettings()
    values = [found.outbox_url, found.access_key_id, found.secret_access_key, found.session_token, found.profile]
    plain = [value if isinstance(value, str) else value.get_secret_value() for value in values]
    assert plain == list(SCREENALYTICS.values())
    row = next(
        line for line in (ROOT / "docs" / "helm.md").read_text().splitlines() if "screenalytics.existing" in line
    )
    documented = re.findall(r"`(?:TELECINE_SCREENALYTICS|…)_([A-Z_]+)`", row)
    assert {f"TELECINE_SCREENALYTICS_{each}" for each in documented} == SCREENALYTICS.keys()


def test_an_upload_reads_its_own_keys_and_its_outbox(mount):
    values = VALUES | {"viewership": {"accessKeyId": "twelve", "secretAccessKey": "thirteen"}}
    mount((find(render(values, small()), "Secret", "telecine-viewership")["stringData"], {}))
    credentials = client(S3Options())._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("twelve", "thirteen")
    assert RunSettings().outbox_url is None
    mount(({"TELECINE_VIEWERSHIP_OUTBOX_URL": "postgresql://o:fourteen@h/d"}, {}))
    assert RunSettings().outbox_url.get_secret_value() == "postgresql://o:fourteen@h/d"
    row = next(line for line in (ROOT / "docs" / "helm.md").read_text().splitlines() if "`viewership.existing" in line)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TELECINE_VIEWERSHIP_OUTBOX_URL"):
        assert f"`{key}`" in row


def test_an_ingest_reads_the_key_and_the_salt_and_a_model_only_the_salt(mount):
    values = VALUES | {"trakt": {"clientId": "fifteen", "users": {"salt": "sixteen-and-more"}}}
    objects = render(values, small())
    (salt,) = find(objects, "Secret", "telecine-trakt-users")["stringData"].items()
    assert salt == ("TELECINE_TRAKT_USER_SALT", "sixteen-and-more")
    mount((dict([salt]), {}))
    found = Trakt()
    assert (found.client_id, found.user_salt.get_secret_value()) == (None, "sixteen-and-more")
    mount((find(objects, "Secret", "telecine-trakt")["stringData"], {}))
    assert Trakt().key().get_secret_value() == "fifteen"
    # The token of TMDb is optional.
    assert Trakt().tmdb_token is None
    values["trakt"]["tmdbToken"] = "seventeen"
    mount((find(render(values, small()), "Secret", "telecine-trakt")["stringData"], {}))
    assert (Trakt().key().get_secret_value(), Trakt().tmdb_token.get_secret_value()) == ("fifteen", "seventeen")
    rows = [line for line in (ROOT / "docs" / "helm.md").read_text().splitlines() if "`trakt." in line]
    for name in ("TRAKT_CLIENT_ID", "TMDB_READ_ACCESS_TOKEN", "TELECINE_TRAKT_USER_SALT"):
        assert any(f"`{name}`" in row for row in rows)


def test_the_launcher_reads_the_token_of_ray_where_the_template_mounts_it(mount):
    (volume,) = [
        volume
        for template in find(render(VALUES), "WorkflowTemplate", "gamedata")["spec"]["templates"]
        if template["name"] == "extract-on-cluster"
        for volume in template["volumes"]
        if volume["name"] == "secrets"
    ]
    (source,) = [
        each["secret"] for each in volume["projected"]["sources"] if each["secret"]["name"] == "telecine-ray-auth"
    ]
    token = data("telecine-ray-auth")
    mount((token, {item["key"]: item["path"] for item in source["items"]}))
    assert RaySettings().auth_token.get_secret_value() == token["auth_token"]
