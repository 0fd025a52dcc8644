"""Notifications of failed runs: one message per run and channel, after the last attempt."""
