"""Turn titles, series names and ids into keys that can be compared."""
