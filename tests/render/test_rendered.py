"""The files in the chart are what the code renders, and rendering is reproducible."""

from __future__ import annotations

import shutil
import time
from functools import cache

import pytest

from tests.chart.rendering import parsed
from tests.render.rendered import by_name
from workflows.render import FOLDER, main, render

rendered = cache(render)


def test_committed_files_are_what_the_code_renders():
    committed = {path.name: parsed(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yaml")}
    assert committed == {name: parsed(text) for name, text in rendered().items()}, "run: python -m workflows.render"


def test_two_renders_are_the_same_bytes():
    began = time.monotonic()
    second = render()
    print(f"rendering took {time.monotonic() - began:.2f} s")
    assert second == rendered()


def test_documents_are_small():
    sizes = {name: len(text.encode()) for name, text in rendered().items()}
    print(sizes)
    # A Workflow contains its template, and Argo limits a Workflow with all of its nodes to 1 MiB.
    assert all(size < 200_000 for size in sizes.values())


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "files")


def test_check_passes_if_the_files_are_as_rendered(folder):
    main([], folder)
    assert main(["--check"], folder) == 0


@pytest.mark.parametrize("fault", ["changed", "missing", "extra"])
def test_check_finds_and_rendering_fixes(folder, fault, capsys):
    if fault == "changed":
        (folder / "media.yaml").write_text("kind: Nothing\n", encoding="utf-8")
    elif fault == "missing":
        (folder / "media.yaml").unlink()
    else:
        (folder / "old.yaml").write_text("kind: Nothing\n", encoding="utf-8")
    assert main(["--check"], folder) == 1
    assert ("old.yaml" if fault == "extra" else "media.yaml") in capsys.readouterr().out
    assert main([], folder) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")} == rendered()


def test_files_are_named_after_their_objects():
    assert {f"{name}.yaml" for name in by_name()} == set(rendered())
