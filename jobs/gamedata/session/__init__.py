"""Decode one TAR to one session, in a child process that may be killed."""
