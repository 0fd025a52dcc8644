"""The commands of `telecine screenalytics`, one module each."""
