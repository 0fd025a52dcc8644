"""An upload by the console's Service becomes a Workflow and final rows; its account can start nothing else."""

from __future__ import annotations

import copy
import html
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from shared.cluster.workflows import manifest
from tests.e2e.argo import Run
from tests.e2e.node import wait_for
from tests.e2e.test_console import site  # noqa: F401 - a fixture
from tests.e2e.uploads import BUCKET, _sample, expected

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Opening
    from tests.e2e.installation import Installation
    from tests.e2e.test_console import Site

# ruff: noqa: F811 - pytest hands fixtures in by their names

NAME = "tubi-2025-07.csv"
REVIEWED = "youtube-2025-07.csv"
STORED_AS = "tubi July {7} $HOME.csv"
# Argo would evaluate it, and the kubelet expand it.
REASON = "wrong {{=1+1}} month $(HOME)"
BOUNDARY = "e2e-7d1f"
ACCOUNT = "telecine-console"


class _Form(HTMLParser):
    """The fields of the last form of a page that has a button with this value, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name"), given.get("value") or ""
        if tag == "form":
            self.fields = {}
        elif tag == "input" and name:
            if "checked" in given or given.get("type") not in ("checkbox", "radio", "file", "submit"):
                self.fields[name] = value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None


def form_of(page: str, button: str) -> dict[str, str]:
    """Return the fields of the form with a button."""
    (part,) = (each for each in re.findall(r"<form.*?</form>", page, re.DOTALL) if button in each)
    parser = _Form()
    parser.feed(part)
    return parser.fields


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class User:
    """A browser behind the proxy."""

    def __init__(self, site: Site, group: str = "reviewers") -> None:
        self.url = site.url()
        self.headers = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": group, "Sec-Fetch-Site": "same-origin"}

    def get(self, path: str) -> str:
        status, _, body = self._send(path, None, {})
        assert status == 200, (path, status, body[:500])
        return body

    def post(self, path: str, fields: dict[str, str]) -> str:
        """Send a form and return where it leads."""
        body = urllib.parse.urlencode(fields).encode()
        return self._sent(path, body, "application/x-www-form-urlencoded")

    def upload(self, name: str, body: bytes) -> str:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        whole = head.encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self._sent("/uploads/new", whole, f"multipart/form-data; boundary={BOUNDARY}")

    def _sent(self, path: str, body: bytes, content_type: str) -> str:
        status, location, text = self._send(path, body, {"Content-Type": content_type})
        assert status == 303, (path, status, text[:1000])
        return location

    def _send(self, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, str]:
        request = urllib.request.Request(f"{self.url}{path}", data=body, headers={**self.headers, **headers})
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=60) as answer:
                return answer.status, "", answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location", ""), error.read().decode()


def launched(installation: Installation, step: str) -> Run:
    """Wait until the console has started its last run of this step."""

    def started() -> tuple[Any, ...] | None:
        rows = installation.rows(
            "SELECT state, name, run_id, message FROM console.launches WHERE step = %s ORDER BY launch_id DESC LIMIT 1",
            step,
        )
        assert not rows or rows[0][0] != "failed", rows
        return rows[0] if rows and rows[0][0] == "started" else None

    found = wait_for(started, 90, f"the console has started {step}")
    assert found is not None
    return Run(installation.argo, found[1], found[2])


def confirm(user: User, draft: str) -> None:
    """Answer the question of a report without dates, and start its run."""
    page = wait_for(lambda: found if 'value="read"' in (found := user.get(draft)) else None, 120, "the draft is read")
    assert page is not None
    user.post(draft, {**form_of(page, 'value="read"'), "period": "2025-07", "action": "read"})

    def settled() -> str | None:
        found = user.get(draft)
        return found if 'value="confirm"' in found and 'id="questions"' not in found else None

    page = wait_for(settled, 120, "the draft is read again, and leaves nothing open")
    assert page is not None
    assert user.post(draft, {**form_of(page, 'value="confirm"'), "action": "confirm"}) == draft


@pytest.fixture(scope="module")
def stored(site: Site, installation: Installation, opening: Opening) -> int:
    """Upload a report, confirm it, and return the number of its upload."""
    opening.main.ended()
    user = User(site)
    files, _ = _sample()
    draft = user.upload(STORED_AS, files[f"uploads/{NAME}"])
    assert re.fullmatch(r"/uploads/files/\d+", draft), draft
    confirm(user, draft)
    run = launched(installation, "run")
    run.succeeded()
    ((upload_id, status),) = installation.rows(
        "SELECT upload_id, status FROM viewership.uploads WHERE filename = %s", STORED_AS
    )
    assert status == "loaded"
    return int(upload_id)


def test_an_upload_by_the_service_becomes_a_workflow_and_final_rows(
    site: Site, installation: Installation, stored: int
) -> None:
    run = launched(installation, "run")
    labels = run.get()["metadata"]["labels"]
    assert labels["telecine/console-file"].isdigit()
    assert run.get()["spec"]["workflowTemplateRef"] == {"name": "viewership"}
    found = dict(
        installation.rows(
            "SELECT r.line, d.ref_id FROM viewership.episode_details d"
            " JOIN viewership.platform_viewership r ON r.id = d.viewership_id WHERE d.upload_id = %s",
            stored,
        )
    )
    assert found == expected(NAME)
    # The bytes of the user are below console/ until they are kept below raw/.
    assert installation.node.keys(BUCKET, "console/")
    assert "/uploads/" in User(site).get(f"/uploads/{stored}")
    ((seen,),) = installation.rows("SELECT run_id FROM console.launches WHERE name = %s", run.name)
    assert seen == run.get()["metadata"]["uid"]


def test_the_same_bytes_lead_to_their_upload_and_start_nothing(
    site: Site, installation: Installation, stored: int
) -> None:
    files, _ = _sample()
    before = installation.rows("SELECT count(*) FROM console.launches")
    assert f"upload={stored}" in User(site).upload("again.csv", files[f"uploads/{NAME}"])
    assert installation.rows("SELECT count(*) FROM console.launches") == before


def test_an_upload_is_retracted_by_a_workflow(site: Site, installation: Installation, stored: int) -> None:
    user = User(site)
    path = f"/uploads/{stored}/retract"
    user.post(path, {**form_of(user.get(path), 'name="reason"'), "reason": REASON})
    launched(installation, "retract").succeeded()
    assert installation.rows("SELECT count(*) FROM viewership.episode_details WHERE upload_id = %s", stored) == [(0,)]
    rows = installation.rows(
        "SELECT status, retracted_by, retracted_reason FROM viewership.uploads WHERE upload_id = %s", stored
    )
    # The reason as typed: Argo has not evaluated it.
    assert rows == [("retracted", "ann", REASON)]


def test_a_row_that_waits_is_accepted_and_final_within_seconds(
    site: Site, installation: Installation, stored: int
) -> None:
    """The report leaves a date open, and titles that no rule decides."""
    user = User(site)
    files, _ = _sample()
    draft = user.upload(REVIEWED, files[f"uploads/{REVIEWED}"])
    confirm(user, draft)
    launched(installation, "run").succeeded()
    ((upload_id,),) = installation.rows("SELECT upload_id FROM viewership.uploads WHERE filename = %s", REVIEWED)
    assert upload_id != stored
    page = user.get(f"/review?upload={upload_id}")
    ((action, form),) = re.findall(r'<form id="decision" action="([^"]+)"(.*?)</form>', page, re.DOTALL)
    fields = form_of(page, 'id="decision"') | {"action": "accept"}
    fields["episode"] = re.findall(r'name="episode" value="(\d+)"', form)[0]
    final = "SELECT count(*) FROM viewership.episode_details WHERE upload_id = %s"
    ((before,),) = installation.rows(final, upload_id)

    began = time.monotonic()
    user.post(html.unescape(action), fields)

    ((after,),) = installation.rows(final, upload_id)
    assert time.monotonic() - began < 5
    assert after > before
    assert installation.rows("SELECT decided_by, decided_role, action FROM viewership.decisions") == [
        ("ann", "telecine_console", "accept")
    ]
    ((wrong,),) = installation.rows(
        "SELECT count(*) FROM (SELECT sum(units) AS units, sum(hours) AS hours, min(file_units) AS file_units,"
        " min(file_hours) AS file_hours FROM viewership.reconciliation GROUP BY upload_id) AS sums"
        " WHERE units <> file_units OR hours <> file_hours"
    )
    assert wrong == 0


def test_a_viewer_cannot_upload(site: Site) -> None:
    viewer = User(site, "others")
    with pytest.raises(AssertionError, match="403"):
        viewer.upload("a.csv", b"a,b\n1,2\n")


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    made = manifest("", "console-run-policy", "viewership", {"files": "s3://a/b"}, {"telecine/console-launch": "1"})
    at = made
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return copy.deepcopy(made)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "workflowTemplateRef"), {"name": "gamedata"}),
        (("spec", "workflowTemplateRef"), {"name": "viewership", "clusterScope": True}),
        (("spec", "serviceAccountName"), "telecine-launcher"),
        (("spec", "entrypoint"), "main"),
        (("spec", "onExit"), "main"),
        (("spec", "hooks"), {"exit": {"template": "main"}}),
        (("spec", "podSpecPatch"), "hostNetwork: true"),
        (("spec", "volumes"), [{"name": "host", "hostPath": {"path": "/"}}]),
        (("spec", "templates"), [{"name": "main", "container": {"image": "busybox"}}]),
        (("spec", "arguments", "artifacts"), [{"name": "a", "raw": {"data": "x"}}]),
        (("spec", "arguments", "parameters"), [{"name": "outbox-table", "value": "a.b"}]),
        (("spec", "arguments", "parameters"), [{"name": "files", "value": "{{workflow.name}}"}]),
        (
            ("spec", "arguments", "parameters"),
            [{"name": "files", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}],
        ),
        (("metadata", "name"), "gamedata-1"),
        (("metadata", "annotations"), {"a": "b"}),
        (("metadata", "labels"), {"workflows.argoproj.io/completed": "true"}),
        (("metadata", "ownerReferences"), [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]),
        (("status",), {"phase": "Succeeded"}),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_the_api_server_admits_no_other_workflow_of_the_console(
    installation: Installation, tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    with pytest.raises(AssertionError, match=r"denied request: (expected|the|a) "):
        create(installation, changed(path, value), tmp_path)


def test_the_api_server_admits_the_consoles_own_workflow(installation: Installation, tmp_path: Path) -> None:
    create(installation, changed(("metadata", "name"), "console-run-policy"), tmp_path)
    for verb in ("get", "list", "delete", "update", "patch", "watch"):
        with pytest.raises(AssertionError):
            can(installation, verb, "workflows")
    for resource in ("secrets", "pods", "configmaps"):
        with pytest.raises(AssertionError):
            can(installation, "get", resource)


def create(installation: Installation, document: dict[str, Any], folder: Path) -> None:
    file = folder / "workflow.json"
    document["metadata"].pop("namespace", None)
    file.write_text(json.dumps(document), encoding="utf-8")
    _as_console(installation, "create", "--dry-run=server", "-f", str(file))


def can(installation: Installation, verb: str, resource: str) -> None:
    _as_console(installation, "auth", "can-i", verb, resource)


def _as_console(installation: Installation, *arguments: str) -> None:
    user = f"system:serviceaccount:{installation.namespace}:{ACCOUNT}"
    installation.node.kubectl("-n", installation.namespace, "--as", user, *arguments)
