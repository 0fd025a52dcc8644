"""Sources of bytes that are read by range: memory, a file, a slice of another source, an object in a store."""
