"""`helm upgrade` while a run is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing, Opening
    from tests.e2e.installation import Installation


def test_an_upgrade_does_not_disturb_a_running_workflow(
    installation: Installation, opening: Opening, closing: Closing
) -> None:
    """The fixture `closing` upgraded the release while this run's steps were running."""
    closing.in_flight.succeeded()
    assert closing.in_flight_phase == "Running"
    history = installation.node.helm("-n", installation.namespace, "history", "telecine", "-o", "yaml")
    assert "revision: 2" in history
    stored = [key for key in installation.node.keys("game-data-manifest", "flight/") if key.endswith(".pt")]
    assert len(stored) == opening.MEDIA
