"""The report of a run: what people look at and send around."""
