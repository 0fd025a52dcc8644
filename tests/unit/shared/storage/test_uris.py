from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import shared.settings.database  # noqa: F401 - registers its secrets
from shared.errors import UsageError
from shared.storage import Bucket, Place, default_bucket, is_inside, join_uri, open_store, read_uri, split_uri
from tests.s3_server import fake_credentials


class Model(BaseModel):
    bucket: Bucket


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("game-data", "s3://game-data"),
        ("old_Bucket.name", "s3://old_Bucket.name"),
        ("s3://game-data", "s3://game-data"),
        ("S3://game-data/", "s3://game-data"),
        ("s3://game-data/some/folder/", "s3://game-data/some/folder"),
        ("s3://game-data/with space?#%20", "s3://game-data/with space?#%20"),
        ("/data/x/", "file:///data/x"),
        ("//data", "file:///data"),
        ("/a/../b/./c", "file:///b/c"),
        ("file:///data/My%20Videos", "file:///data/My%20Videos"),
        ("file:/data", "file:///data"),
        ("file://localhost/data", "file:///data"),
        ("./x", "file://{cwd}/x"),
        ("x/y", "file://{cwd}/x/y"),
        (".", "file://{cwd}"),
        ("~/x", "file://{home}/x"),
        ("/", "file:///"),
    ],
)
def test_what_a_person_types_becomes_a_uri(typed, uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert Model(bucket=typed).bucket == uri.format(cwd=tmp_path, home="/home/someone")
    assert Model(bucket=Model(bucket=typed).bucket).bucket == Model(bucket=typed).bucket


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "not a place"),
        (" game-data", "not a place"),
        ("a\0b", "not a place"),
        ("ab", "for a folder, use ./ab"),
        ("-bucket", "not a valid bucket name"),
        ("two words", "not a valid bucket name"),
        ("s3://", "not a valid bucket name"),
        ("s3:game-data", "not a valid bucket name"),
        ("s3://bucket/a/../b", "'..' part"),
        ("s3://bucket/a//b", "empty"),
        ("file://host/x", "contains the host 'host'"),
        ("file://./x", "three slashes"),
        ("file:x", "relative"),
        ("https://bucket.s3.amazonaws.com", "scheme https: is not supported"),
        ("gs://bucket", "scheme gs: is not supported"),
        ("arn:aws:s3:us-east-1:1:accesspoint/x", "scheme arn: is not supported"),
    ],
)
def test_anything_else_names_the_valid_forms(typed, words):
    with pytest.raises(ValidationError, match="expected") as caught:
        Model(bucket=typed)
    assert words in str(caught.value)


def test_the_default_is_a_folder_until_s3_is_configured(tmp_path, monkeypatch):
    fake_credentials(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert default_bucket("game-data") == f"file://{tmp_path}/game-data"
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        with monkeypatch.context() as inner:
            inner.setenv(name, "x")
            assert default_bucket("game-data") == "s3://game-data"
            inner.setenv(name, "")
            assert default_bucket("game-data").startswith("file://")


@pytest.mark.parametrize(
    ("place", "root", "key"),
    [
        ("s3://bucket/a/b c?#%", "s3://bucket", "a/b c?#%"),
        ("s3://bucket//a", "s3://bucket", "/a"),
        ("s3://bucket/a/", "s3://bucket", "a/"),
        ("file:///a/b/c.txt", "file:///a/b", "c.txt"),
        ("/c.txt", "file:///", "c.txt"),
        ("manifest.parquet", "file://{cwd}", "manifest.parquet"),
        ("a:b.txt", "file://{cwd}", "a:b.txt"),
        ("./a:/b.txt", "file://{cwd}/a:", "b.txt"),
    ],
)
def test_a_place_splits_into_root_and_key(place, root, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert split_uri(place) == (root.format(cwd=tmp_path), key)


@pytest.mark.parametrize(
    "place", ["", "s3://bucket", "s3://bucket/", "s3:///key", "/a/", "https://x/y", "a/..", "file://h/x"]
)
def test_places_without_a_key_are_refused(place):
    with pytest.raises(ValueError, match="expected"):
        split_uri(place)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_key_survives_its_uri(key):
    assert split_uri(join_uri("s3://bucket", key)) == ("s3://bucket", key)
    if "/" not in key and key not in (".", ".."):
        for root in ("file:///", "file:///a/b"):
            assert split_uri(join_uri(root, key)) == (root, key)


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing_more(typed):
    try:
        once = Model(bucket=typed).bucket
    except ValidationError:
        return
    assert once.startswith(("s3://", "file:///"))
    assert Model(bucket=once).bucket == once


PLACES = ("s3://models/menu", "file:///opt/telecine/checks")


@pytest.mark.parametrize(
    ("uri", "inside"),
    [
        ("s3://models/menu/a.pt2", True),
        ("s3://models/menu/deep/a.pt2", True),
        ("S3://models/menu/a.pt2", True),
        ("s3://models/menu", False),
        ("s3://models/menu2/a.pt2", False),
        ("s3://models/Menu/a.pt2", False),
        ("s3://models/a.pt2", False),
        ("s3://models2/menu/a.pt2", False),
        ("s3://models/menu/../a.pt2", False),
        ("s3://models/menu/./../../x/a.pt2", False),
        ("s3://models//menu/a.pt2", False),
        ("s3://models/menu//a.pt2", False),
        ("s3://models/menu%2f..%2fa.pt2", False),
        ("s3://models/x?s3://models/menu/a.pt2", False),
        ("/opt/telecine/checks/a.py", True),
        ("file:///opt/telecine/checks/a.py", True),
        ("/opt/telecine/checks/../a.py", False),
        ("/opt/telecine/checks2/a.py", False),
        ("opt/telecine/checks/a.py", False),
    ],
)
def test_a_place_is_a_prefix_of_whole_segments(uri, inside):
    assert is_inside(uri, PLACES) is inside
    assert is_inside(uri, ())


def test_a_link_out_of_a_place_is_outside(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "place/link").symlink_to(tmp_path / "file")
    (tmp_path / "other").symlink_to(tmp_path / "place")
    assert not is_inside(f"{tmp_path}/place/link", (f"file://{tmp_path}/place",))
    assert is_inside(f"{tmp_path}/other/file", (f"file://{tmp_path}/place",))


def test_none_allows_nothing_and_s3_every_bucket():
    places = TypeAdapter(tuple[Place, ...]).validate_python
    assert places(["s3://models/menu/", "none", "s3://"]) == ("s3://models/menu", "none", "s3://")
    for uri in ("s3://a-bucket/x", "/x/y", "none"):
        assert not is_inside(uri, places(["none"]))
    assert is_inside("s3://a-bucket/x", places(["s3://"]))
    assert not is_inside("s3://a-bucket/../x", places(["s3://"]))
    assert not is_inside("/x/y", places(["s3://"]))
    with pytest.raises(ValidationError):
        places(["s3://models/../other"])


@pytest.mark.parametrize("folder", ["/vault/secrets", "/mnt/secrets-store", "/run/secrets", "/proc/self"])
def test_folders_in_which_clusters_mount_secrets_are_no_place(folder):
    with pytest.raises(ValueError, match="folder of secrets"):
        read_uri(f"{folder}/token")
    with pytest.raises(UsageError, match="contains secrets"):
        open_store(folder)


@pytest.mark.parametrize(
    "variable",
    ["TELECINE_DATABASE_URL_FILE", "RAY_AUTH_TOKEN_PATH", "AWS_WEB_IDENTITY_TOKEN_FILE", "PGPASSFILE"],
)
def test_a_file_that_a_variable_names_for_its_secret_is_no_place(tmp_path, monkeypatch, variable):
    (tmp_path / "secret").write_text("sesame")
    (tmp_path / "link").symlink_to("secret")
    assert read_uri(tmp_path / "link") == b"sesame"
    monkeypatch.setenv(variable, str(tmp_path / "secret"))
    for name in ("secret", "link"):
        with pytest.raises(ValueError, match="folder of secrets"):
            read_uri(tmp_path / name)
