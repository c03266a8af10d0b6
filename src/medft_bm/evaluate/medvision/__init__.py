"""Numbers that can be put beside MedVision's published tables."""
