"""Review waiting keys: the queue, a key in detail, decisions with their effects, and the export."""
