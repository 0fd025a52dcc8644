"""The commands of the trakt pipeline, one module per command."""
