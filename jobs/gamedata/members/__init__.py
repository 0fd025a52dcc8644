"""What a TAR holds: its headers, the MP4 index, metadata.json, inputs.csv."""
