from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.frames.packet_reader import SideDataEvents

EVENTS = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["palette", "new_extradata"]), st.binary(max_size=2)))


@given(EVENTS.map(lambda events: sorted(events, key=lambda event: event[0])), st.integers(0, 21))
def test_a_packet_has_its_own_side_data_and_a_start_the_latest_of_each_kind(events, sample):
    found = SideDataEvents(events)
    assert list(found.of(sample)) == [(kind, body) for number, kind, body in events if number == sample]
    latest = dict(found.until(sample, b"headers"))
    for kind in ("palette", "new_extradata"):
        before = [body for number, name, body in events if name == kind and number <= sample]
        if before:
            assert latest[kind] == before[-1]
        else:
            has_headers = kind == "new_extradata" and any(name == kind for _, name, _ in events)
            assert latest.get(kind) == (b"headers" if has_headers else None)
