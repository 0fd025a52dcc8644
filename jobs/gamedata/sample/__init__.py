"""Generate the sample set: TARs with ground truth, drawn and encoded on this machine."""
