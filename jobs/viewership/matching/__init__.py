"""Match distinct keys to the catalogue: six exact buckets, then fuzzy titles."""
