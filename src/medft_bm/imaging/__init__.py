"""Read files and render slices."""
