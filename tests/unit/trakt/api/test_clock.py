from __future__ import annotations

import asyncio
import socket

import pytest

from jobs.trakt.api.clock import ReplayerClock
from jobs.trakt.errors import ApiDown
from shared.errors import EXIT_TRANSIENT


def test_a_replayer_that_does_not_answer_is_named_with_the_command_that_starts_one():
    with socket.socket() as bound:
        # Bound, but not listening: connections are refused.
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ApiDown, match=r"refused.*; expected a replayer.*telecine trakt replayer") as caught:
            asyncio.run(ReplayerClock(url).sleep(0.5))
    assert url in caught.value.message
    assert caught.value.exit_code == EXIT_TRANSIENT
