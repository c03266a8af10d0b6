"""What the user asked for, checked at once."""
