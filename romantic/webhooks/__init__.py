"""News from providers: proven first, then acted on once."""
