"""The ICE server list a client gets, with TURN credentials that expire."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any
from uuid import UUID


def ice_servers(
    *,
    stun: Sequence[str],
    turn: Sequence[str],
    turn_secret: str | None,
    turn_username: str | None,
    turn_credential: str | None,
    ttl: int,
    user_id: UUID | str,
    now: float,
) -> list[dict[str, Any]]:
    """Return what goes into `RTCConfiguration.iceServers`; `now` is epoch seconds.

    The static pair is handed out only where no secret is set, and TURN is left out where neither is.
    """
    servers: list[dict[str, Any]] = [{"urls": list(stun)}] if stun else []
    if turn_secret:
        turn_username = f"{int(now) + ttl}:{user_id}"
        turn_credential = _credential(secret=turn_secret, username=turn_username)
    if turn and turn_username and turn_credential:
        servers.append({"urls": list(turn), "username": turn_username, "credential": turn_credential})
    return servers


def _credential(*, secret: str, username: str) -> str:
    """The password coturn derives too (use-auth-secret, draft-uberti-behave-turn-rest-00 section 2.2)."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
