"""The rooms of each package, from top to bottom: a room imports only rooms below it.

``tests/unit/test_import_boundaries.py`` enforces this table, and docs/architecture.md is generated from it. A room is a
folder or a module of its package; the first sentence of its docstring describes its contents.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

__all__ = ["OTHERS", "ROOMS", "ROOT", "about", "files", "summary"]

ROOT = Path(__file__).parents[1]

ROOMS: dict[str, tuple[str, ...]] = {
    "jobs": ("cli", "closing", "diagnosis", "console", "media", "gamedata", "screenalytics", "viewership", "trakt"),
    "jobs/gamedata": (
        *("steps", "sample", "gold", "manifest", "checks", "extraction", "session", "pt", "parts", "frames"),
        *("members",),
        *("ranges", "compute", "revision", "commands", "settings", "errors", "model"),
    ),
    "jobs/screenalytics": (
        *("steps", "sample", "verification", "intake", "reading", "arrival", "tables", "contract"),
        *("commands", "settings", "keys", "errors", "model"),
    ),
    "jobs/viewership": (
        *("steps", "arrival", "review", "audit", "phases", "report", "sample", "uploads", "matching", "catalog"),
        *("tables", "keys"),
        *("commands", "settings", "errors", "model"),
    ),
    "jobs/trakt": (
        *("steps", "audit", "slo", "gold", "modelling", "dbt", "ingest", "bronze", "tmdb", "api", "metrics"),
        *("replayer", "contract", "commands", "settings", "datasets", "errors", "model"),
    ),
    "jobs/media": ("steps", "commands", "settings"),
    "jobs/console": (
        *("steps", "findings", "app", "pages", "launch", "web", "intake", "access", "tables", "commands", "settings"),
        *("errors", "model"),
    ),
    "shared": (
        *("step", "notify", "lineage", "doctor", "retention", "rayjob", "cluster", "ledger", "slo", "report", "outbox"),
        *("database", "samples", "storage", "settings", "finding", "failure", "verdict", "strict_json", "progress"),
        "logs",
        *("post", "disk", "streams", "text", "scrub", "secrets", "extras", "child", "sandbox", "threads", "collector"),
        *("limits", "errors"),
    ),
    "workflows": (
        *("render", "crons", "media", "pipelines", "gamedata", "screenalytics", "viewership", "trakt", "maintenance"),
        "_lib",
    ),
}


# What cannot say itself what it is: charts, images, and folders of tests. A test requires every file of charts/ here.
OTHERS: dict[str, dict[str, str]] = {
    "charts": {
        "telecine/values.yaml": "All values with their defaults; `values-{kind,node,staging,prod}.yaml` are examples.",
        "telecine/README.md": "What the chart installs, for a chart repository.",
        "telecine/values.schema.json": "Schema of the values: Helm rejects unknown keys, wrong types (numeric tags).",
        "telecine/files/*.yaml": "The WorkflowTemplates and CronWorkflows, written by `python -m workflows.render`.",
        "telecine/templates/workflows.yaml": "Install `files/*.yaml`, adapted to the values by `_workflow.tpl`.",
        "telecine/templates/_workflow.tpl": "What values change in a workflow: images, accounts, crons, labels.",
        "telecine/templates/_helpers.tpl": "Labels, names, security contexts, and the volume of a pod's Secrets.",
        "telecine/templates/_demand.tpl": "Reject values: the tag `latest`, half a key pair, bad crons or networks.",
        "telecine/templates/_extras.tpl": "`extraEnv`, proxies, private CAs (`customCA`), placement of pods.",
        "telecine/templates/environment.yaml": "ConfigMaps: variables of every step, form defaults, `limits` on runs.",
        "telecine/templates/ray.yaml": "ConfigMap of the launcher: sizes, images and placement of Ray pods.",
        "telecine/templates/artifacts.yaml": "The bucket for Argo's artifacts (reports).",
        "telecine/templates/secrets.yaml": "Secrets made from values, unless they exist; the random token of Ray.",
        "telecine/templates/accounts.yaml": "Service accounts of the steps; the token Secret of `telecine-step`.",
        "telecine/templates/rbac.yaml": "Roles of steps and of the launcher: the verbs of each account.",
        "telecine/templates/networkpolicies.yaml": "NetworkPolicies: egress per kind of pod, ingress of Ray.",
        "telecine/templates/quota.yaml": "ResourceQuota, LimitRange and PriorityClass.",
        "telecine/templates/migration.yaml": "The Job that migrates the database before all else; its Secret.",
        "telecine/templates/console.yaml": "The web app: Deployment, Service, Ingress, account, PodMonitor.",
        "telecine/templates/console-launch.yaml": "The console's right to start runs, and the policy that limits it.",
        "telecine/templates/observability.yaml": "The PrometheusRule and the Grafana boards, from `observability/`.",
        "telecine/templates/tests/smoke.yaml": "The pod of `helm test` and its Role: three TARs, then `smoke.py`.",
        "telecine/templates/NOTES.txt": "What `helm install` prints.",
        "telecine/smoke/smoke.py": "`helm test` after TARs are written: run doctor and `gamedata`, check, delete.",
        "telecine/timezones.txt": "Time zones of the IANA database, by which the chart checks those of crons.",
        "telecine/observability/alerts.yaml": "Alert rules for Prometheus.",
        "telecine/observability/boards/console.json": "The Grafana board of the console: requests, errors, seconds.",
        "telecine/observability/boards/runs.json": "The Grafana board of runs, steps and items.",
        "telecine/observability/boards/trakt.json": "The Grafana board of trakt: service levels, pages, 429 answers.",
        "telecine-dev/kind-up.sh": "`make kind-up`: a kind cluster with Argo Workflows and KubeRay.",
        "telecine-dev/buckets.py": "Create the buckets of a development cluster.",
        "telecine-dev/values.yaml": "Values of the development chart, with `values.schema.json`.",
        "telecine-dev/templates/*": "S3 server, PostgreSQL, Trakt replayer, Secrets, buckets: for development.",
    },
    "images": {
        "jobs/Dockerfile": "The image of most steps: no torch, no Ray.",
        "ray/Dockerfile": "The image of extract, manifest and Ray pods, with the targets `cpu` and `gpu`.",
        "push.sh": "`make images REGISTRY=…`: build, push, and write the chart's values with digests.",
        "pin-base.sh": "`make base-digest`: pin the base image to the digest of its tag.",
        "contents.py": "List what the images contain, with licences, for docs/licences.md.",
        "licences.toml": "The licences of distributions and libraries, as SPDX expressions.",
        "sbom.py": "`make sbom`: write the contents of an environment or image as CycloneDX.",
    },
    "requirements": {
        "*.txt": "Requirements with hashes, per image and for development; `lock.sh` writes them.",
        "lock.sh": "`make lock`: write the locked requirements.",
        "web.lock": "Scripts that browsers load: npm packages with hashes, and the files that we take.",
        "web.py": "Download the packages of web.lock, verify them, and write their files to a folder.",
        "torch.sh": "Install torch from the first source that has a CPU build.",
    },
    "tests": {
        "unit/": "Unit tests, in the folders of the code that they test; fakes are in `fakes/`.",
        "integration/": "Tests against a real PostgreSQL, S3 server, mail server and Ray.",
        "browser/": "The console's pages and all reports in headless Chromium: accessibility, keys, budgets.",
        "reports/": "One report of every step, made by its own code from hostile names.",
        "render/": "Tests of the rendered workflows, with Argo's schemas and its own template code.",
        "chart/": "Tests of the Helm chart; `test_rights.py` compares its roles with the calls of `rights.py`.",
        "kills/": "Kill a command at every commit step, and compare with an undisturbed run.",
        "hostile/": "Hostile inputs and their results (`inputs.py`), read alone and as a batch (`test_hostile.py`).",
        "fuzz/": "Fuzz targets for the parsers.",
        "network/": "Evaluate NetworkPolicies: which recorded connections they would block, and between which pods.",
        "pictures/": "Compare every stored frame with a full sequential decode, for a matrix of videos.",
        "detectors/": "Score the built-in checks on generated sessions.",
        "benchmarks/": "`make bench`.",
        "docs/": "Run the blocks of the docs and compare what they print.",
        "language/": "Check the wording of everything that users read.",
        "cluster/": "The test cluster: `build.sh` builds Kubernetes, Argo, KubeRay; `node-up.sh` starts the node.",
        "e2e/": "`make e2e` on that cluster; `traffic.py` records connections, `test_network.py` evaluates policies.",
        "e2e/faults/": "`make e2e-faults`: the same while daemons, pods and the node are killed.",
        "rooms.py": "The rooms of each package and their order; this page and the import test are derived from it.",
        "rights.py": "Record the calls to the Kubernetes API that the code makes, for comparison with the roles.",
    },
}


def summary(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    source = path.read_text(encoding="utf-8")
    # To parse all of every module takes seconds.
    if source.startswith('"""'):
        source = source[: source.index('"""', 3) + 3]
    text = ast.get_docstring(ast.parse(source)) or ""
    return re.split(r"(?<=[.)])\s+(?=[A-Z])", " ".join(text.partition("\n\n")[0].split()))[0]


def about(package: str, room: str) -> str:
    """Return the first sentence of a room's docstring."""
    path = ROOT / package / room
    return summary(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


def files(package: str, room: str) -> list[str]:
    """Return the modules of a room, without their suffix; empty for a room that is a module."""
    folder = ROOT / package / room
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.py")))
    return [name for name in names if not name.endswith("__init__") or _has_code(folder / f"{name}.py")]


def _has_code(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = {
        target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(target := node.target, ast.Name)
    }
    return bool((defined | named) - {"__getattr__"})
