"""One module per command of `telecine media`."""
