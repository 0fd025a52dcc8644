"""The ``.pt`` file of a session: its format, writer and reader, and measurements of its frames."""
