"""Decode a TAR to a session, in a child process that can be killed if a hostile video hangs or crashes it."""
