"""OpenLineage events of steps: start and end, datasets read and written, and where their columns come from."""
