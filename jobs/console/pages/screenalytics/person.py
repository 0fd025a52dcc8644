"""`/persons/by-id`: one person over the latest runs of all episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.screenalytics.persons import LISTING, PATH, PersonsQuery
from jobs.console.tables.screenalytics import screen, screen_persons
from jobs.console.web.identity import identity
from jobs.console.web.listing import Condition
from jobs.console.web.neighbours import neighbours
from jobs.console.web.state import console
from shared.report.bars import bars
from shared.text import clean_text, one_line

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)


@router.get(screen_persons.PERSON_PATH, response_model=None)
@allow(Role.VIEWER)
def person(request: Request) -> Response:
    """Show a person; redirect from a producer's id to the catalogue's."""
    person_id, show, query = identity(request, PersonsQuery, required="id", optional="of")
    state = console(request)
    copy = state.snapshots.current("screenalytics")
    with state.database.read() as database:
        found = screen_persons.person(database, show, person_id)
        if found is None:
            linked = screen_persons.linked_person(database, show, person_id) if show else None
            if linked is not None and screen_persons.person(database, "", linked) is not None:
                return RedirectResponse(screen_persons.person_href("", linked), 303)
            raise Refused(
                404,
                f"there is no person '{clean_text(one_line(person_id), 200)}'"
                + (f" in the show '{clean_text(one_line(show), 200)}'" if show else " with a row in the catalogue")
                + "; the list of persons is at /persons",
                code="person_missing",
            )
        episodes = screen_persons.episodes_of_person(database, show, person_id)
        values = {"this_show": show, "this_person": person_id}
        identity_of = Condition("id", "p.show = :this_show AND p.person_id = :this_person", values)
        before, after = neighbours(database, LISTING, query, identity_of)

    def href(row: Any) -> str | None:
        return row and query.url(screen_persons.PERSON_PATH, id=row.person_id, of=row.show)

    return state.pages.render(
        request,
        "screenalytics/person.html.j2",
        person=found,
        episodes=episodes,
        bars=bars(
            [[row.onscreen_ms / 1000, None if row.speaking_ms is None else row.speaking_ms / 1000] for row in episodes]
        ),
        several_ids=len({(row.show, row.person_id) for row in episodes}) > 1,
        episode_href=screen.episode_href,
        copy=copy,
        query=query,
        list_path=PATH,
        before=href(before),
        after=href(after),
    )
