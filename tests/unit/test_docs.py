from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from docs.generate import PAGES, ROOT
from tests.rooms import OTHERS

DOCUMENTS = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_that_come_from_code_are_up_to_date(name):
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs` and commit what it writes"


def test_the_pages_do_not_depend_on_the_machine(monkeypatch):
    before = {name: make() for name, make in PAGES.items()}
    monkeypatch.setenv("TELECINE_S3_ENDPOINT_URL", "http://elsewhere:9000")
    monkeypatch.setenv("TELECINE_GAMEDATA_WORKERS", "7")
    monkeypatch.chdir("/")
    assert {name: make() for name, make in PAGES.items()} == before


def test_the_report_schema_is_a_schema():
    Draft202012Validator.check_schema(json.loads(PAGES["docs/schemas/report.schema.json"]()))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_page_of_files_has_every_file_of_the_charts():
    charts = ROOT / "charts"
    files = {path for path in charts.rglob("*") if path.is_file() and path.name not in {"Chart.yaml", ".helmignore"}}
    files = {path for path in files if "__pycache__" not in path.parts}
    listed = {path for pattern in OTHERS["charts"] for path in charts.glob(pattern)}
    examples = set(charts.glob("telecine/values-*.yaml")) | {charts / "telecine-dev/values.schema.json"}
    assert not files - listed - examples, "describe them in tests/rooms.py"
    assert all(any(charts.glob(pattern)) for pattern in OTHERS["charts"])
    assert all((ROOT / "tests" / name.strip()).exists() for names in OTHERS["tests"] for name in names.split(","))


def test_every_flag_is_read_and_every_code_is_used():
    page = PAGES["docs/files.md"]()
    unused = re.findall(r"^\| (.*) \|  \|$", page, flags=re.MULTILINE)
    # Named as in the source documents, so that their .env works; public data needs no secret.
    assert unused == ["trakt `--client-secret`"]
    assert "| gamedata `--only-failed` | `jobs/gamedata/extraction/resume.py` |" in page
    assert "| gamedata `tar_invalid` | `jobs/gamedata/members/_tar_headers.py` |" in page
