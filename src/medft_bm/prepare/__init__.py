"""From raw files to rows that are ready to train on and to score."""
