"""What ends a command with a sentence instead of a traceback."""


class CommandFault(Exception):
    """The command cannot do its work, and the text says why: printed on one line, exit code 1."""
