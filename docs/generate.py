"""Generate the pages and files that come from code: ``make docs``. ``tests/unit/test_docs.py`` compares them."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs.cli import PIPELINES, TOOLS, commands
from jobs.gamedata.checks.load import load_checks
from jobs.gamedata.errors import CODES, CRASH_CODES
from jobs.gamedata.manifest.schema import COLUMNS, manifest_schema
from jobs.screenalytics.errors import CODES as RUN_CODES
from jobs.screenalytics.errors import MEANINGS
from jobs.screenalytics.steps.schema import manifest_schema as run_manifest
from shared.database import embedded
from shared.database.connection import dispose
from shared.database.dictionary import DICTIONARY
from shared.database.migrate import SCHEMAS
from shared.database.migrate import ready as migrated
from shared.notify.message import Notification
from shared.rayjob.settings import RaySettings
from shared.report import Report
from shared.settings import Settings, StepSettings
from shared.settings.flags import flags, table, variables_table
from shared.step import guard
from shared.step.contract import Step

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROOT = Path(__file__).parents[1]

_CONFIGURATION = """\
# Configuration

<!-- Written by `make docs` from the settings models; do not edit by hand. -->

Every parameter is a flag and an environment variable. A flag beats its variable, and a variable beats the default; an
empty variable counts as not set. A flag that may be given several times (…) is one variable with commas. `--help` of a
command shows what each default resolves to on your machine.

A bucket is named `game-data` or `s3://game-data`; a folder `./game-data`, `/data/game-data` or `file:///data/game-data`.
"""

_RAY = """\
## Ray on Kubernetes

With `--compute cpu`, `gpu` or `mixed` the launcher makes a KubeRay RayJob from these variables; the chart sets them.
They have no flags.
"""

_ENVIRONMENT = """\
# Copy to .env and take away the # where a value is yours; then: set -a; . ./.env; set +a
# Written by `make docs` from the settings models. docs/configuration.md says more.
"""

# The AWS SDK's own variables: its chain of credentials is used as it is.
_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


def _model(place: str) -> type[Settings]:
    model: type[Settings] = guard.load(place)
    return model


def configuration() -> str:
    """The page with every flag and variable."""
    parts = [_CONFIGURATION, "## Every step\n", table(StepSettings, every_step=True)]
    parts += [
        "Credentials for S3 are left to the AWS SDK: "
        + ", ".join(f"`{name}`" for name in _AWS)
        + ", a profile, or the pod's role.\n"
    ]
    for group in (*PIPELINES, *TOOLS):
        seen: set[str] = set()
        for command in commands(group):
            model = _model(command.settings)
            own = [flag for flag in flags(model) if flag.pipeline and not flag.argument]
            if not own:
                continue
            parts.append(f"## {command.program}\n\n{command.help}\n")
            if above := [f"`{flag.flag}`" for flag in own if flag.name in seen]:
                parts.append(f"As above: {', '.join(above)}.\n")
            parts.append(table(model, every_step=False, without=seen))
            seen.update(flag.name for flag in own)
            if words := [f"`{flag.flag}`: {flag.description}" for flag in flags(model) if flag.argument]:
                parts.append(f"By position: {' '.join(words)}\n")
    return "\n".join([*parts, _RAY, variables_table(RaySettings)])


def environment() -> str:
    """The file .env.example."""
    lines = [_ENVIRONMENT, "# Every step", *_variables(StepSettings, shared=True)]
    lines += ["", "# S3 credentials, as the AWS SDK reads them", *(f"#{name}=" for name in _AWS)]
    for group in PIPELINES:
        lines += ["", f"# {group}"]
        found: dict[str, None] = {}
        for command in commands(group):
            if isinstance(command, Step):
                found.update(dict.fromkeys(_variables(_model(command.settings), shared=False)))
        lines += found
    return "\n".join(lines) + "\n"


def _variables(model: type[Settings], *, shared: bool) -> list[str]:
    lines = []
    for flag in flags(model):
        if (flag.pipeline is None) == shared and not flag.argument:
            default = model.model_fields[flag.name].default
            plain = default if isinstance(default, str | int | float) and not isinstance(default, bool) else None
            value = str(default).lower() if isinstance(default, bool) else "" if plain is None else str(plain)
            lines.append(f"#{flag.variables[0]}={value}")
    return lines


def report_schema() -> str:
    """The JSON Schema of report.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def notification_schema() -> str:
    """The JSON Schema of what a webhook gets."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Notification.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def run_manifest_schema() -> str:
    """The JSON Schema of RunManifest 1.0, as ``telecine screenalytics schema`` prints it."""
    return json.dumps(run_manifest(), indent=2, ensure_ascii=False) + "\n"


def _filled(name: str, block: str, text: str) -> str:
    """The page, with the text between ``<!-- block:begin -->`` and ``<!-- block:end -->`` replaced."""
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    before, found, rest = (ROOT / name).read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{name} has no {begin} … {end} for the generated part")
    return f"{before}{begin}\n{text}\n{end}{after}"


def architecture() -> str:
    """The architecture page, with its tables of rooms generated."""
    from tests.rooms import ROOMS, about

    begin, end = "<!-- rooms:begin -->", "<!-- rooms:end -->"
    before, _, rest = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    lines = []
    for package, rooms in ROOMS.items():
        lines += [f"\n### {package}\n", "| room | contents |", "| --- | --- |"]
        for room in rooms:
            name = f"{room}/" if (ROOT / package / room).is_dir() else f"{room}.py"
            contents = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", about(package, room)).replace("``", "`")
            lines.append(f"| `{name}` | {contents} |")
    table_rows = "\n".join(lines)
    return f"{before}{begin}\n{table_rows}\n\n{end}{after}"


def gamedata() -> str:
    """The gamedata guide with its table of error codes."""
    rows = [f"| `{code}` | {text} | {'yes' if code in CRASH_CODES else ''} |" for code, text in CODES.items()]
    table_rows = "\n".join(["| code | meaning | tried again |", "| --- | --- | --- |", *rows])
    return _filled("docs/gamedata.md", "errors", table_rows)


def screenalytics() -> str:
    """The screenalytics guide with its table of codes."""
    kinds = {"permanent": "permanent", "not_ready": "not ready", "quarantine": "quarantine"}
    rows = [f"| `{code}` | {kinds[RUN_CODES[code]]} | {text} |" for code, text in MEANINGS.items()]
    table_rows = "\n".join(["| code | kind | meaning |", "| --- | --- | --- |", *rows])
    return _filled("docs/screenalytics.md", "codes", table_rows)


def hostile() -> str:
    """The page on hostile input with its table of what the tests feed."""
    from tests.hostile.inputs import INPUTS  # needs PyAV

    lines = []
    for group in dict.fromkeys(given.group for given in INPUTS.values()):
        lines += [f"\n### {group}\n", "| input | result | why |", "| --- | --- | --- |"]
        for name, given in INPUTS.items():
            if given.group == group:
                codes = " or ".join("a session" if code == "ok" else f"`{code}`" for code in given.codes)
                checked = ", every sampled picture checked" if given.frames is not None else ""
                lines.append(f"| {name} | {codes}{checked} | {given.why} |")
    return _filled("docs/hostile-input.md", "inputs", "\n".join(lines) + "\n")


def manifest() -> str:
    """The manifest page with its table of columns."""
    schema = manifest_schema(load_checks())
    if unknown := set(schema.names) ^ set(COLUMNS):
        raise ValueError(f"COLUMNS and the manifest's schema differ in {', '.join(sorted(unknown))}")
    lines = ["| column | type | unit | meaning | NULL if |", "| --- | --- | --- | --- | --- |"]
    for field in schema:
        column = COLUMNS[field.name]
        lines.append(f"| `{field.name}` | {field.type} | {column.unit} | {column.meaning} | {column.null or 'never'} |")
    return _filled("docs/manifest.md", "columns", "\n".join(lines))


# Table or view -> (column, type, nullable); nullable is None in a view, whose columns PostgreSQL does not check.
Catalog = dict[str, list[tuple[str, str, bool | None]]]


def catalog(connection: Connection) -> Catalog:
    """Read every table and view, and their columns, from a migrated database."""
    statement = """
        SELECT nspname || '.' || relname, attname, format_type(atttypid, atttypmod),
            CASE relkind WHEN 'r' THEN NOT attnotnull END
        FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid JOIN pg_namespace ON relnamespace = pg_namespace.oid
        WHERE nspname = ANY (:schemas) AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped
        ORDER BY 1, attnum
    """
    found: Catalog = {}
    for relation, column, kind, nullable in connection.execute(text(statement), {"schemas": list(SCHEMAS)}):
        short = kind.replace("timestamp with time zone", "timestamptz")
        found.setdefault(relation, []).append((column, short, nullable))
    return found


def tables(found: Catalog) -> str:
    """The page of tables and views: types from a catalog, meanings from the data dictionary."""
    known = {relation: list(described.columns) for relation, described in DICTIONARY.items()}
    there = {relation: [name for name, _, _ in columns] for relation, columns in found.items()}
    for relation in sorted({*known, *there}):
        if wrong := set(known.get(relation, [])) ^ set(there.get(relation, [])):
            names = ", ".join(sorted(wrong))
            raise ValueError(f"{relation}: {names} is not in both the database and shared/database/dictionary.py")
    lines: list[str] = []
    for relation, described in DICTIONARY.items():
        is_view = found[relation][0][2] is None
        head = ("column", "type", "meaning") if is_view else ("column", "type", "NULL", "meaning")
        lines += [f"\n## {relation}\n", f"{'View' if is_view else 'Table'}. One row: {described.row}.\n"]
        lines += [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
        for name, kind, nullable in found[relation]:
            middle = "" if is_view else f" {'yes' if nullable else ''} |"
            lines.append(f"| `{name}` | {kind} |{middle} {described.columns[name]} |")
    return _filled("docs/tables.md", "tables", "\n".join(lines) + "\n")


def _tables_of_a_new_database() -> str:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server does not run as root, and its user must reach the folder
        try:
            with migrated(StepSettings(state_dir=folder)).connect() as connection:
                return tables(catalog(connection))
        finally:
            dispose()
            embedded.release(folder)


PAGES = {
    "docs/architecture.md": architecture,
    "docs/hostile-input.md": hostile,
    "docs/gamedata.md": gamedata,
    "docs/screenalytics.md": screenalytics,
    "docs/configuration.md": configuration,
    "docs/schemas/notification.schema.json": notification_schema,
    "docs/schemas/report.schema.json": report_schema,
    "docs/schemas/run-manifest-1.0.schema.json": run_manifest_schema,
    "docs/manifest.md": manifest,
    ".env.example": environment,
}
# Needs the embedded PostgreSQL: tests/integration/test_migrations.py compares it.
DATABASE_PAGE = "docs/tables.md"


def main() -> None:
    """Write every page that has changed."""
    for name, make in {**PAGES, DATABASE_PAGE: _tables_of_a_new_database}.items():
        path = ROOT / name
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
