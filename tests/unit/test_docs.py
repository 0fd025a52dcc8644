from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from docs.generate import PAGES, ROOT
from tests.rooms import OTHERS

DOCUMENTS = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Make each page once, on a machine that is configured: what was committed came from one that is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELECINE_S3_ENDPOINT_URL", "http://elsewhere:9000")
        patch.setenv("TELECINE_GAMEDATA_WORKERS", "7")
        patch.chdir("/")
        return {name: make() for name, make in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_pages_that_come_from_code_are_up_to_date_and_do_not_depend_on_the_machine(name, made):
    assert (ROOT / name).read_text(encoding="utf-8") == made[name], "run `make docs` and commit what it writes"


def test_the_report_schema_is_a_schema(made):
    Draft202012Validator.check_schema(json.loads(made["docs/schemas/report.schema.json"]))


def test_links_between_documents_lead_somewhere():
    links = [
        (path, target)
        for path in DOCUMENTS
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:")
    ]
    assert len(links) > 100
    assert [f"{path.name} links to {target}" for path, target in links if not (path.parent / target).exists()] == []


def test_the_page_of_files_has_every_file_of_the_charts():
    charts = ROOT / "charts"
    files = {path for path in charts.rglob("*") if path.is_file() and path.name not in {"Chart.yaml", ".helmignore"}}
    files = {path for path in files if "__pycache__" not in path.parts}
    listed = {path for pattern in OTHERS["charts"] for path in charts.glob(pattern)}
    examples = set(charts.glob("telecine/values-*.yaml")) | {charts / "telecine-dev/values.schema.json"}
    assert not files - listed - examples, "describe them in tests/rooms.py"
    assert all(any(charts.glob(pattern)) for pattern in OTHERS["charts"])
    assert all((ROOT / "tests" / name.strip()).exists() for names in OTHERS["tests"] for name in names.split(","))


def test_every_flag_is_read_and_every_code_is_used(made):
    page = made["docs/files.md"]
    unused = re.findall(r"^\| (.*) \|  \|$", page, flags=re.MULTILINE)
    # Named as in the source documents, so that their .env works; public data needs no secret.
    assert unused == ["trakt `--client-secret`"]
    assert "| gamedata `--only-failed` | `jobs/gamedata/extraction/resume.py` |" in page
    assert "| gamedata `tar_invalid` | `jobs/gamedata/members/_tar_headers.py` |" in page
