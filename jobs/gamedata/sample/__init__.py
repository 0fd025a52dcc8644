"""The sample set: TARs with ground truth, encoded on the spot."""
