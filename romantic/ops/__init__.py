"""What operators look at beside the log: metrics and health, on a listener of their own."""
