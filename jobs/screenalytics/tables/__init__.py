"""Read and write the tables of the schema `screenalytics`."""
