from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from shared.errors import BucketMissing, ConfigurationError, ObjectMissing, UsageError
from shared.settings.storage import StorageSettings
from shared.storage import FileStore, S3Store, close_stores, open_store, put_uri, read_uri, stat_uri
from tests.s3_server import fake_credentials


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    fake_credentials(monkeypatch)
    yield
    close_stores()


def test_one_store_per_place_and_settings():
    assert open_store("file:///tmp/x") is open_store("/tmp/x/")
    assert open_store("game-data") is open_store("s3://game-data")
    assert open_store("game-data") is not open_store("game-data", StorageSettings(s3_region="eu-west-1"))
    assert isinstance(open_store("game-data"), S3Store)
    assert isinstance(open_store("./game-data"), FileStore)
    first = open_store("game-data")
    close_stores()
    assert open_store("game-data") is not first


def test_outputs_may_make_their_folder(tmp_path):
    store = open_store(f"{tmp_path}/a/b")
    with pytest.raises(BucketMissing):
        list(store.list())
    open_store(f"{tmp_path}/a/b", create=True)
    assert list(store.list()) == []


def test_whole_objects_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_uri("reports/a b/x.html", b"<p>")
    assert read_uri(f"file://{tmp_path}/reports/a b/x.html") == read_uri("reports/a b/x.html") == b"<p>"
    assert read_uri(tmp_path / "reports" / "a b" / "x.html") == b"<p>"
    for place in ("reports/none.html", "no/folder/x.html", "reports"):
        with pytest.raises(ObjectMissing, match="does not exist"):
            read_uri(place)
    with pytest.raises(ValueError, match="not the path of a file"):
        put_uri("reports/", b"")


def test_the_size_of_an_object_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_uri("reports/a b/x.html", b"<p>")
    assert stat_uri(f"file://{tmp_path}/reports/a b/x.html").size == stat_uri("reports/a b/x.html").size == 3
    for place in ("reports/none.html", "no/folder/x.html", "reports"):
        with pytest.raises(ObjectMissing, match="does not exist"):
            stat_uri(place)


def test_a_link_that_a_person_names_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "list.txt").write_bytes(b"a.tar")
    (tmp_path / "list.txt").symlink_to(tmp_path / "real" / "list.txt")
    assert read_uri(tmp_path / "list.txt") == b"a.tar"
    put_uri(tmp_path / "list.txt", b"b.tar")
    assert (tmp_path / "list.txt").is_symlink()
    assert (tmp_path / "real" / "list.txt").read_bytes() == b"b.tar"


def test_settings_become_client_options(monkeypatch):
    assert StorageSettings().s3_options().path_style is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3:2/")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    options = StorageSettings().s3_options()
    assert (options.endpoint_url, options.region, options.path_style) == ("http://s3:2", "eu-west-1", True)
    assert StorageSettings(s3_addressing="virtual").s3_options().path_style is False
    with pytest.raises(ValidationError, match="http://host:port"):
        StorageSettings(s3_endpoint_url="localhost:9000")


@pytest.mark.parametrize("url", ["http://", "http://bad host"])
def test_an_endpoint_that_the_sdk_refuses_is_a_configuration_error(url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    store = S3Store("bucket", options=StorageSettings().s3_options().__class__(endpoint_url=url))
    with pytest.raises(ConfigurationError, match="cannot reach s3://bucket/k"):
        store.read("k")


def test_importing_the_package_loads_no_library():
    code = (
        "import sys; import shared.storage\n"
        "heavy = {'boto3', 'botocore', 'pydantic', 'pydantic_settings'} & set(sys.modules); assert not heavy, heavy\n"
        "from shared.storage import Bucket, FileStore, open_store\n"
        "open_store('/tmp')\n"
        "heavy = {'boto3', 'botocore', 'moto', 'numpy'} & set(sys.modules); assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": "."})


def test_unknown_names_are_attribute_errors():
    import shared.storage

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = shared.storage.nonsense


@pytest.mark.parametrize(
    "place", ["/", "/run", "/run/secrets/telecine", "/proc/self", "file:///proc", "/var/run/secrets"]
)
def test_no_bucket_contains_secrets_or_files_of_processes(place):
    with pytest.raises(UsageError, match="contains secrets"):
        open_store(place)


def test_a_link_to_mounted_secrets_is_refused_as_a_bucket(tmp_path, monkeypatch):
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted/TELECINE_DATABASE_URL").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "mounted")
    monkeypatch.setenv("TELECINE_SECRETS_DIR", str(tmp_path / "mounted"))
    for place in (tmp_path, tmp_path / "mounted", tmp_path / "link"):
        with pytest.raises(UsageError, match="contains secrets"):
            open_store(str(place))
    with pytest.raises(ValueError, match="secrets or processes"):
        read_uri(tmp_path / "link/TELECINE_DATABASE_URL")
    (tmp_path / "data").mkdir()
    assert open_store(str(tmp_path / "data")).list() is not None
