from __future__ import annotations

import pytest

from jobs.viewership.catalog.diff import describe, label, summary
from jobs.viewership.catalog.entities import EntityKind
from jobs.viewership.catalog.files import read
from jobs.viewership.catalog.plan import Plan, plan
from jobs.viewership.catalog.state import State

EPISODES = """ref_id,series,series_code,content_provider,status,season,episode,title
HL-0101,Harbour Lights,HL,Alder Media,active,1,1,"The Storm, Part 1"
HL-0102,Harbour Lights,HL,Alder Media,active,1,2,"The Storm, Part 2"
OF-0101,The Outpost,OF,Birch,active,1,1,Pilot
"""


def imported(state: State, *texts: str, source: str = "a", **values: bool) -> Plan:
    return plan(state, read([(f"{n}.csv", text.encode()) for n, text in enumerate(texts, 1)]), source, **values)


@pytest.fixture
def state() -> State:
    made = State()
    assert not imported(made, EPISODES).bad
    return made


def counts(found: Plan) -> dict[str, int]:
    assert [str(bad) for bad in found.bad] == []
    return found.counts()


def told(state: State, *texts: str, **values: bool) -> str:
    return "\n".join(str(bad) for bad in imported(state, *texts, **values).bad)


def episode(state: State, ref_id: str) -> dict[str, str]:
    return state.episodes_by_ref[ref_id.lower()].fields


def test_a_file_adds_its_series_and_episodes_and_again_changes_nothing():
    state = State()
    assert counts(imported(state, EPISODES)) == {"series_added": 2, "episode_added": 3}
    assert counts(imported(state, EPISODES)) == {}
    assert summary(imported(State(), EPISODES)) == "2 series, 3 episodes added"


def test_the_order_of_rows_does_not_matter():
    lines = EPISODES.splitlines()
    backwards = "\n".join([lines[0], *lines[:0:-1]])
    state = State()
    imported(state, backwards)
    assert counts(imported(state, EPISODES)) == {}


def test_a_title_with_a_comma_is_one_title(state):
    assert episode(state, "HL-0101")["title"] == "The Storm, Part 1"


def test_remakes_of_one_name_are_two_series_by_code():
    text = "series,series_code,season,episode\nCharmers,CH,1,1\nCharmers,CN,1,1\n"
    state = State()
    assert counts(imported(state, text)) == {"series_added": 2, "episode_added": 2}
    assert counts(imported(state, text)) == {}
    assert "2 series are named 'Charmers' (codes 'CH', 'CN'); expected a code" in told(
        state, "series,season,episode\nCharmers,1,2\n"
    )


def test_a_code_fills_the_series_of_this_name_that_has_none():
    state = State()
    imported(state, "series,season,episode\nCharmers,1,1\n")
    found = imported(state, "series,series_code,season,episode\nCharmers,CH,1,1\n")
    assert counts(found) == {"series_changed": 1}
    assert state.series_by_code["ch"].fields["series_code"] == "CH"


def test_case_of_codes_names_and_ids_makes_nothing_new(state):
    assert counts(imported(state, "ref_id,series,series_code\nhl-0101,HARBOUR LIGHTS,hl\n")) == {}
    assert counts(imported(state, "ref_id,series,title\n,harbour lights,the storm part 1\n", source="b")) == {}


# Episodes without an id


def test_an_episode_without_an_id_is_its_series_season_and_episode(state):
    assert counts(imported(state, "series,season,episode,title-es\nThe Outpost,01,E1,Piloto\n")) == {
        "episode_changed": 1
    }
    assert episode(state, "OF-0101")["title-es"] == "Piloto"


def test_an_episode_without_numbers_is_its_series_and_title(state):
    assert counts(imported(state, "series,title,title-es\nHarbour Lights,Storm (1),La tormenta\n", source="b")) == {
        "episode_changed": 1
    }
    assert episode(state, "HL-0101")["title-es"] == "La tormenta"
    assert "title-es" not in episode(state, "HL-0102")


def test_an_unknown_episode_without_an_id_is_added_once():
    state = State()
    text = "series,season,episode,title\nA,1,1,One\nA,1,2,Two\nA,,,Special\nA,,,Special\n"
    assert counts(imported(state, text)) == {"series_added": 1, "episode_added": 3}
    assert counts(imported(state, text)) == {}
    assert counts(imported(state, "series,season,episode,title\nA,1,1,Uno\n")) == {"episode_changed": 1}


def test_an_id_fills_the_episode_that_has_none():
    state = State()
    imported(state, "series,season,episode,title\nA,1,1,One\nA,,,Special\n")
    assert counts(imported(state, "ref_id,series,season,episode,title\nA-1,A,1,1,One\nA-2,A,,,Special\n")) == {
        "episode_changed": 2
    }
    # Another title in the same language: another episode.
    assert counts(imported(state, "ref_id,series,season,episode,title\nA-3,A,1,1,Other\n")) == {"episode_added": 1}


def test_two_episodes_that_fit_are_an_error_that_names_the_ids():
    state = State()
    imported(state, "ref_id,series,season,episode,title\nA-1,A,1,1,x\nA-2,A,1,1,y\n")
    assert "the row fits 2 episodes (ref_id 'A-1', 'A-2'); expected a ref_id" in told(
        state, "series,season,episode\nA,1,1\n"
    )
    assert counts(imported(state, "series,season,episode,title,title-es\nA,1,1,y,z\n")) == {"episode_changed": 1}
    assert episode(state, "A-2")["title-es"] == "z"


def test_an_id_alone_is_enough_for_a_known_episode_only(state):
    assert counts(imported(state, "ref_id,title-es\nOF-0101,Piloto\n")) == {"episode_changed": 1}
    assert "1.csv line 2, column series: the series is empty; expected its name" in told(
        state, "ref_id,title\nXX-1,x\n"
    )


# Contradictions


def test_rows_that_contradict_each_other_are_both_named(state):
    text = "ref_id,series,content_provider,title\nHL-0101,Harbour Lights,X,a\nHL-0101,Harbour Lights,Y,b\n"
    found = told(state, text)
    assert (
        "1.csv line 3, column title: 'b' contradicts 'a' in 1.csv line 2; expected one value per episode; put further"
        " ones into columns title.2, .3 and so on"
    ) in found
    assert "column content_provider: 'Y' contradicts 'X' in 1.csv line 2; expected one value per series" in found
    both = told(State(), "ref_id,series\nA-1,A\n", "ref_id,series\nA-1,B\n")
    assert "2.csv line 2, column series_id: 'B' contradicts 'A' in 1.csv line 2" in both


def test_an_empty_cell_contradicts_nothing():
    text = "ref_id,series,content_provider\nA-1,A,\nA-2,A,Alder\nA-3,A,\n"
    state = State()
    assert counts(imported(state, text)) == {"series_added": 1, "episode_added": 3}
    assert state.series_by_name["a"][0].fields["content_provider"] == "Alder"


def test_a_bad_row_leaves_the_rest_to_be_listed(state):
    found = imported(state, "ref_id,series,status\nA-1,A,odd\nA-2,,active\n,Harbour Lights,active\n")
    assert [bad.line for bad in found.bad] == [2, 3]
    assert found.missing == []


# Sources


def test_another_source_fills_what_is_empty_and_replaces_nothing(state):
    text = "ref_id,title,title-es,season\nHL-0101,Other,La tormenta,7\n"
    found = imported(state, text, source="b")
    assert counts(found) == {"episode_changed": 1}
    assert found.conflicts == 2
    fields = episode(state, "HL-0101")
    assert (fields["title"], fields["season"], fields["title-es"]) == ("The Storm, Part 1", "1", "La tormenta")
    entity = state.episodes_by_ref["hl-0101"]
    assert (entity.source_of("title"), entity.source_of("title-es")) == ("a", "b")
    lines = describe(state, found, 20)
    assert (
        "  ! HL-0101 Harbour Lights S1E1 The Storm, Part 1: title stays 'The Storm, Part 1' (source a); the file has"
        " 'Other'"
    ) in lines
    # The first source does not take it back, either.
    assert imported(state, "ref_id,title-es\nHL-0101,Mine\n", source="a").conflicts == 1


def test_overwrite_replaces_and_owns_and_spares_what_the_file_leaves_empty(state):
    text = "ref_id,title,season\nHL-0101,Other,\n"
    assert counts(imported(state, text, source="b", overwrite=True)) == {"episode_changed": 1}
    assert episode(state, "HL-0101")["title"] == "Other"
    assert episode(state, "HL-0101")["season"] == "1"
    assert imported(state, "ref_id,title\nHL-0101,First\n", source="a").conflicts == 1


def test_an_empty_cell_clears_what_its_own_source_has_filled(state):
    imported(state, "ref_id,title-es\nHL-0101,La tormenta\n", source="b")
    assert counts(imported(state, "ref_id,title-es\nHL-0101,\n", source="a")) == {}
    assert counts(imported(state, "ref_id\nHL-0101\n", source="b")) == {}
    assert counts(imported(state, "ref_id,title-es\nHL-0101,\n", source="b")) == {"episode_changed": 1}
    assert "title-es" not in episode(state, "HL-0101")


def test_a_series_keeps_a_name(state):
    assert "the series would have no name" not in told(state, "series_code,series\nHL,\n")
    imported(state, "series_code,series,series-es\nHL,Harbour Lights,Luces\n")
    assert counts(imported(state, "series_code,series,series-es\nHL,,Luces\n")) == {"series_changed": 1}
    assert label(state.series_by_code["hl"]) == "HL Luces"


def test_a_default_status_belongs_to_no_source():
    state = State()
    imported(state, "series,season,episode\nA,1,1\n", source="a")
    found = imported(state, "series,status\nA,inactive\n", source="b")
    assert counts(found) == {"series_changed": 1}
    assert imported(state, "series,status\nA,active\n", source="a").conflicts == 1


# What the files lack


def test_missing_entities_are_shown_and_deactivated_on_demand(state):
    short = "\n".join(EPISODES.splitlines()[:2])
    found = imported(state, short)
    assert counts(found) == {}
    assert sorted(label(entity) for entity in found.missing) == [
        "HL-0102 Harbour Lights S1E2 The Storm, Part 2",
        "OF-0101 The Outpost S1E1 Pilot",
    ]
    assert imported(state, short, source="b").missing == []
    assert counts(imported(state, short, remove_missing=True)) == {"episode_removed": 2}
    assert episode(state, "HL-0102")["episode_status"] == "inactive"
    assert counts(imported(state, short, remove_missing=True)) == {}
    # Another source does not bring them back; their own does.
    assert counts(imported(state, EPISODES, source="b")) == {}
    assert episode(state, "HL-0102")["episode_status"] == "inactive"
    assert counts(imported(state, EPISODES)) == {"episode_changed": 2}
    assert episode(state, "HL-0102")["episode_status"] == "active"


def test_kinds_that_the_files_lack_are_not_missing(state):
    imported(state, "channel\nNosey\n")
    assert imported(state, "channel\nConfess\n").missing == [state.places_by_name[EntityKind.CHANNEL, "nosey"][0]]
    assert counts(imported(state, EPISODES, remove_missing=True)) == {}
    assert counts(imported(state, "channel\n", remove_missing=True)) == {}


def test_what_someone_deactivated_stays_so(state):
    imported(state, "ref_id,episode_status\nHL-0101,inactive\n")
    assert counts(imported(state, EPISODES)) == {}
    assert episode(state, "HL-0101")["episode_status"] == "inactive"


# Aliases, numbers, deals, places


def test_aliases_of_series_and_episodes(state):
    text = (
        "kind,alias,target,platform,series,content_id,exact\nseries,Harbour Lights LAS,Harbour Lights,,,,\n"
        "episode,Es mi hermana,HL-0102,Pluto,,,\nepisode,,OF-0101,Tubi,,t-17,true\n"
    )
    assert counts(imported(state, text)) == {"alias_added": 3}
    assert counts(imported(state, text.replace("Pluto", "PLUTO"))) == {}
    assert counts(imported(state, text.replace("HL-0102", "HL-0101"))) == {"alias_changed": 1}
    assert imported(state, text, source="b").conflicts == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("series,x,Nothing", "no series is named 'Nothing'"),
        ("episode,x,HL-9999", "no episode has ref_id 'HL-9999'"),
        ("series,x,", "the target is empty"),
        ("episode,,HL-0101", "the alias is empty"),
        ("episode,x,", "the episode is missing; expected target"),
    ],
)
def test_an_alias_needs_one_target(state, row, words):
    assert words in told(state, f"kind,alias,target\n{row}\n")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("season", "1"), ("episode", "2"), ("content_id", "t-17"), ("exact", "true")),
        *(("target_season", "1"), ("target_episode", "1"), ("target_title", "x")),
    ],
)
def test_an_alias_of_a_series_takes_nothing_that_tells_episodes_apart(state, column, value):
    text = f"kind,alias,target,{column}\nseries,Lights,HL,{{}}\n"
    message = f"1.csv line 2, column {column}: an alias of a series names all its episodes, and {column} would be"
    assert told(state, text.format(value)).startswith(message)
    assert counts(imported(state, text.format(""))) == {"alias_added": 1}


def test_an_alias_of_an_unknown_kind_is_one_error(state):
    kind = "'serie' is not a kind of alias; expected series or episode"
    assert told(state, "kind,alias,target\nserie,x,HL\n") == f"1.csv line 2, column kind: {kind}"
    assert told(state, '{"kind": "serie", "alias": "x", "target": "HL"}') == f"1.csv line 1, column kind: {kind}"


def test_an_alias_may_point_to_an_episode_without_an_id(state):
    imported(state, "series,season,episode,title\nThe Outpost,2,1,New\n")
    head = "kind,alias,target_series,target_season,target_episode,target_title,target\n"
    assert counts(imported(state, f"{head}episode,x,The Outpost,2,1,,\nepisode,y,OF,,,New,\n")) == {"alias_added": 2}
    assert "0 episodes of 'The Outpost' fit" in told(state, f"{head}episode,z,The Outpost,2,9,,\n")


def test_what_the_files_lack_stays_and_is_counted(state):
    found = imported(state, "ref_id,title\nHL-0101,Other\n")
    assert len(found.missing) == 2
    lines = describe(state, found, 20)
    assert lines[0] == "episodes: 1 changed; 2 others stay"
    assert not [line for line in lines if "removed" in line or line.startswith("  - ")]


def test_numbers_are_added_and_missing_ones_removed(state):
    text = "ref_id,platform,season,episode\nHL-0101,Xumo,2,11\nHL-0101,,0,3\n"
    assert counts(imported(state, text)) == {"episode_changed": 1}
    assert counts(imported(state, text)) == {}
    assert set(state.episodes_by_ref["hl-0101"].numbers) == {("xumo", "2", "11"), (None, "0", "3")}
    short = "\n".join(text.splitlines()[:2])
    assert len(imported(state, short).missing_numbers) == 1
    assert counts(imported(state, short, remove_missing=True)) == {"episode_changed": 1}
    assert set(state.episodes_by_ref["hl-0101"].numbers) == {("xumo", "2", "11")}


def test_a_deal_is_what_it_names_and_its_parent_may_change():
    text = "platform,partner,channel,territory,deal_parent\nPluto,A,,US,1\nPluto,*,,US,2\n"
    state = State()
    assert counts(imported(state, text)) == {"deal_added": 2}
    assert counts(imported(state, text.replace("Pluto", "PLUTO"))) == {}
    assert counts(imported(state, text.replace("US,1", "US,3"))) == {"deal_changed": 1}
    assert "'2' contradicts '1' in 1.csv line 2" in told(
        State(), "platform,partner,deal_parent\nPluto,A,1\nPluto,a,2\n"
    )
    assert "deal_parent is empty" in told(state, "platform,deal_parent\nPluto,\n")
    assert "is before valid_from" in told(
        state, "platform,deal_parent,valid_from,valid_to\nP,1,2025-02-01,2025-01-01\n"
    )


def test_a_name_belongs_to_one_channel_only():
    state = State()
    assert counts(imported(state, "channel,channel.2,code\nNosey,Nosey TV,8\n")) == {"channel_added": 1}
    assert "'Nosey TV' is a name of another channel" in told(state, "channel,channel.2,code\nOther,Nosey TV,9\n")
    assert counts(imported(state, "channel,code\nNosey Network,8\n")) == {"channel_changed": 1}
