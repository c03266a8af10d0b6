"""Prepared data in the formats of other trainers and harnesses; see ``docs/export.md``."""
