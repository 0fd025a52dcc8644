"""The evaluator, on policies of a few lines."""

from __future__ import annotations

import pytest

from tests.network.policies import Connection, Endpoint, blocked, matches

WEB = Endpoint("10.0.0.1", {"app": "web", "tier": "front"}, "shop", ports={"http": 8080})
API = Endpoint("10.0.0.2", {"app": "api"}, "shop")
OTHER = Endpoint("10.0.0.3", {"app": "web"}, "bank", {"team": "money"})
OUTSIDE = Endpoint("93.184.216.34")


def policy(pods, *, name="p", namespace="shop", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": pods, **spec}}


def allowed(policies, source, destination, port=80, protocol="TCP"):
    return not blocked(policies, Connection(source, destination, port, protocol))


APP = {"matchLabels": {"app": "web"}}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web", "tier": "front"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "none", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector, expected):
    assert matches(selector, WEB.labels) is expected


def test_an_unknown_operator_or_field_is_an_error():
    with pytest.raises(ValueError, match="Like"):
        matches({"matchExpressions": [{"key": "a", "operator": "Like"}]}, {})
    with pytest.raises(AssertionError, match="matchLabel"):
        matches({"matchLabel": {}}, {})
    with pytest.raises(AssertionError, match="form"):
        allowed([policy({}, ingress=[{"form": []}])], API, WEB)


def test_a_pod_without_a_policy_is_open():
    assert allowed([], API, WEB)
    assert allowed([policy({"matchLabels": {"app": "none"}}, policyTypes=["Ingress", "Egress"])], API, WEB)


def test_a_selected_pod_is_closed_in_the_directions_of_the_policy():
    closed = policy(APP, policyTypes=["Ingress"])
    assert not allowed([closed], API, WEB)
    assert allowed([closed], WEB, API)
    assert not allowed([policy(APP, policyTypes=["Egress"])], WEB, API)
    assert allowed([policy(APP, policyTypes=["Egress"])], API, WEB)


def test_without_types_a_policy_is_for_ingress_and_for_egress_if_it_has_rules():
    assert not allowed([policy(APP)], API, WEB)
    assert allowed([policy(APP)], WEB, API)
    assert not allowed([policy(APP, egress=[{"ports": [{"port": 443}]}])], WEB, API)


def test_a_policy_is_for_pods_of_its_own_namespace():
    assert allowed([policy(APP, namespace="shop", policyTypes=["Ingress"])], API, OTHER)
    assert not allowed([policy(APP, namespace="bank", policyTypes=["Ingress"])], API, OTHER)


def test_rules_and_policies_add_up():
    one = policy(APP, name="one", ingress=[{"ports": [{"port": 80}]}, {"ports": [{"port": 81}]}])
    two = policy(APP, name="two", ingress=[{"ports": [{"port": 82}]}])
    assert [allowed([one, two], API, WEB, port) for port in (80, 81, 82, 83)] == [True, True, True, False]


def test_both_ends_must_agree():
    out = policy(
        {"matchLabels": {"app": "api"}}, name="out", egress=[{"ports": [{"port": 80}]}], policyTypes=["Egress"]
    )
    into = policy(APP, name="into", ingress=[{"ports": [{"port": 81}]}])
    (reason,) = blocked([out, into], Connection(API, WEB, 80))
    assert "no rule of into allows ingress" in reason
    (reason,) = blocked([out, into], Connection(API, WEB, 81))
    assert "no rule of out allows egress" in reason
    assert len(blocked([out, into], Connection(API, WEB, 82))) == 2


def test_a_pod_selector_is_for_the_own_namespace_unless_there_is_one_for_namespaces():
    own = policy(APP, ingress=[{"from": [{"podSelector": {}}]}])
    assert allowed([own], API, WEB)
    assert not allowed([own], OTHER, WEB)
    named = policy(
        APP, ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bank"}}}]}]
    )
    assert allowed([named], OTHER, WEB)
    assert not allowed([named], API, WEB)
    both = {"namespaceSelector": {"matchLabels": {"team": "money"}}, "podSelector": {"matchLabels": {"app": "api"}}}
    assert not allowed([policy(APP, ingress=[{"from": [both]}])], OTHER, WEB), "both must match"
    each = [{"namespaceSelector": {"matchLabels": {"team": "money"}}}, {"podSelector": {"matchLabels": {"app": "api"}}}]
    assert allowed([policy(APP, ingress=[{"from": each}])], OTHER, WEB), "one of two peers matches"
    assert allowed([policy(APP, ingress=[{"from": [{"namespaceSelector": {}}]}])], OTHER, WEB)


def test_blocks_of_addresses_and_their_exceptions():
    rule = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["93.184.216.0/24"]}}]}
    closed = policy(APP, policyTypes=["Egress"], egress=[rule])
    assert not allowed([closed], WEB, OUTSIDE)
    assert allowed([closed], WEB, Endpoint("93.184.217.1"))
    assert not allowed([closed], WEB, Endpoint("fd00::1"))
    assert allowed([policy(APP, policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "fd00::/8"}}]}])],
                   WEB, Endpoint("fd00::1"))  # fmt: skip


def test_a_pod_can_always_reach_itself():
    assert allowed([policy({}, policyTypes=["Ingress", "Egress"])], WEB, WEB)


def test_what_is_not_a_pod_matches_addresses_only():
    selected = policy(APP, policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}}]}])
    assert not allowed([selected], WEB, OUTSIDE)
    assert allowed([], OUTSIDE, WEB)


def test_the_kubelets_probes_are_not_blocked_and_other_nodes_are():
    closed = policy(APP, policyTypes=["Ingress"])
    assert allowed([closed], Endpoint("10.1.0.1", node=True), WEB)
    assert not allowed([closed], Endpoint("10.1.0.2"), WEB)


@pytest.mark.parametrize(
    ("port", "protocol", "expected"),
    [
        ({"port": 80}, "TCP", True),
        ({"port": 81}, "TCP", False),
        ({"port": 80}, "UDP", False),
        ({"port": 80, "protocol": "UDP"}, "UDP", True),
        ({"protocol": "UDP"}, "UDP", True),
        ({"protocol": "UDP"}, "TCP", False),
        ({"port": 70, "endPort": 80}, "TCP", True),
        ({"port": 70, "endPort": 79}, "TCP", False),
        ({"port": "http"}, "TCP", False),
    ],
)
def test_ports(port, protocol, expected):
    assert allowed([policy(APP, ingress=[{"ports": [port]}])], API, WEB, 80, protocol) is expected


def test_a_named_port_is_the_destinations():
    named = policy(APP, ingress=[{"ports": [{"port": "http"}]}])
    assert allowed([named], API, WEB, 8080)
    assert not allowed([named], API, WEB, 80)


def test_an_empty_list_of_rules_allows_nothing_and_an_empty_rule_everything():
    assert not allowed([policy(APP, ingress=[])], API, WEB)
    assert allowed([policy(APP, ingress=[{}])], API, WEB)
    assert allowed([policy(APP, ingress=[{"from": [], "ports": []}])], API, WEB)
