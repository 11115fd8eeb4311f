"""Why a person is not served."""

from romantic.errors import NotFound


class UserNotFound(NotFound):
    """There is no such person, or the two are not to know of each other."""

    code = "USER_NOT_FOUND"
    message = "There is no such person."
