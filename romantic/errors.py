"""Every refusal the application can give: the one registry behind REST, sockets and the documentation."""

from http import HTTPStatus
from typing import Any, ClassVar


class RomanticError(Exception):
    """A refusal the caller can act on; anything else is a bug and becomes a 500.

    REST sends `status`; both REST and sockets send `code`, `message` and `meta`, typed facts in
    snake_case that become camelCase on the wire. `fields` names the faulty inputs of a body.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "BAD_REQUEST"
    message: ClassVar[str] = "The request cannot be served."
    retryable: ClassVar[bool] = False

    registry: ClassVar[dict[str, type["RomanticError"]]] = {}

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: list[dict[str, str]] | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        **meta: Any,
    ) -> None:
        super().__init__(message or self.message)
        self.fields = fields
        self.retry_after = retry_after
        self.headers = headers or {}
        self.meta = meta

    def __init_subclass__(cls) -> None:
        other = cls.registry.setdefault(cls.code, cls)
        if other is not cls and cls.__dict__.get("code") is not None:
            raise TypeError(f"{cls.__name__} and {other.__name__} share the code {cls.code}")


class BadRequest(RomanticError):
    """The request is not well formed: not JSON, not an object, truncated."""


class InvalidInput(RomanticError):
    """Some values are missing, unknown or out of range; `fields` says which."""

    code = "VALIDATION_ERROR"
    message = "Some fields are missing or not valid."


class Unauthorized(RomanticError):
    """No token, or one that is expired, revoked or forged."""

    status = HTTPStatus.UNAUTHORIZED
    code = "UNAUTHORIZED"
    message = "Sign in to continue."


class Forbidden(RomanticError):
    """The principal is known and may not do this."""

    status = HTTPStatus.FORBIDDEN
    code = "FORBIDDEN"
    message = "You may not do this."


class NotFound(RomanticError):
    """There is no such thing, or it is not the principal's to know of."""

    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"
    message = "There is nothing here."


class MethodNotAllowed(RomanticError):
    """The path exists and does not take this method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "METHOD_NOT_ALLOWED"
    message = "This address does not take that method."


class RequestTimeout(RomanticError):
    """The body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "REQUEST_TIMEOUT"
    message = "The request took too long to arrive."
    retryable = True


class PayloadTooLarge(RomanticError):
    """The body, frame or description is larger than its limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "PAYLOAD_TOO_LARGE"
    message = "This is larger than we accept."


class UnsupportedMediaType(RomanticError):
    """The content type or encoding is not one this address takes."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "UNSUPPORTED_MEDIA_TYPE"
    message = "Send JSON as application/json, not compressed."


class ExpectationFailed(RomanticError):
    """An Expect header that is not 100-continue."""

    status = HTTPStatus.EXPECTATION_FAILED
    code = "EXPECTATION_FAILED"
    message = "This expectation cannot be met."


class IdempotencyKeyReused(RomanticError):
    """The idempotency key already stands for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This idempotency key was already used for another request."


class RequestInFlight(RomanticError):
    """A request under the same idempotency key is still running."""

    status = HTTPStatus.CONFLICT
    code = "REQUEST_IN_FLIGHT"
    message = "The same request is still running."
    retryable = True


class RateLimited(RomanticError):
    """Too many requests of one class; `retry_after` says when to come back."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RATE_LIMITED"
    message = "Too many requests. Wait a moment."
    retryable = True


class InternalError(RomanticError):
    """A bug on our side; only the request id leaves the house."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "INTERNAL"
    message = "Something went wrong on our side."
    retryable = True


class Unavailable(RomanticError):
    """A store or provider we depend on does not answer, or this process is draining."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "UNAVAILABLE"
    message = "The service is not available right now. Try again shortly."
    retryable = True


class UnknownEvent(RomanticError):
    """The socket does not know an event of this name."""

    code = "UNKNOWN_EVENT"
    message = "The server does not know this event."


class BadFrame(RomanticError):
    """The frame is not a JSON object with an event name."""

    code = "BAD_FRAME"
    message = "A frame is one JSON object with an event name."


class IdentityMismatch(RomanticError):
    """The frame names another user than the one who signed in."""

    status = HTTPStatus.FORBIDDEN
    code = "IDENTITY_MISMATCH"
    message = "You can only speak for yourself."


class UserUnavailable(RomanticError):
    """Absent, inactive, blocked or unreachable: on purpose the caller cannot tell which."""

    status = HTTPStatus.CONFLICT
    code = "USER_UNAVAILABLE"
    message = "This person cannot be reached."
