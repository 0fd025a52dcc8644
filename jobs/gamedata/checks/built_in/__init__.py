"""Checks that come with telecine, and nothing else: every module of this package is loaded."""
