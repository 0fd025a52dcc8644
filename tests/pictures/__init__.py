"""Compare every stored frame with a full sequential decode, for a matrix of encoders, containers, GOPs and times."""
