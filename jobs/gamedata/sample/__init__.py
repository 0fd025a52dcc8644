"""The sample set: TARs with known ground truth, encoded on demand."""
