"""One TAR read as one session, in a child process that may be killed."""
