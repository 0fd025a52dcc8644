"""Secrets come from variables, files or a folder, in that order, and errors never contain them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from shared import secrets
from shared.errors import ConfigurationError
from shared.settings import Settings, setting
from shared.settings.command import parse
from shared.settings.storage import S3Options
from shared.storage import _s3_client as s3_client
from shared.storage.uris import default_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Vault(Settings, pipeline="vault"):
    """A model with secrets."""

    key: SecretStr | None = setting(None, description="A key.", secret=True, aliases=("OTHER_VAULT_KEY",))
    key_id: str | None = setting(None, description="Not secret, but in the same Secret.")


_KEY = "TELECINE_VAULT_KEY"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (_KEY, f"{_KEY}_FILE", f"{_KEY}_ID", "OTHER_VAULT_KEY", secrets.FOLDER_VARIABLE, *secrets.AWS_KEYS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(secrets.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def value(**typed: Any) -> str | None:
    found = Vault(**typed).key
    return found.get_secret_value() if found else None


def test_a_flag_overrides_a_variable_or_file_and_these_override_the_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert value() is None
    (folder / _KEY).write_text("from the folder\n")
    assert value() == "from the folder"
    file = tmp_path_factory.mktemp("file") / "key"
    file.write_text("from the file\r\n\n")
    monkeypatch.setenv(f"{_KEY}_FILE", str(file))
    assert value() == "from the file"
    monkeypatch.delenv(f"{_KEY}_FILE")
    monkeypatch.setenv("OTHER_VAULT_KEY", "from the alias")
    assert value() == "from the alias"
    monkeypatch.setenv(_KEY, "from the variable")
    assert value() == "from the variable"
    assert value(key="from the flag") == "from the flag"


def test_a_flag_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{_KEY}_FILE", "/nonexistent/key")
    assert parse(Vault, "telecine vault", "", ["--key=typed"]).key == SecretStr("typed")


def test_spaces_in_a_file_are_kept_and_an_empty_file_is_unset(folder: Path) -> None:
    (folder / _KEY).write_text(" a b \n")
    assert value() == " a b "
    (folder / _KEY).write_text("\n")
    assert value() is None


def test_the_folder_holds_what_belongs_to_a_secret(folder: Path) -> None:
    (folder / f"{_KEY}_ID").write_text("AKIA1\n")
    assert Vault().key_id == "AKIA1"


@pytest.mark.parametrize("other", [_KEY, "OTHER_VAULT_KEY"])
def test_a_variable_and_a_file_at_once_are_an_error(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("hunter2hunter2")
    monkeypatch.setenv(f"{_KEY}_FILE", str(tmp_path / "key"))
    monkeypatch.setenv(other, "swordfish-1234")
    with pytest.raises(ConfigurationError, match=f"{other} and {_KEY}_FILE are both set") as failed:
        value()
    assert "hunter2" not in str(failed.value)
    assert "swordfish" not in str(failed.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        (b"hunter2\xff", "is not UTF-8"),
        (b"hunter2\0", "contains a NUL"),
        (b"hunter2" * 200_000, "is larger than 1 MiB"),
    ],
)
def test_an_error_names_the_path_and_not_the_content(
    content: bytes | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(f"{_KEY}_FILE", str(path))
    with pytest.raises(ConfigurationError, match=reason) as failed:
        value()
    assert str(path) in str(failed.value)
    assert "hunter2" not in repr(failed.value) + repr(failed.value.__cause__)


def test_a_folder_in_place_of_a_file_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / _KEY).mkdir()
    with pytest.raises(ConfigurationError, match="Is a directory"):
        value()
    monkeypatch.setenv(secrets.FOLDER_VARIABLE, "/nonexistent")
    with pytest.raises(ConfigurationError, match="/nonexistent is not a folder"):
        value()


def test_help_names_the_file_and_hides_its_content(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "key").write_text("hunter2hunter2")
    monkeypatch.setenv(f"{_KEY}_FILE", str(folder / "key"))
    with pytest.raises(SystemExit):
        parse(Vault, "telecine vault", "", ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"*** from {_KEY}_FILE" in shown
    assert "hunter2" not in shown


def test_all_known_secrets_are_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    (folder / "AWS_SESSION_TOKEN").write_text("of-the-folder\n")
    (folder / "unreadable").write_bytes(b"\xff")
    (folder / "..data").mkdir()
    file = tmp_path_factory.mktemp("file") / "key"
    file.write_text("of-the-file")
    monkeypatch.setenv(f"{_KEY}_FILE", str(file))
    value(key="of-the-flag")
    assert {"of-the-environment", "of-the-folder", "of-the-file", "of-the-flag"} <= secrets.secret_values()
    assert "" not in secrets.secret_values()


def test_secrets_of_a_folder_that_is_gone_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(secrets.FOLDER_VARIABLE, "/nonexistent")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    assert "of-the-environment" in secrets.secret_values()


class TestS3:
    """The S3 client takes its key from the folder where the environment has none."""

    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv("TELECINE_S3_ENDPOINT_URL", raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3_client.forget()
        yield
        s3_client.forget()

    def credentials(self, **options: Any) -> Any:
        client: Any = s3_client.client(S3Options(endpoint_url="http://localhost:1", **options))
        return client._request_signer._credentials.get_frozen_credentials()

    def mount(self, folder: Path, **files: str) -> None:
        for name, text in files.items():
            (folder / name).write_text(text + "\n")

    def test_the_folder_is_used(self, folder: Path) -> None:
        self.mount(folder, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key", AWS_SESSION_TOKEN="token")
        assert tuple(self.credentials())[:3] == ("id", "key", "token")

    def test_the_environment_overrides_the_whole_key(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mount(folder, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key", AWS_SESSION_TOKEN="token")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "my key")
        assert tuple(self.credentials())[:3] == ("mine", "my key", None)

    def test_a_static_key_of_a_store_is_kept(self, folder: Path) -> None:
        self.mount(folder, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key")
        found = self.credentials(auth="static", access_key_id="own", secret_access_key="own key")
        assert tuple(found)[:2] == ("own", "own key")

    def test_half_a_key_is_an_error(self, folder: Path) -> None:
        self.mount(folder, AWS_ACCESS_KEY_ID="id")
        with pytest.raises(ConfigurationError, match="no AWS_SECRET_ACCESS_KEY"):
            self.credentials()

    def test_a_key_in_the_folder_configures_s3(self, folder: Path) -> None:
        assert default_bucket("game-data").startswith("file://")
        self.mount(folder, AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key")
        assert default_bucket("game-data") == "s3://game-data"
