"""Calls: ringing, answering, ending, what they cost and how they sounded."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import (
    ADA,
    BEN,
    CALL,
    Answer,
    Pagination,
    many,
    moment,
    number,
    one,
    text,
    uid,
    whole,
)

ROOM = f"room_{CALL}"
SDP = "v=0\r\no=- 1234567890 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:..."


class IceServer(Answer):
    """Goes into RTCConfiguration.iceServers as it is."""

    sometimes = ("username", "credential")

    urls = many(text("turn:turn.example.com:3478"))
    username = text("1705329000:0b9f2a54")
    credential = text("y7Yx…")


class Initiated(Answer):
    """The phone rings. `coinsSpent` is what was charged now."""

    call_id = uid(CALL)
    room_id = text(ROOM)
    coins_spent = whole(50)
    new_balance = whole(90)
    billing = text("flat", about="flat or metered.")
    price_per_minute = whole(None, null=True, about="Where the billing is metered.")
    max_seconds = whole(3600)
    ring_seconds_left = whole(45)
    ice_servers = many(IceServer)
    connectivity = text("direct", null=True, about="What the probes of both forecast.")


class Accepted(Answer):
    """Where to join."""

    room_id = text(ROOM)
    ice_servers = many(IceServer)


class Ended(Answer):
    """The numbers of the finished call, the same for both sides."""

    room_id = text(ROOM)
    call_id = uid(CALL)
    status = text("ended")
    end_reason = text("user_hangup", null=True)
    duration = whole(120, null=True, about="Seconds the server metered.")
    coins_spent = whole(50)
    coins_earned = whole(25)
    refunded = whole(0)
    ended_by = uid(BEN, null=True)
    new_balance = whole(90)


class CallRow(Answer):
    """A call of one's history."""

    id = uid(CALL)
    caller_id = uid(BEN)
    receiver_id = uid(ADA)
    call_type = text("video")
    status = text("ended")
    end_reason = text("user_hangup", null=True)
    duration = whole(120, null=True)
    coins_spent = whole(50)
    coins_earned = whole(25)
    refunded = whole(0)
    started_at = moment(null=True)
    ended_at = moment("2024-01-15T10:32:00Z", null=True)
    created_at = moment()


class History(Answer):
    """A page of calls, the newest first."""

    calls = many(CallRow)
    pagination = one(Pagination)


class Call(CallRow):
    """One call, for its two people."""

    room_id = text(ROOM)
    answered_at = moment(null=True)
    billing = text("flat")
    price = whole(50)
    metered_by = text("evidence")
    evidence_level = text("E2", null=True)
    gaps = whole(0, about="Spans without evidence.")
    ended_by = uid(BEN, null=True)


class CallFound(Answer):
    """Wraps the call."""

    call = one(Call)


class ActiveCall(Answer):
    """The live call, null where there is none."""

    call = one(Call, null=True)


class IceServers(Answer):
    """Valid for `ttl` seconds."""

    ice_servers = many(IceServer)
    ttl = whole(14_400)


class Sample(Answer):
    """A view of a path at an instant."""

    at_ms = whole(1000)
    rtt_ms = number(48.2, null=True)
    jitter_ms = number(2.1, null=True)
    loss_pct = number(0.0, null=True)
    score = number(4.31, null=True)
    level = text("excellent", null=True)
    pair = text("srflx/udp", null=True)


class Path(Answer):
    """One party's leg: what the server measured, and what the app told."""

    user_id = uid(BEN)
    monitor = many(Sample)
    client = many(Sample)


class Quality(Answer):
    """Both paths over time, and the score of the call (ITU-T G.107)."""

    call_id = uid(CALL)
    score = number(4.31, null=True)
    level = text("excellent", null=True)
    parties = many(Path)


WRONG_CALL = "CALL_NOT_FOUND INVALID_CALL_STATE"
LATE = "CALL_NOT_FOUND INVALID_CALL_STATE FORBIDDEN"

OPERATIONS = {
    "POST /api/calls/initiate": Operation(
        "Call somebody", "Call initiated successfully", Initiated,
        "INSUFFICIENT_COINS USER_UNAVAILABLE USER_BUSY CALL_GLARE CALL_UNLIKELY",
        "Rings and charges in one step, or refuses and charges nothing. A call that does not come about is "
        "refunded. Send an Idempotency-Key: a retry must not ring twice.",
        body={"receiverId": ADA, "callType": "video"},
    ),
    "GET /api/calls/history": Operation("One's calls", "Call history retrieved successfully", History),
    "GET /api/calls/ice-servers": Operation(
        "STUN and TURN servers", "ICE servers retrieved successfully", IceServers,
        about="The TURN credentials are made for this person and soon expire: ask anew for each call.",
    ),
    "GET /api/calls/active": Operation(
        "The live call", "Active call retrieved successfully", ActiveCall,
        about="For an app that was restarted in the middle of one.",
    ),
    "GET /api/calls/{call_id}": Operation(
        "A call", "Call retrieved successfully", CallFound, "CALL_NOT_FOUND",
        "What a phone asks that was woken by a push: is it still ringing?",
    ),
    "GET /api/calls/{call_id}/quality": Operation(
        "How a call sounded", "Call quality retrieved successfully", Quality, "CALL_NOT_FOUND"
    ),
    "POST /api/calls/{call_id}/stats": Operation(
        "Tell how the call sounds here", "Statistics received", None, WRONG_CALL,
        "The REST twin of the event `call-stats`. A claim: quality follows from it, money never.",
        body={"sample": {"rttMs": 48.2, "lossPct": 0.0, "jitterMs": 2.1, "pair": "srflx/udp"}},
    ),
    "POST /api/calls/{call_id}/accept": Operation(
        "Accept a call", "Call accepted", Accepted, LATE, "Only the person who is called."
    ),
    "POST /api/calls/{call_id}/reject": Operation(
        "Decline a call", "Call rejected", None, LATE, "The caller gets their coins back.",
        body={"reason": "busy"},
    ),
    "POST /api/calls/{call_id}/end": Operation(
        "Hang up", "Call ended successfully", Ended, "CALL_NOT_FOUND",
        "Ends the call in whatever state it is, once; whoever comes second gets the same numbers. "
        "`duration` in "
        "the body is a claim that is written down; the answer is what the server metered.",
        body={"duration": 120},
    ),
    "POST /api/calls/{call_id}/webrtc/offer": Operation(
        "Send an offer", "Offer sent successfully", None, WRONG_CALL,
        "The REST twin of the event `webrtc-offer`; forwarded as it is, at most 48 KiB.",
        body={"sdp": SDP, "roomId": ROOM},
    ),
    "POST /api/calls/{call_id}/webrtc/answer": Operation(
        "Send an answer", "Answer sent successfully", None, WRONG_CALL,
        "The REST twin of the event `webrtc-answer`.", body={"sdp": SDP, "roomId": ROOM},
    ),
}  # fmt: skip
