"""Runs taken one after the other: read ahead, tried again or set aside, written once, counted."""
