"""What run.py admin dispatches to, one file a subject: the same services as REST, the same trail."""
