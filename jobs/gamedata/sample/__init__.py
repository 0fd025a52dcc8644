"""The sample set: TARs with known ground truth, encoded on the spot."""
