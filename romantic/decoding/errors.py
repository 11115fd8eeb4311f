"""Why a file is not taken, where the common refusals do not say it."""

from romantic.errors import RomanticError


class InvalidImage(RomanticError):
    """It begins like a picture and cannot be shown: truncated, damaged, tiny, or made to wear us out."""

    code = "INVALID_IMAGE"
    message = "This picture cannot be read."


class InvalidRecording(RomanticError):
    """It begins like a recording and cannot be played."""

    code = "INVALID_RECORDING"
    message = "This recording cannot be played."
