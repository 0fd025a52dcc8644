"""Read an upload: bytes -> sheet -> layout -> format -> units with parsed values."""
