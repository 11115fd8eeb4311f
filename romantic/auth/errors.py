"""Why somebody is not let in."""

from http import HTTPStatus

from romantic.errors import RomanticError


class OtpRequired(RomanticError):
    """A phone number alone proves nothing; the same answer for known and unknown numbers."""

    status = HTTPStatus.UNAUTHORIZED
    code = "OTP_REQUIRED"
    message = "Prove that the phone number is yours: verify a one-time code first."


class OtpInvalid(RomanticError):
    """The code is wrong, expired, used or was never sent: on purpose the guesser cannot tell which."""

    code = "OTP_INVALID"
    message = "The code is not valid."


class OtpLocked(RomanticError):
    """Too many wrong guesses; this code is dead."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "OTP_LOCKED"
    message = "Too many wrong codes. Request a new one."


class OtpNotSent(RomanticError):
    """No provider took the message."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "OTP_NOT_SENT"
    message = "The code could not be sent. Try again shortly."
    retryable = True


class TestNumberEnded(RomanticError):
    """A number for store reviewers, after its last day."""

    status = HTTPStatus.FORBIDDEN
    code = "TEST_NUMBER_ENDED"
    message = "This test number is no longer in use."


class UnsupportedDeliveryMethod(RomanticError):
    """Codes are not delivered that way."""

    code = "UNSUPPORTED_DELIVERY_METHOD"
    message = "Codes are not delivered that way here."


class PhoneInvalid(RomanticError):
    """Not a phone number in international form."""

    code = "PHONE_INVALID"
    message = "Give the phone number in international form, such as +12025550123."

    def __init__(self) -> None:
        super().__init__(fields=[{"path": "phoneNumber", "code": "invalid", "message": self.message}])


class PhoneMismatch(RomanticError):
    """The phone number is not the one that was proven."""

    status = HTTPStatus.FORBIDDEN
    code = "PHONE_MISMATCH"
    message = "This is not the phone number you verified."


class UserExists(RomanticError):
    """Somebody registered with this phone number already."""

    status = HTTPStatus.CONFLICT
    code = "USER_EXISTS"
    message = "This phone number is registered. Log in instead."


class AccountBlocked(RomanticError):
    """The account was suspended or banned by a moderator."""

    status = HTTPStatus.FORBIDDEN
    code = "ACCOUNT_BLOCKED"
    message = "This account is suspended."


class RefreshTokenReused(RomanticError):
    """A refresh token was used again long after it was replaced: the session is closed for safety."""

    status = HTTPStatus.UNAUTHORIZED
    code = "REFRESH_TOKEN_REUSED"
    message = "This session was closed for safety. Log in again."
