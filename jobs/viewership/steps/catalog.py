"""The catalog commands: import files into the catalogue, show what they would change, and write it as files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.current import load
from jobs.viewership.catalog.diff import describe, summary
from jobs.viewership.catalog.export import export
from jobs.viewership.catalog.import_ import compare, import_files
from jobs.viewership.errors import BadCatalog
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.steps._next import next_section, print_next
from shared.database.migrate import ready
from shared.database.session import retry_session, transaction
from shared.errors import EXIT_DATA, ObjectMissing, UsageError
from shared.failure import Failure
from shared.report import Amounts, Part, Report
from shared.report.terminal import counted, print_line, print_rest, print_table
from shared.settings.next_command import next_command
from shared.storage import misnamed, open_store, read_uri, stat_uri
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from jobs.viewership.catalog.files import Bad
    from jobs.viewership.catalog.import_ import Imported
    from jobs.viewership.settings.catalog import CatalogDiffSettings, CatalogExportSettings, CatalogImportSettings
    from shared.ledger import StageRun
    from shared.report import Section
    from shared.settings import StepSettings

__all__ = ["diff", "export_files", "run_import", "show_import"]

# An import waits this long for a database that restarts, and without limit for another import.
_RETRY_S: Final = 30.0
_MAX_BYTES: Final = 512 << 20
_SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_SHOWN: Final = 20
# Colours of added, changed, inactive and active entries, in the order in which they occur.
_TONES: Final = ("blue-2", "amber", "red", "teal-2", "violet-2", "gray")


def run_import(settings: CatalogImportSettings, stage_run: StageRun) -> Report:
    """Import files in one transaction, and return the report. With a bad row, nothing is imported (exit 65).

    Args:
        settings: the files, their source, and what may be replaced.
        stage_run: receives progress.

    Raises:
        UsageError: the place names nothing that can be read.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    files = _files(settings.file, settings)
    ready(settings)
    stage_run.progress.start(len(files), "files")
    done = retry_session(
        settings,
        lambda session: import_files(
            session,
            files,
            source=settings.source,
            by=settings.by,
            overwrite=settings.overwrite,
            remove_missing=settings.remove_missing,
        ),
        _RETRY_S,
        waiting="the catalogue's import",
    )
    rows = sum(done.rows.values())
    counts = {"rows": rows, "conflicts": done.plan.conflicts, "bad": len(done.plan.bad), **done.plan.counts()}
    if done.plan.bad:
        return Report(
            status="failed",
            exit_code=EXIT_DATA,
            headline=f"nothing imported: {counted(len(done.plan.bad), 'error', 'errors')} in the files",
            counts={"rows": rows, "bad": len(done.plan.bad)},
            failures=[Failure(bad.where, BadCatalog.default_code, bad.message) for bad in done.plan.bad],
        )
    report = Report(headline=_headline(done, rows), counts=counts, items=rows, sections=_changes(done.plan.counts()))
    if done.written and _has_matches(settings):
        report.sections.append(
            next_section(next_command("viewership reprocess", model=ReprocessSettings, settings=settings))
        )
    return report


def _changes(counts: Mapping[str, int]) -> list[Section]:
    """Return bars of the entities that changed, by kind and action; nothing if none did.

    Args:
        counts: ``episode_added`` and the like -> number.
    """
    kinds: dict[str, Counter[str]] = {}
    for name, count in counts.items():
        kind, _, action = name.partition("_")
        kinds.setdefault(kind, Counter())[action] += count
    actions = list(dict.fromkeys(action for found in kinds.values() for action in found))
    parts = [Part(action, tone) for action, tone in zip(actions, _TONES, strict=False)]
    bars = [(kind, [found[part.name] for part in parts]) for kind, found in kinds.items()]
    return [Amounts("What changed in the catalogue", "entries", parts, bars)] if bars else []


def _has_matches(settings: StepSettings) -> bool:
    """Return whether an upload has rows that the change may affect."""
    with transaction(settings) as session:
        [[found]] = session.rows(
            "SELECT EXISTS (SELECT FROM viewership.uploads WHERE status IN ('matched', 'loaded', 'partial'))"
        )
    return bool(found)


def _headline(done: Imported, rows: int) -> str:
    conflicts = done.plan.conflicts
    kept = (
        f"; {counted(conflicts, 'value differs', 'values differ')} from another source's (see diff)"
        if conflicts
        else ""
    )
    if done.written:
        return f"version {done.version}: {summary(done.plan)}{kept}"
    return f"nothing changed: still version {done.version} ({counted(rows, 'row', 'rows')} read){kept}"


def show_import(report: Report, console: Console) -> None:
    """Print bad rows, or the result.

    Args:
        report: report of the import.
        console: the terminal.
    """
    if report.failures:
        rows = [[failure.item, failure.message] for failure in report.failures]
        print_table(console, ["not imported", "why"], rows)
        print_rest(console, len(report.failures) + report.failures_truncated, "; see the report")
    print_line(console, report.headline)
    print_next(report, console)


def diff(settings: CatalogDiffSettings) -> str:
    """Return what an import would change: counts and examples per kind.

    Args:
        settings: the files and their source.

    Raises:
        BadCatalog: rows cannot be read.
        UsageError: the place names nothing that can be read.
    """
    files = _files(settings.file, settings)
    ready(settings)
    with transaction(settings) as session:
        found = compare(session, files, source=settings.source, overwrite=settings.overwrite)
    if found.plan.bad:
        raise _bad(found.plan.bad)
    lines = describe(found.state, found.plan, settings.limit)
    rows = sum(found.rows.values())
    if not lines:
        return f"no differences from version {found.version} ({counted(rows, 'row', 'rows')} read)"
    first = f"version {found.version} compared with {counted(rows, 'row', 'rows')} of source {settings.source}:"
    if found.plan.missing or found.plan.missing_numbers:
        lines.append("others: not in the files; import with --remove-missing to deactivate them")
    if found.plan.conflicts:
        lines.append("in conflict: another source has filled the field; import with --overwrite to replace it")
    return "\n".join([first, *lines])


def _bad(bad: Sequence[Bad]) -> BadCatalog:
    shown = [str(each) for each in bad[:_SHOWN]]
    if len(bad) > _SHOWN:
        shown.append(f"… and {len(bad) - _SHOWN:,} more")
    return BadCatalog("\n".join([f"{counted(len(bad), 'error', 'errors')} in the files:", *shown]), count=len(bad))


def export_files(settings: CatalogExportSettings) -> str:
    """Write one file per kind, and return where they are.

    Args:
        settings: the folder and the format.

    Raises:
        UsageError: the folder cannot hold objects.
    """
    ready(settings)
    with transaction(settings) as session:
        state = load(session)
    texts = export(state, settings.file_format)
    try:
        store = open_store(_folder(settings.folder), settings, create=True)
    except ValueError as error:
        raise UsageError(str(error)) from error
    lines = []
    for kind, (text, count) in texts.items():
        name = f"{kind}.{settings.file_format}"
        store.put(name, text.encode())
        lines.append(f"{store.uri}/{name}: {counted(count, 'row', 'rows')}")
    return "\n".join([f"version {state.version}:", *lines])


def _folder(place: str) -> str:
    """Return a folder as :func:`open_store` takes it: a bare name is a folder here, not a bucket."""
    return place if ":" in place or "/" in place or place in (".", "..") else f"./{place}"


def _files(place: str, settings: StepSettings) -> list[tuple[str, bytes]]:
    """Return names and contents of a file, or of the files of a folder in order of their names."""
    try:
        local = place.removeprefix("file://")
        if place.endswith("/") or ("://" not in local and Path(local).is_dir()):
            return _listed(place, settings)
        # Before a byte is read: the wrong file of a bucket may have any size.
        _check_size(stat_uri(place, settings).size)
        body = read_uri(place, settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except ObjectMissing as error:
        expected = "a file or folder of the catalogue"
        found = misnamed(local, expected=expected) if "://" not in local else None
        raise UsageError(found or f"{error.message}; expected {expected}") from error
    return [(place.rpartition("/")[2], body)]


def _listed(place: str, settings: StepSettings) -> list[tuple[str, bytes]]:
    store = open_store(_folder(place.rstrip("/") or "/"), settings)
    infos = [info for info in store.list() if info.key.lower().endswith(_SUFFIXES) and "/" not in info.key]
    if not infos:
        raise UsageError(
            f"{one_line(place)} has no file named *{', *'.join(_SUFFIXES)}; expected files of an export, or your own"
        )
    _check_size(sum(info.size for info in infos))
    return [(info.key, store.read(info.key)) for info in infos]


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise BadCatalog(
            f"the files have {size:,} bytes; expected at most {_MAX_BYTES:,}. Import them in parts: a part changes"
            " only what it has"
        )
