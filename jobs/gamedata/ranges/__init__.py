"""Sources of bytes that are read by range: memory, files, slices of other sources, and objects in a store."""
