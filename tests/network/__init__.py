"""NetworkPolicies: an evaluator, and the connections of a cluster's pods."""
