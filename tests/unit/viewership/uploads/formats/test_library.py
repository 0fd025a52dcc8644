from __future__ import annotations

import pytest

from jobs.viewership.uploads.formats.document import FormatInvalid
from jobs.viewership.uploads.formats.library import find_format, load_formats, shipped_formats
from jobs.viewership.uploads.formats.model import Evidence
from shared.errors import UsageError

_TEXT = """\
platform: {platform}
version: {version}
title: A report
evidence: real
note: Ours.
label: Viewership
columns:
  - {{field: hours, from: [Hours]}}
  - {{field: series, from: [Show]}}
"""


def _write(folder, name, **values):
    (folder / name).write_text(_TEXT.format(**{"platform": "acme", "version": 1, **values}))


def test_every_platform_is_shipped():
    platforms = {found.platform for found in shipped_formats().values()}
    assert platforms >= {"amagi", "canonical", "freevee", "philo", "pluto", "roku", "tubi", "wurl", "xumo", "youtube"}
    assert {"freevee-linear-1", "freevee-content-1", "wurl-samsung-tv-plus-1"} <= shipped_formats().keys()


@pytest.mark.parametrize("name", shipped_formats())
def test_a_shipped_format_says_what_is_known_about_it(name):
    found = shipped_formats()[name]
    assert found.evidence in Evidence.__args__
    assert "assumed" in found.note or found.evidence != "assumed"
    assert name == found.full_name
    assert any(rule.required for rule in found.columns) or found.platform == "canonical"


def test_channel_totals_are_of_the_level_of_a_channel():
    assert [name for name, found in shipped_formats().items() if found.level == "channel"] == ["freevee-linear-1"]


def test_a_folder_adds_formats(tmp_path):
    _write(tmp_path, "acme-1.yaml")
    _write(tmp_path, "roku-2.yaml", platform="roku", version=2)
    formats = load_formats(str(tmp_path))
    assert len(formats) == len(shipped_formats()) + 2
    assert find_format("roku", formats).version == 2
    assert find_format("roku-1", formats).version == 1


def test_a_format_of_the_folder_cannot_replace_a_shipped_one(tmp_path):
    _write(tmp_path, "roku-1.yaml", platform="roku")
    with pytest.raises(FormatInvalid, match="roku-1 is shipped with telecine; expected another version or variant"):
        load_formats(str(tmp_path))


def test_a_file_is_named_like_its_format(tmp_path):
    _write(tmp_path, "acme.yaml")
    with pytest.raises(FormatInvalid, match=r"its format is acme-1; expected the file name acme-1\.yaml"):
        load_formats(str(tmp_path))


def test_an_invalid_format_of_the_folder_is_named(tmp_path):
    (tmp_path / "acme-1.yaml").write_bytes(b"platform: \xff")
    with pytest.raises(FormatInvalid, match=r"acme-1\.yaml: the file is not UTF-8"):
        load_formats(str(tmp_path))


def test_a_folder_has_to_exist(tmp_path):
    with pytest.raises(UsageError, match=r"--formats-dir: .* is not a folder"):
        load_formats(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rokku", "did you mean 'roku'?"),
        ("freevee", "expected one of freevee-content, freevee-linear"),
        ("x\x1b[2J", r"\x1b[2J"),
    ],
)
def test_an_unknown_format_is_named_with_the_nearest(name, message):
    with pytest.raises(UsageError) as error:
        find_format(name, shipped_formats())
    assert message in str(error.value)
    assert "formats list" in str(error.value)


def test_no_secret_is_read_as_a_format(tmp_path, monkeypatch):
    secret = tmp_path / "url.yaml"
    secret.write_text("word-of-the-secret: 1\n")
    monkeypatch.setenv("PGPASSFILE", str(secret))
    folder = tmp_path / "formats"
    folder.mkdir()
    for target in (str(secret), "/proc/self/environ"):
        link = folder / "acme-1.yaml"
        link.symlink_to(target)
        with pytest.raises(UsageError, match="is in a folder of secrets or processes"):
            load_formats(str(folder))
        link.unlink()
