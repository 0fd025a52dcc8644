"""The policies of values-prod, with the addresses of another place."""

from __future__ import annotations

from typing import Any

from tests.chart.rendering import merged, render, small, values_of

__all__ = ["rendered_policies"]


def rendered_policies(*, node_ip: str, host_ip: str, operator: str, **values: Any) -> list[dict[str, Any]]:
    """Return the policies that an installation of values-prod would have.

    The addresses are as narrow as they can be, so that each rule is needed. Store, database and API server share one:
    their ports tell them apart.

    Args:
        node_ip: address of the API server, the store and the database.
        host_ip: address of the webhook, the mail server, the Trakt replayer and the receiver of lineage.
        operator: namespace of KubeRay's operator.
        values: further values, such as the endpoints of notifications and of the replayer.
    """
    here = {name: {"cidrs": [f"{node_ip}/32"]} for name in ("api", "s3", "database")}
    place = {
        "s3": {"endpointUrl": f"http://{node_ip}:9000"},
        "networkPolicies": {
            "operatorNamespace": operator,
            "egress": here | {name: {"cidrs": [f"{host_ip}/32"]} for name in ("notify", "trakt", "lineage")},
        },
    }
    objects = render(merged(values_of("values-prod"), place, values), small())
    return [each for each in objects if each["kind"] == "NetworkPolicy"]
