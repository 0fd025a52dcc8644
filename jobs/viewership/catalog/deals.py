"""Find the deal for an upload's rows: the most specific one that fits, or all of them in a tie."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.state import name_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from shared.database.session import DatabaseSession

__all__ = ["Deal", "DealIndex", "DealMatch", "load_deals", "resolve_deal"]

# The weights of the system that this one replaces: a partner outweighs channel and territory together.
_WEIGHTS: Final = {"partner": 4, "channel": 2, "territory": 1}


@dataclass(frozen=True, slots=True)
class Deal:
    """An active deal; a field that is None fits any value."""

    id: int
    platform: str
    deal_parent: str
    domain: str | None = None
    partner: str | None = None
    channel: str | None = None
    territory: str | None = None
    internal_partner: str | None = None
    internal_channel: str | None = None
    internal_territory: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def specificity(self) -> int:
        """Return partner 4 + channel 2 + territory 1, of the fields that the deal names."""
        return sum(weight for name, weight in _WEIGHTS.items() if getattr(self, name) is not None)

    @property
    def outcome(self) -> tuple[str | None, ...]:
        """Return the internal names that rows of this deal get."""
        return (self.deal_parent, self.internal_partner, self.internal_channel, self.internal_territory)


@dataclass(frozen=True, slots=True)
class DealMatch:
    """The result of :func:`resolve_deal`.

    Attributes:
        deal: the deal; None if there is none or several fit equally well.
        ties: deals that fit equally well and differ in what rows would get, by id.
        near: if none fits, the deals that would if the rows named what they leave empty.
    """

    deal: Deal | None = None
    ties: tuple[Deal, ...] = ()
    near: tuple[Deal, ...] = ()


class DealIndex:
    """Deals by platform.

    Args:
        deals: active deals.
    """

    def __init__(self, deals: Iterable[Deal]) -> None:
        self._by_platform: dict[str, list[Deal]] = defaultdict(list)
        for deal in deals:
            self._by_platform[name_key(deal.platform)].append(deal)

    def of(self, platform: str) -> list[Deal]:
        """Return the deals of a platform, compared without case."""
        return self._by_platform.get(name_key(platform), [])


def load_deals(session: DatabaseSession) -> DealIndex:
    """Return the active deals of the catalogue."""
    columns = (
        *("id", "platform", "deal_parent", "domain", "partner", "channel", "territory"),
        *("internal_partner", "internal_channel", "internal_territory", "valid_from", "valid_to"),
    )
    rows = session.rows(f"SELECT {', '.join(columns)} FROM catalog.deals WHERE active ORDER BY id")  # noqa: S608 - our own names
    return DealIndex(Deal(*row) for row in rows)


def resolve_deal(
    deals: DealIndex,
    *,
    platform: str,
    domain: str | None = None,
    partner: str | None = None,
    channel: str | None = None,
    territory: str | None = None,
    on: date | None = None,
) -> DealMatch:
    """Return the deal of rows with these values, compared without case.

    A deal fits if each field that it names equals the rows' field; one that it leaves empty fits anything. Rows with
    an empty field fit only deals that leave it empty, too: a deal for one channel says nothing about rows without a
    channel. The deal with the highest specificity wins, and among those with the same one a deal that names the
    domain. Of deals that are still equal, all are returned as ties, unless rows would get the same from each.

    Args:
        deals: the active deals.
        platform: the platform.
        domain: the domain, such as ``Distribution Partners``.
        partner: the partner as the platform writes it.
        channel: the channel, likewise.
        territory: the territory, likewise.
        on: leave out deals that are not valid on this day; None ignores validity.
    """
    values = {"domain": domain, "partner": partner, "channel": channel, "territory": territory}
    keys = {name: name_key(value) for name, value in values.items()}
    valid = [deal for deal in deals.of(platform) if on is None or _is_valid(deal, on)]
    found = [deal for deal in valid if _fits(deal, keys)]
    if not found:
        return DealMatch(near=tuple(deal for deal in valid if _fits(deal, keys, lenient=True)))
    best = max(_rank(deal) for deal in found)
    winners = sorted((deal for deal in found if _rank(deal) == best), key=lambda deal: deal.id)
    if len({deal.outcome for deal in winners}) > 1:
        return DealMatch(ties=tuple(winners))
    return DealMatch(deal=winners[0])


def _rank(deal: Deal) -> tuple[int, bool]:
    return deal.specificity, deal.domain is not None


def _fits(deal: Deal, keys: dict[str, str], *, lenient: bool = False) -> bool:
    return all(
        named is None or name_key(named) == keys[name] or (lenient and not keys[name])
        for name in ("domain", *_WEIGHTS)
        for named in (getattr(deal, name),)
    )


def _is_valid(deal: Deal, on: date) -> bool:
    return (deal.valid_from is None or deal.valid_from <= on) and (deal.valid_to is None or on <= deal.valid_to)
