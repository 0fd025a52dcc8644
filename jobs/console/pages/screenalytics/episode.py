"""`/episodes/by-id`: one episode with its persons, other runs, warnings, files and attempts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.screenalytics.episodes import PATH, EpisodesQuery, listing_of
from jobs.console.tables.screenalytics import screen, screen_persons
from jobs.console.web.identity import identity
from jobs.console.web.listing import Condition
from jobs.console.web.neighbours import neighbours
from jobs.console.web.state import console
from shared.report.bars import bars
from shared.text import clean_text, one_line

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)


@router.get(screen.EPISODE_PATH)
@allow(Role.VIEWER)
def episode(request: Request) -> HTMLResponse:
    """Show an episode. Its rows are read live; only its neighbors come from the copy of the list."""
    ep_id, _, query = identity(request, EpisodesQuery, required="id")
    state = console(request)
    state.snapshots.current("screenalytics")
    with state.database.read() as database:
        found = screen.latest(database, ep_id)
        if found is None:
            raise Refused(
                404,
                f"there is no episode '{clean_text(one_line(ep_id), 200)}'; telecine screenalytics ingest loads the"
                " runs of episodes, and /episodes/not-ingested lists manifests that it did not load",
                code="episode_missing",
            )
        persons = screen.persons(database, ep_id)
        casts = screen.casts(database, found.run_id)
        others = screen.versions(database, ep_id, found.run_id)
        changes = screen.changes(database, found.run_id, others) if others else {}
        listing, _ = listing_of(database, query)
        before, after = neighbours(
            database, listing, query, Condition("id", "e.ep_id = :this_episode", {"this_episode": ep_id})
        )
        context: dict[str, Any] = {
            "artifacts": screen.artifacts(database, found.run_id),
            "items": screen.items(database, ep_id),
            "attempts": screen.attempts(database, ep_id),
        }
    return state.pages.render(
        request,
        "screenalytics/episode.html.j2",
        run=found,
        persons=persons,
        bars=_bars(persons),
        casts=casts,
        others=[(row, changes.get((row.run_id, row.revision), [])) for row in others],
        runs_shown=screen.RUNS_SHOWN,
        warnings=_warnings(found.warnings),
        command=screen.replay_command,
        person_href=screen_persons.person_href,
        query=query,
        list_path=PATH,
        before=before and query.url(screen.EPISODE_PATH, id=before.ep_id),
        after=after and query.url(screen.EPISODE_PATH, id=after.ep_id),
        **context,
    )


def _bars(rows: list[Any]) -> Any:
    return bars([[_seconds(row.onscreen_ms), _seconds(row.speaking_ms)] for row in rows])


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _warnings(value: Any) -> list[tuple[str, str]]:
    """Return the codes and messages of a run's warnings."""
    members = value if isinstance(value, list) else []
    return [(str(each.get("code", "")), str(each.get("message", ""))) for each in members if isinstance(each, dict)]
