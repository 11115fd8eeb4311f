"""Phones that pushes reach, and what they are told while no app is open on them."""
