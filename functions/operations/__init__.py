"""What operators run by hand or on a schedule."""
