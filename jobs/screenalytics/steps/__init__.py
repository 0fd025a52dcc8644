"""One module per command of `telecine screenalytics`."""
