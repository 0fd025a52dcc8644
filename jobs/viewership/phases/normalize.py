"""Normalize: find the deal, channel and territory of every scope, the fields that rows of an upload share."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.deals import load_deals, resolve_deal
from jobs.viewership.catalog.places import load_channels, load_territories, resolve_channel, resolve_territory
from jobs.viewership.catalog.versions import pin
from jobs.viewership.errors import HELD, NotReady
from jobs.viewership.model import exact_sum
from jobs.viewership.phases.log import log
from jobs.viewership.phases.result import PhaseResult
from jobs.viewership.tables.fates import file_sums, lock_final, sync
from jobs.viewership.tables.locks import phase_transaction
from jobs.viewership.tables.uploads import hold, update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.catalog.deals import DealIndex, DealMatch
    from jobs.viewership.catalog.places import PlaceIndex
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["Resolver", "Scope", "normalize", "resolve_scopes"]

_FIELDS: Final = (
    *("deal_id", "deal_parent", "partner", "channel", "channel_id", "territory", "territory_id", "code", "reasons"),
)
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """The result of normalization for rows of one platform, partner, channel, territory and day.

    Attributes:
        deal_id: the deal.
        deal_parent: its parent.
        partner: internal name of the partner, or the platform's.
        channel: likewise.
        channel_id: the channel in the catalogue, if one has the name.
        territory: likewise.
        territory_id: the territory in the catalogue, if one has the name.
        code: why rows are held; one of :data:`jobs.viewership.errors.HELD`.
        reasons: sentences.
    """

    deal_id: int | None = None
    deal_parent: str | None = None
    partner: str | None = None
    channel: str | None = None
    channel_id: int | None = None
    territory: str | None = None
    territory_id: int | None = None
    code: str | None = None
    reasons: tuple[str, ...] = ()


def normalize(settings: DatabaseSettings, upload_id: int, run_id: str, *, by: str) -> PhaseResult | None:
    """Find the deals of an upload's rows; None if the upload does not wait for this.

    Rows without a deal, channel or territory are held; the others continue.

    Args:
        settings: where the database is.
        upload_id: the upload.
        run_id: the run.
        by: user who runs the command.

    Raises:
        NotReady: ``NO_DEALS``: the catalogue has no deal.
    """
    began = time.monotonic()
    with phase_transaction(settings) as session:
        version = pin(session, by)
        upload = hold(session, upload_id)
        if upload.status != "read" or upload.platform is None:
            return None
        lock_final(session, [upload.platform])
        if not session.rows("SELECT FROM catalog.deals WHERE active LIMIT 1"):
            raise NotReady(
                "the catalogue has no active deal, so every row would be held; expected at least one; import a file "
                "of deals (platform, deal_parent, internal_partner, internal_channel, internal_territory) with "
                "`telecine viewership catalog import FILE`, then run `telecine viewership run`: the upload is already "
                "stored",
                code="NO_DEALS",
            )
        scopes = session.rows(
            "SELECT DISTINCT scope_id FROM viewership.platform_viewership WHERE upload_id = :id", id=upload_id
        )
        changed = resolve_scopes(session, [row.scope_id for row in scopes], version=version)
        # Rows of other uploads with these scopes.
        sync(session, "scope", changed, actor=by, reason=f"run {run_id}")
        found = session.rows(
            """
            SELECT s.code, count(*) AS units, COALESCE(sum(r.tot_hov), 0) AS hours,
                COALESCE(sum(r.revenue), 0) AS revenue
            FROM viewership.platform_viewership r JOIN viewership.scopes s USING (scope_id)
            WHERE r.upload_id = :id GROUP BY s.code ORDER BY s.code NULLS FIRST
            """,
            id=upload_id,
        )
        ties = _ties(session, upload_id)
        expected = file_sums(session, upload_id)
        update(session, upload_id, status="normalized")
        seconds = time.monotonic() - began
        held = sum(row.units for row in found if row.code)
        log(
            session,
            "normalize",
            "success",
            run_id=run_id,
            seconds=seconds,
            upload_id=upload_id,
            platform=upload.platform,
            rows=expected[0],
        )
    return PhaseResult(
        upload_id=upload_id,
        filename=upload.filename,
        platform=upload.platform,
        expected=expected,
        actual=(
            sum(row.units for row in found),
            exact_sum(row.hours for row in found),
            exact_sum(row.revenue for row in found),
        ),
        seconds=seconds,
        status="normalized",
        counts={"held": held, "scopes": len(scopes)},
        notes=tuple(f"{row.units:,} rows are held: {row.code}: {HELD[row.code]}" for row in found if row.code) + ties,
    )


def _ties(session: DatabaseSession, upload_id: int) -> tuple[str, ...]:
    """Return the reasons of held scopes, each once."""
    rows = session.rows(
        """
        SELECT DISTINCT s.reasons ->> 0 FROM viewership.scopes s
        WHERE s.code IS NOT NULL AND s.scope_id IN
            (SELECT r.scope_id FROM viewership.platform_viewership r WHERE r.upload_id = :id)
        ORDER BY 1 LIMIT :shown
        """,
        id=upload_id,
        shown=_SHOWN,
    )
    return tuple(row[0] for row in rows if row[0])


def resolve_scopes(
    session: DatabaseSession, scope_ids: Sequence[int] | None = None, *, version: int | None = None
) -> list[int]:
    """Find deal, channel and territory of scopes again, and return those that changed.

    The caller holds the locks of the platforms, and updates the final rows of the changed scopes.

    Args:
        session: the transaction.
        scope_ids: the scopes; None means all.
        version: version of the catalogue, stored with each scope.
    """
    rows = session.rows(
        """
        SELECT scope_id, platform, domain, platform_partner_name, platform_channel_name, platform_territory, date,
            deal_id, deal_parent, partner, channel, channel_id, territory, territory_id, code, reasons,
            catalogue_version
        FROM viewership.scopes WHERE :all OR scope_id = ANY (CAST(:ids AS bigint[])) ORDER BY scope_id FOR UPDATE
        """,
        all=scope_ids is None,
        ids=list(scope_ids or ()),
    )
    resolver = Resolver.load(session)
    changed = []
    for row in rows:
        scope = resolver.resolve(row)
        before = Scope(**{name: getattr(row, name) for name in _FIELDS[:-1]}, reasons=tuple(row.reasons))
        if scope != before:
            changed.append((row.scope_id, scope))
    session.run(
        "CREATE TEMPORARY TABLE IF NOT EXISTS resolved_scopes (scope_id bigint, deal_id bigint, deal_parent text,"
        " partner text, channel text, channel_id bigint, territory text, territory_id bigint, code text,"
        " reasons jsonb) ON COMMIT DROP"
    )
    session.run("TRUNCATE resolved_scopes")
    session.copy(
        "resolved_scopes",
        ("scope_id", *_FIELDS),
        ((scope_id, *_values(scope)) for scope_id, scope in changed),
    )
    assignments = ", ".join(f"{name} = n.{name}" for name in _FIELDS)
    session.run(
        f"UPDATE viewership.scopes s SET {assignments} FROM resolved_scopes n WHERE n.scope_id = s.scope_id"  # noqa: S608
    )
    session.run(
        "UPDATE viewership.scopes SET catalogue_version = :version WHERE scope_id = ANY (CAST(:ids AS bigint[]))"
        " AND catalogue_version IS DISTINCT FROM :version",
        version=version,
        ids=[row.scope_id for row in rows],
    )
    return [scope_id for scope_id, _ in changed]


def _values(scope: Scope) -> tuple[Any, ...]:
    return (*(getattr(scope, name) for name in _FIELDS[:-1]), json.dumps(scope.reasons, ensure_ascii=False))


class Resolver:
    """Deals and places of the catalogue, with the results of equal scopes.

    Args:
        deals: the active deals.
        channels: the channels.
        territories: the territories.
    """

    def __init__(self, deals: DealIndex, channels: PlaceIndex, territories: PlaceIndex) -> None:
        self._deals = deals
        self._channels = channels
        self._territories = territories
        self._places: dict[tuple[Any, ...], Scope] = {}

    @classmethod
    def load(cls, session: DatabaseSession) -> Resolver:
        """Return the resolver of the current catalogue."""
        return cls(load_deals(session), load_channels(session), load_territories(session))

    def resolve(self, row: Any) -> Scope:
        """Return deal, channel and territory of a row of viewership.scopes."""
        match = resolve_deal(
            self._deals,
            platform=row.platform,
            domain=row.domain,
            partner=row.platform_partner_name,
            channel=row.platform_channel_name,
            territory=row.platform_territory,
            on=row.date,
        )
        if match.deal is None:
            return _without_deal(row, match)
        key = (match.deal.id, row.platform_partner_name, row.platform_channel_name, row.platform_territory)
        if key not in self._places:
            self._places[key] = self._placed(match, *key[1:])
        return self._places[key]

    def _placed(self, match: DealMatch, partner: str | None, channel: str | None, territory: str | None) -> Scope:
        deal = match.deal
        if deal is None:
            raise ValueError("a scope without a deal has no place")
        channels = resolve_channel(deal.internal_channel or channel, self._channels)
        text = deal.internal_territory or territory
        territories = resolve_territory(text, self._territories)
        if text is None:
            # A channel such as MAIN_US names the territory if the file has no column for it.
            for other in (channel, partner):
                found = resolve_territory(other, self._territories)
                if found.place is not None:
                    territories, text = found, found.place.name
                    break
        code, reasons = None, []
        named = channels.place.name if channels.place else deal.internal_channel or channel
        if named is None or channels.ties:
            code = "NO_CHANNEL"
            reasons.append(_unnamed("channel", channel, [place.name for place in channels.ties]))
        placed = territories.place.name if territories.place else text
        if placed is None or territories.ties:
            code = code or "NO_TERRITORY"
            reasons.append(_unnamed("territory", territory, [place.name for place in territories.ties]))
        return Scope(
            deal_id=deal.id,
            deal_parent=deal.deal_parent,
            partner=deal.internal_partner or partner,
            channel=named if not channels.ties else None,
            channel_id=channels.place.id if channels.place else None,
            territory=placed if not territories.ties else None,
            territory_id=territories.place.id if territories.place else None,
            code=code,
            reasons=tuple(reasons),
        )


def _unnamed(kind: str, text: str | None, ties: list[str]) -> str:
    if ties:
        return f"the {kind} '{text}' is ambiguous: {', '.join(ties[:_SHOWN])}"
    return f"no {kind}: neither the rows nor the deal name one; add an internal {kind} to the deal"


def _without_deal(row: Any, match: DealMatch) -> Scope:
    if match.ties:
        ids = ", ".join(str(deal.id) for deal in match.ties[:_SHOWN])
        return Scope(code="DEAL_TIE", reasons=(f"deals {ids} fit equally well but assign different values",))
    names = {
        "partner": row.platform_partner_name,
        "channel": row.platform_channel_name,
        "territory": row.platform_territory,
    }
    said = ", ".join(f"{name} '{value}'" for name, value in names.items() if value) or "no partner, channel, territory"
    near = ""
    if match.near:
        ids = ", ".join(str(deal.id) for deal in match.near[:_SHOWN])
        near = f"; deals {ids} would fit if the rows filled in their empty fields"
    return Scope(code="NO_DEAL", reasons=(f"no deal of platform '{row.platform}' fits {said}{near}",))
