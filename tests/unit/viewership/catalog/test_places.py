from __future__ import annotations

import pytest

from jobs.viewership.catalog.places import Place, PlaceIndex, resolve_channel, resolve_territory

US = Place(1, "United States", "US", ("USA", "United States of America"))
INDIA = Place(2, "India", "IN")
GUINEA = Place(3, "Guinea", "GN")
PAPUA = Place(4, "Papua New Guinea", "PG")
SPAIN = Place(5, "España", "ES", ("Spain",))
TERRITORIES = PlaceIndex.of([US, INDIA, GUINEA, PAPUA, SPAIN])
CONFESS, JUDGE, NOSEY = Place(16, "Confess"), Place(10, "Judge", None, ("Real Nosey",)), Place(8, "Nosey")
CHANNELS = PlaceIndex.of([CONFESS, JUDGE, NOSEY])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("MAIN_US", US),
        ("nosey-us-mobile", US),
        ("United States", US),
        ("USA", US),
        ("the united states of america", US),
        ("Nosey (IN)", INDIA),
        ("papua new guinea", PAPUA),
        ("Region: New Guinea", GUINEA),
        ("ESPANA", SPAIN),
        ("MAIN", None),
        ("Dominus", None),
        ("INDIANA", None),
        ("", None),
        (None, None),
    ],
)
def test_territories_are_found_at_borders_of_words_the_longest_first(text, place):
    found = resolve_territory(text, TERRITORIES)
    assert found.place == place
    assert found.raw == text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Nosey", NOSEY),
        ("Nosey Confess TV", CONFESS),
        ("Real Nosey US", JUDGE),
        ("Confessional", None),
        ("Prejudge", None),
        ("Something else", None),
    ],
)
def test_channels(text, place):
    assert resolve_channel(text, CHANNELS).place == place


def test_two_that_are_named_equally_well_are_listed_and_none_is_taken():
    both = [Place(1, "Alpha"), Place(2, "Gamma")]
    for places in (both, both[::-1]):
        found = resolve_channel("alpha and gamma", PlaceIndex.of(places))
        assert found.place is None
        assert {place.id for place in found.ties} == {1, 2}
    assert resolve_channel("Gamma", PlaceIndex.of(both)).place == both[1]


def test_one_that_is_named_twice_is_one():
    assert resolve_territory("US, United States (US)", TERRITORIES).place == US
