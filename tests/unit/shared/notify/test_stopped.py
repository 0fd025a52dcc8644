from __future__ import annotations

import pytest

from shared.notify.failures import NodeFailure, was_stopped


def failure(message: str) -> NodeFailure:
    return NodeFailure("extract", message, "Failed", "p", "")


@pytest.mark.parametrize("message", ["workflow shutdown with strategy:  Stop", "Stopped with strategy 'Terminate'"])
def test_argos_own_message_means_that_a_user_stopped_the_run(message):
    assert was_stopped([failure("Error (exit code 143)"), failure(message)])


def test_a_files_name_cannot_hide_a_failure():
    assert not was_stopped([failure("Error (exit code 65): failed; first a/stopped with strategy.tar: decode_failed")])
