"""What run.py dispatches to."""
