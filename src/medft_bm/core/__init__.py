"""Types and laws everything else stands on; numpy only."""
