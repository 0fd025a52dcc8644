"""The ``.pt`` file of a session: write it, read it, measure its frames."""
