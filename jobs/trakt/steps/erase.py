"""The erase step: erase a user from page objects, the bronze table, dead letters and this machine's builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.erase import erase_user
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.modelling.cache import ModelCache
from jobs.trakt.settings import ModelSettings, PublishSettings, TraktVacuumSettings
from shared.errors import IntegrityError
from shared.report import Amounts, Part, Report, Table
from shared.report.terminal import counted, find_table, print_line, print_table
from shared.settings.next_command import next_command

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.bronze.erase import EraseReport
    from jobs.trakt.settings.bronze import EraseSettings
    from shared.ledger import StageRun
    from shared.step.contract import UnrecordedRun

__all__ = ["run", "show"]

_NOT_REACHED: Final = "Not reached"
# As long as a build may take.
_WAIT_S: Final = 1_800
_MODELS: Final = {
    "removed": "this machine's builds of silver are removed",
    "other": "this machine's build of silver is of another table and is kept",
    "none": "this machine has no build of silver with rows of the user",
}


def run(settings: EraseSettings, stage_run: StageRun | UnrecordedRun) -> Report:
    """Erase a user, and return the report, which does not name the user.

    Args:
        settings: the user, the bucket, and the folder of builds.
        stage_run: names the run.

    Raises:
        UsageError: the folder of builds has a path that cannot be used.
        ConfigurationError: the salt of users is missing or has changed.
        IntegrityError: a page object cannot be read and may still have comments by the user.
        TransientError: the store or the database failed; run it again.
    """
    place = BronzePlace(settings)
    found = erase_user(
        place, settings.user.get_secret_value(), run_id=stage_run.run_id, retention_days=settings.retention_days
    )
    # After the table: a build that began before the erasure ends first, and is then removed.
    erasures = snapshot(place).erasures
    erased = {
        ModelCache(settings, _WAIT_S, pinned=pinned).erase(table=place.uri, erasures=erasures)
        for pinned in (False, True)
    }
    models = min(erased, key=list(_MODELS).index)
    if found.damaged:
        raise IntegrityError(
            f"{counted(len(found.damaged), 'page object is', 'page objects are')} damaged and may have comments of the "
            f"user, the first one {found.damaged[0]}; all others are erased; delete what is damaged and erase again",
            keys=found.damaged[:50],
        )
    return _report(settings, found, models)


def _report(settings: EraseSettings, found: EraseReport, models: str) -> Report:
    vacuum = next_command("trakt vacuum", model=TraktVacuumSettings, settings=settings)
    # A model of an earlier erasure, or one that was killed, still has to be built again.
    is_done = found.is_changed or found.was_known or models == "removed"
    return Report(
        headline=_headline(found, models, vacuum)
        if is_done
        else "no stored comment has this name; check the spelling; its tombstone keeps later comments of this name out",
        items=found.rows,
        counts={
            "names": found.names,
            "rows": found.rows,
            "scrubbed": found.scrubbed,
            "files": found.files,
            "pages": found.pages,
            "dead_letters": found.dead_letters,
            "models_removed": int(models == "removed"),
        },
        sections=[*_rewritten(found), _not_reached(settings, found, models, vacuum)] if is_done else [],
    )


def _rewritten(found: EraseReport) -> list[Amounts]:
    """Return how many objects were rewritten or removed; nothing if none was."""
    bars = [
        ("data files of bronze", [found.files]),
        ("page objects", [found.pages]),
        ("dead letters", [found.dead_letters]),
    ]
    parts = [Part("objects", "blue-2")]
    return [Amounts("What was rewritten or removed", "objects", parts, bars)] if found.is_changed else []


def _headline(found: EraseReport, models: str, vacuum: str) -> str:
    before = "" if found.is_changed else "no stored comment has this name; "
    if before and found.was_known:
        before += "it was erased before; "
    return (
        f"{before}{counted(found.rows, 'row', 'rows')} of {counted(found.names, 'name', 'names')} erased from "
        f"{counted(found.files, 'file', 'files')}, {counted(found.pages, 'page object', 'page objects')} and "
        f"{counted(found.dead_letters, 'dead letter', 'dead letters')}; {_MODELS[models]}; not reached: other machines,"
        f" backups, versions of the table until {found.last_bytes}; rebuild gold with `telecine trakt model` and "
        f"`telecine trakt publish`; then `{vacuum}`, again from {found.last_bytes} on"
    )


def _not_reached(settings: EraseSettings, found: EraseReport, models: str, vacuum: str) -> Table:
    model = next_command("trakt model", model=ModelSettings, settings=settings)
    publish = next_command("trakt publish", model=PublishSettings, settings=settings)
    rows = [
        [
            "DuckDB files of other machines, and of pods while they run",
            "the user's comments, under a keyed hash",
            f"run there: {model}; or delete the folder trakt/models",
        ],
        [
            "older versions of the bronze table",
            "the user's comments",
            f"run from {found.last_bytes} on: {vacuum}",
        ],
        [
            "gold in the bucket and in PostgreSQL",
            "counts that include the user",
            f"run: {model}; then: {publish}; then: {vacuum}, which deletes the builds made before the erasure",
        ],
        [
            "backups of the bucket and the database; old versions of objects in a bucket with versioning",
            "the user's comments",
            "delete them under the rules of the backups and the store",
        ],
        [
            "reports and logs of earlier runs",
            "perhaps a value that violated the contract",
            "delete those of the days on which the user's comments were rejected",
        ],
        ["texts by other users", "mentions of the user", "telecine does not search texts"],
    ]
    if models == "other":
        folder = ModelCache(settings, _WAIT_S).folder
        rows.append(
            [f"the DuckDB file in {folder}", "comments of another bronze table", "erase the user from that table too"]
        )
    return Table(
        _NOT_REACHED, ["where", "what is left", "next"], rows, note="A restored backup must be followed by an erasure."
    )


def show(report: Report, console: Console) -> None:
    """Print what the erasure did not reach, and the headline.

    Args:
        report: report of erase.
        console: the terminal.
    """
    table = find_table(report, _NOT_REACHED)
    if table is not None:
        print_table(console, table.columns, table.rows)
    print_line(console, report.headline)
