"""Review keys that wait: the queue, a key in detail, decisions with their effects, and the export."""
