"""Romantic: the backend of a dating and paid-call app, realtime first."""

__version__ = "0.1.0"
