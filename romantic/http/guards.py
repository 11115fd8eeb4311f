"""Who may call a route. Every route names exactly one guard."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from romantic.errors import Forbidden, RomanticError, Unauthorized


class RegistrationRequired(RomanticError):
    """The phone number is proven, and nobody has registered with it yet."""

    status = HTTPStatus.NOT_FOUND
    code = "REGISTRATION_REQUIRED"
    message = "Complete your registration first."


@dataclass(frozen=True, slots=True)
class Principal:
    """The signed-in user behind a request or a socket.

    `user_id` is None while a proven phone number has yet to register. A robot is an account that tests the
    service from outside and may do nothing else.
    """

    session_id: UUID
    phone_number: str
    user_id: UUID | None
    token_expires_at: float
    is_robot: bool = False

    @property
    def id(self) -> UUID:
        if self.user_id is None:
            raise RegistrationRequired
        return self.user_id


#: Turns an access token into its principal; raises Unauthorized.
Authenticate = Callable[[web.Application, str], Awaitable[Principal]]

AUTHENTICATE = web.AppKey[Authenticate]("AUTHENTICATE")
PRINCIPAL = web.RequestKey("PRINCIPAL", Principal)


def bearer_token(request: web.Request) -> str | None:
    """The token of the Authorization header, if there is one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def anyone(request: web.Request) -> None:
    """No token needed."""


async def proven(request: web.Request) -> None:
    """A proven phone number, registered or not."""
    token = bearer_token(request)
    if token is None:
        raise Unauthorized
    request[PRINCIPAL] = await request.app[AUTHENTICATE](request.app, token)


async def signed_in(request: web.Request) -> None:
    """A person: a registered user with a live session."""
    await person_or_robot(request)
    if request[PRINCIPAL].is_robot:
        raise Forbidden("This account may only test calls.")


async def person_or_robot(request: web.Request) -> None:
    """A registered user with a live session, person or robot."""
    await proven(request)
    if request[PRINCIPAL].user_id is None:
        raise RegistrationRequired
