"""Preferences: what a person wants to be told, shown and seen as, and the figures of their account."""
