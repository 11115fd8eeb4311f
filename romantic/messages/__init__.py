"""Messages between two people."""
