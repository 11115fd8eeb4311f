"""run.py probe URL: the ladder from the name of a server to a paid call, for robots and people."""
