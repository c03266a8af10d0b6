"""What a training will need, before a GPU is booked for it."""
