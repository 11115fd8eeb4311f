"""Identity: one-time codes, tokens and sessions."""
