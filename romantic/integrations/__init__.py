"""The outside world, one file per vendor. Every call has a deadline and reaches a base URL from the settings."""
