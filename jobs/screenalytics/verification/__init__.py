"""Tables and store compared."""
