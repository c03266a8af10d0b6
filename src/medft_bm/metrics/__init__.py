"""Numbers from predictions and truths; numpy only."""
