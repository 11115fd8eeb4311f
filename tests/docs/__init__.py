"""The documentation: true, complete, and served from here."""
