"""What a socket needs from REST."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import Answer, text, whole


class Ticket(Answer):
    """Goes into `/ws?ticket=`, once."""

    ticket = text("q1w2e3…")
    expires_in = whole(30, about="Seconds.")


OPERATIONS = {
    "POST /api/realtime/ticket": Operation(
        "A ticket for a socket", "Ticket issued", Ticket, "UNAVAILABLE",
        "For browsers, which cannot set headers on a WebSocket.",
    ),
}  # fmt: skip
