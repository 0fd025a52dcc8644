"""The termination message is text that Argo and Kubernetes do not evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.report import outputs
from shared.step import termination
from shared.text import inert

if TYPE_CHECKING:
    from pathlib import Path

# Made of what begins a template, so that most examples have several in a row.
TEXTS = st.text(st.sampled_from("{}$()=a\x00 "), max_size=40)


@given(TEXTS)
def test_no_template_and_no_reference_begins_in_it(text: str) -> None:
    found = inert(text)
    assert "{{" not in found
    assert "$(" not in found
    assert found.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", "{a}", "$a ($) {}", "s3://bucket/key: not found", "{ { $ ("])
def test_other_text_stays(text: str) -> None:
    assert inert(text) == text


@given(TEXTS)
def test_the_message_of_a_container_is_inert(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("dev") / "termination-log"
    path.write_text("x" * 2000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        termination.write(f"first item: {text}: {{{{=1+1}}}} $(TELECINE_DATABASE_URL) {{\x00{{", path)
    written = path.read_text()
    assert written.startswith("first item: ")
    assert "{{" not in written
    assert "$(" not in written


def test_a_long_message_fits_what_kubernetes_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    termination.write("{" * 5000, path)
    assert len(path.read_bytes()) <= 4096


def test_an_output_parameter_is_inert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(outputs.FOLDER_VARIABLE, str(tmp_path))
    outputs.put({"status": "{{=1+1}} $(X)", "rejects": '[{"code": "a", "count": 1}]'})
    assert (tmp_path / "status").read_text() == "{ {=1+1}} $ (X)"
    assert (tmp_path / "rejects").read_text() == '[{"code": "a", "count": 1}]'
