"""A prepared dataset as training will see it, on one page."""
