"""The ``.pt`` file of a session: format, writer, reader and frame measurements."""
