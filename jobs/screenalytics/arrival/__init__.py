"""How runs are found: events of the outbox, then a listing of the prefix, which has the last word."""
