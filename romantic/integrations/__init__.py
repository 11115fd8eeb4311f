"""The outside world, one file per vendor: calls have deadlines and reach a base URL from the settings."""
