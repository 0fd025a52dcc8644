from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from jobs.viewership.catalog.deals import Deal, DealIndex, resolve_deal


def deals(*made: Deal) -> DealIndex:
    return DealIndex(made)


def test_the_most_specific_deal_wins_partner_before_channel_and_territory_together():
    every = deals(
        Deal(1, "Pluto", "any"),
        Deal(2, "Pluto", "territory", territory="US"),
        Deal(3, "Pluto", "channel", channel="Nosey"),
        Deal(4, "Pluto", "both", channel="Nosey", territory="US"),
        Deal(5, "Pluto", "partner", partner="Wurl"),
    )
    expected = {
        (None, None, None): "any",
        (None, None, "US"): "territory",
        (None, "Nosey", None): "channel",
        (None, "Nosey", "US"): "both",
        ("Wurl", None, None): "partner",
        ("Wurl", "Nosey", "US"): "partner",
        ("Other", "Other", "Other"): "any",
    }
    for (partner, channel, territory), parent in expected.items():
        found = resolve_deal(every, platform="pluto", partner=partner, channel=channel, territory=territory)
        assert found.deal is not None
        assert found.deal.deal_parent == parent, (partner, channel, territory)


def test_names_are_compared_without_case_and_surplus_space():
    found = resolve_deal(deals(Deal(1, "Pluto", "p", partner="Samsung  TV")), platform="PLUTO", partner="samsung tv ")
    assert found.deal is not None


def test_an_empty_field_of_a_row_fits_no_deal_that_names_it():
    named = deals(Deal(1, "Pluto", "p", channel="Nosey"), Deal(2, "Pluto", "q", channel="Judge"))
    found = resolve_deal(named, platform="Pluto")
    assert found.deal is None
    assert found.ties == ()
    assert [deal.id for deal in found.near] == [1, 2]
    assert resolve_deal(named, platform="Pluto", channel="Other").near == ()


def test_ties_are_listed_in_every_order_and_none_is_taken():
    tied = [
        Deal(1, "Pluto", "a", valid_from=date(2025, 1, 1)),
        Deal(2, "Pluto", "b", valid_from=date(2025, 6, 1)),
    ]
    for order in (tied, tied[::-1]):
        found = resolve_deal(deals(*order), platform="Pluto", on=date(2025, 7, 1))
        assert found.deal is None
        assert [deal.id for deal in found.ties] == [1, 2]
    assert resolve_deal(deals(*tied), platform="Pluto", on=date(2025, 3, 1)).deal == tied[0]


def test_equal_deals_with_the_same_result_are_not_a_tie():
    same = [Deal(2, "Pluto", "a", valid_from=date(2025, 1, 1)), Deal(1, "Pluto", "a")]
    found = resolve_deal(deals(*same), platform="Pluto")
    assert found.deal is not None
    assert found.deal.id == 1


@pytest.mark.parametrize(("day", "parent"), [(1, None), (2, "p"), (3, "p"), (4, None)])
def test_validity_includes_both_days(day, parent):
    deal = Deal(1, "Pluto", "p", valid_from=date(2025, 1, 2), valid_to=date(2025, 1, 3))
    found = resolve_deal(deals(deal), platform="Pluto", on=date(2025, 1, day)).deal
    assert (found.deal_parent if found else None) == parent


def test_a_deal_that_names_the_domain_wins_only_among_equals():
    found = resolve_deal(
        deals(Deal(1, "P", "a"), Deal(2, "P", "b", domain="Owned"), Deal(3, "P", "c", territory="US")),
        platform="P",
        domain="owned",
        territory="CA",
    )
    assert found.deal is not None
    assert found.deal.deal_parent == "b"
    more = resolve_deal(
        deals(Deal(2, "P", "b", domain="Owned"), Deal(3, "P", "c", territory="US")),
        platform="P",
        domain="Owned",
        territory="US",
    )
    assert more.deal is not None
    assert more.deal.deal_parent == "c"


def test_it_is_the_best_of_a_full_search():
    values = (None, "x", "y")
    every = [
        Deal(number, "P", str(number), partner=partner, channel=channel, territory=territory)
        for number, (partner, channel, territory) in enumerate(product(values, repeat=3), 1)
    ]
    for missing in range(len(every)):
        some = every[:missing] + every[missing + 1 :]
        for partner, channel, territory in product(values, repeat=3):
            given = {"partner": partner, "channel": channel, "territory": territory}
            fitting = [
                deal for deal in some if all(getattr(deal, name) in (None, value) for name, value in given.items())
            ]
            best = max(fitting, key=lambda deal: deal.specificity, default=None)
            assert resolve_deal(deals(*some), platform="p", **given).deal == best
