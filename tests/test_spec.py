"""The documented examples: every request as written is accepted, every response has at least those keys and types."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import FormData

from tests.conftest import prove
from tests.media import pictures
from tests.phone import Person
from tests.webhooks import meta

UUID_TEXT, ISO, TEXT, URL = "uuid", "2024-01-15T10:30:00Z", "text", "https://…"
OPTIONAL = object()  # the key is there; its value may be null

SDP = "v=0\r\no=- 1234567890 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:..."


@dataclass
class Scene:
    """Who and what an example talks about."""

    me: Person
    other: Person
    code: str = ""
    token: str | None = None
    call: dict[str, Any] = field(default_factory=dict)
    sql: Any = None
    package_id: str = ""
    message_id: str = ""


@dataclass
class Example:
    """One documented exchange; `{…}` in path and body is filled from the scene."""

    title: str
    method: str
    path: str
    message: str
    data: Any = None
    body: Callable[[Scene], Any] = lambda scene: None
    stage: str = "signed_in"
    headers: Callable[[Any], dict[str, str]] = lambda body: {}

    def __str__(self) -> str:
        return self.title

    def content(self, body: Any) -> dict[str, Any]:
        return {"data": body} if isinstance(body, FormData) else {"json": body}


USER = {
    "id": UUID_TEXT,
    "phoneNumber": TEXT,
    "fullName": "John Doe",
    "age": 25,
    "gender": "male",
    "bio": "Love traveling and coffee!",
    "location": "New York, NY",
    "coins": 50,
    "createdAt": ISO,
}
PREFERENCES = {
    "notifications": {"push": True, "email": False, "sms": True},
    "privacy": {"profileVisibility": "public", "showOnlineStatus": True, "showLastSeen": True},
    "app": {"theme": "light", "language": "en", "autoPlayVideos": True},
}
PAGINATION = {"page": 1, "limit": 20, "total": 1, "hasNext": False}


WHATSAPP_EVENTS = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "phone_number_id",
            "changes": [
                {
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {
                            "display_phone_number": "+1234567890",
                            "phone_number_id": "phone_number_id",
                        },
                        "statuses": [{"id": "wamid.xxx", "status": "delivered", "timestamp": "1234567890"}],
                    },
                    "field": "messages",
                }
            ],
        }
    ],
}


MESSAGE = {
    "id": UUID_TEXT, "senderId": UUID_TEXT, "receiverId": UUID_TEXT, "messageType": "text", "isRead": True,
    "createdAt": ISO,
}  # fmt: skip


def media_form(scene: Scene) -> FormData:
    form = FormData({"receiverId": str(scene.other.id)})
    form.add_field("media", pictures.photo(), filename="photo.jpg", content_type="image/jpeg")
    return form


def register_body(scene: Scene) -> dict[str, Any]:
    return {
        "phoneNumber": scene.me.phone_number,
        "fullName": "John Doe",
        "age": 25,
        "gender": "male",
        "bio": "Love traveling and coffee!",
        "location": "New York, NY",
    }


EXAMPLES = (
    Example(
        "1.1 send-otp", "POST", "/api/auth/send-otp", "OTP sent via WhatsApp successfully",
        {
            "phoneNumber": "+1234567890",
            "deliveryMethod": "whatsapp",
            "whatsappMessageId": "wamid.xxx",
            "expiresAt": ISO,
            "estimatedDeliveryTime": "30 seconds",
        },
        lambda scene: {"phoneNumber": "+1234567890", "deliveryMethod": "whatsapp"},
        stage="anonymous",
    ),
    Example(
        "1.2 verify-otp", "POST", "/api/auth/verify-otp", "OTP verified successfully",
        {
            "phoneNumber": TEXT,
            "isNewUser": True,
            "verificationMethod": "whatsapp",
            "accessToken": TEXT,
            "refreshToken": TEXT,
        },
        lambda scene: {"phoneNumber": scene.me.phone_number, "otpCode": scene.code},
        stage="code_sent",
    ),
    Example(
        "1.3 register", "POST", "/api/auth/register", "User registered successfully",
        {"user": USER, "accessToken": TEXT}, register_body, stage="proven",
    ),
    Example(
        "1.4 login", "POST", "/api/auth/login", "Login successful",
        {"user": {**USER, "bio": OPTIONAL, "location": OPTIONAL}, "accessToken": TEXT},
        lambda scene: {"phoneNumber": scene.me.phone_number},
    ),
    Example(
        "1.5 profile", "GET", "/api/auth/profile", "Profile retrieved successfully",
        {
            **USER, "bio": OPTIONAL, "location": OPTIONAL, "profileImageUrl": OPTIONAL,
            "isVerified": True, "isSuperLover": False, "lastSeen": ISO, "isOnline": True,
        },
    ),
    Example("1.6 logout", "POST", "/api/auth/logout", "Logged out successfully"),
    Example(
        "3.1 become super lover", "POST", "/api/super-lover/become",
        "Congratulations! You are now a Super Lover!",
        {"user": {"id": UUID_TEXT, "isSuperLover": True, "superLoverBio": TEXT, "coinsBalance": 0}},
        lambda scene: {"superLoverBio": "Professional Super Lover with 5+ years experience"},
        stage="rich",
    ),
    Example(
        "3.2 super lover status", "PUT", "/api/super-lover/status", "Status updated to: READY",
        {"status": "ready"}, lambda scene: {"status": "ready"}, stage="super_lovers",
    ),
    Example(
        "3.3 super lover bio", "PUT", "/api/super-lover/bio", "Bio updated successfully",
        {"bio": "Updated Super Lover bio"},
        lambda scene: {"bio": "Updated Super Lover bio"},
        stage="super_lovers",
    ),
    Example(
        "3.4 super lover stats", "GET", "/api/super-lover/stats", "Statistics retrieved successfully",
        {
            "rating": 4.8,
            "totalCalls": 127,
            "totalEarnings": 6350,
            "totalDuration": 2540,
            "averageCallDuration": 20,
            "monthlyEarnings": 1250,
        },
        stage="super_lovers",
    ),
    Example(
        "3.5 available super lovers", "GET", "/api/super-lover/available?status=ready&page=1&limit=10",
        "Super Lovers retrieved successfully",
        {
            "superLovers": [
                {
                    "id": UUID_TEXT, "fullName": "Sarah Johnson", "age": 25, "gender": "female",
                    "superLoverBio": OPTIONAL, "superLoverRating": 4.8, "superLoverCallCount": 127,
                    "superLoverStatus": "ready", "profileImageUrl": OPTIONAL, "isVerified": True,
                }
            ],
            "pagination": PAGINATION,
        },
        stage="super_lovers",
    ),
    Example(
        "3.6 can become super lover", "GET", "/api/super-lover/can-become",
        "Requirements checked successfully",
        {
            "canBecome": True,
            "requirements": {
                "isVerified": True, "minimumAge": 18, "userAge": 25, "coinsRequired": 1000, "userCoins": 1500,
            },
        },
        stage="rich",
    ),
    Example(
        "3.7 super lover requirements", "GET", "/api/super-lover/requirements",
        "Requirements retrieved successfully",
        {"coinsRequired": 1000, "verificationRequired": True, "minimumAge": 18, "description": TEXT},
    ),
    Example(
        "3.8 rate super lover", "POST", "/api/super-lover/rate", "Rating submitted successfully",
        body=lambda scene: {
            "superLoverId": str(scene.other.id), "rating": 5, "comment": "Great conversation!",
        },
        stage="talked",
    ),
    Example(
        "4.1 balance", "GET", "/api/coins/balance", "Balance retrieved successfully",
        {"balance": 150, "totalEarned": 500, "totalSpent": 350},
    ),
    Example(
        "4.2 transactions", "GET", "/api/coins/transactions?page=1&limit=20", "Transactions retrieved successfully",
        {
            "transactions": [
                {"id": UUID_TEXT, "type": "earn", "amount": 5, "description": "Watched ad", "createdAt": ISO}
            ],
            "pagination": PAGINATION,
        },
    ),
    Example(
        "4.3 packages", "GET", "/api/coins/packages", "Packages retrieved successfully",
        {"packages": [{"id": UUID_TEXT, "name": "50 Coins", "coins": 50, "price": 4.99, "isActive": True}]},
        stage="on_sale",
    ),
    Example(
        "4.4 purchase", "POST", "/api/coins/purchase", "Payment intent created",
        {"paymentIntent": "pi_...", "clientSecret": "pi_..._secret_..."},
        lambda scene: {"packageId": scene.package_id, "paymentMethod": "stripe"},
        stage="on_sale",
    ),
    Example(
        "4.5 earn from an ad", "POST", "/api/coins/earn-ad", "Coins earned successfully",
        {"coinsEarned": 5, "newBalance": 155},
        lambda scene: {"adType": "rewarded", "adProvider": "admob"},
    ),
    Example(
        "4.6 spend", "POST", "/api/coins/spend", "Coins spent successfully",
        {"coinsSpent": 10, "newBalance": 145},
        lambda scene: {"amount": 10, "action": "gift", "referenceId": str(scene.other.id)},
    ),
    Example(
        "5.1 conversations", "GET", "/api/messages/conversations", "Conversations retrieved successfully",
        {
            "conversations": [
                {
                    "id": UUID_TEXT,
                    "user": {"id": UUID_TEXT, "fullName": "Sarah Johnson", "profileImageUrl": OPTIONAL},
                    "lastMessage": "Hey there! 👋", "lastMessageTime": ISO, "unreadCount": 2,
                }
            ]
        },
        stage="written",
    ),
    Example(
        "5.2 messages", "GET", "/api/messages/conversation/{otherId}?page=1&limit=50",
        "Messages retrieved successfully",
        {"messages": [MESSAGE | {"messageText": "Hey there! 👋"}], "pagination": PAGINATION},
        stage="written",
    ),
    Example(
        "5.3 send", "POST", "/api/messages/send", "Message sent successfully",
        {"message": MESSAGE | {"messageText": TEXT}, "coinsSpent": 5, "newBalance": 140},
        lambda scene: {
            "receiverId": str(scene.other.id), "messageText": "Hello! How are you?", "messageType": "text",
        },
    ),
    Example(
        "5.4 read", "PUT", "/api/messages/read/{otherId}", "Messages marked as read",
        {"readCount": 5}, stage="written",
    ),
    Example(
        "5.5 delete", "DELETE", "/api/messages/{messageId}", "Message deleted successfully", stage="written"
    ),
    Example(
        "5.6 send media", "POST", "/api/messages/send-media", "Media message sent successfully",
        {"message": MESSAGE | {"mediaUrl": URL}}, media_form,
    ),
    Example(
        "6.1 initiate", "POST", "/api/calls/initiate", "Call initiated successfully",
        {"callId": UUID_TEXT, "roomId": "room_uuid", "coinsSpent": 50, "newBalance": 90},
        lambda scene: {"receiverId": str(scene.other.id), "callType": "video"},
    ),
    Example(
        "6.2 accept", "POST", "/api/calls/{callId}/accept", "Call accepted", {"roomId": "room_uuid"}, stage="ringing"
    ),
    Example("6.3 reject", "POST", "/api/calls/{callId}/reject", "Call rejected", stage="ringing"),
    Example(
        "6.4 end", "POST", "/api/calls/{callId}/end", "Call ended successfully",
        {"duration": 120, "coinsEarned": 25}, lambda scene: {"duration": 120}, stage="answered",
    ),
    Example(
        "6.5 history", "GET", "/api/calls/history?page=1&limit=20", "Call history retrieved successfully",
        {
            "calls": [
                {
                    "id": UUID_TEXT, "callerId": UUID_TEXT, "receiverId": UUID_TEXT, "callType": "video",
                    "status": "ended", "duration": 120, "coinsSpent": 50, "startedAt": ISO, "endedAt": ISO,
                }
            ],
            "pagination": PAGINATION,
        },
        stage="ended",
    ),
    Example(
        "6.6 offer", "POST", "/api/calls/{callId}/webrtc/offer", "Offer sent successfully",
        body=lambda scene: {"sdp": SDP, "roomId": scene.call["roomId"]}, stage="answered",
    ),
    Example(
        "6.7 answer", "POST", "/api/calls/{callId}/webrtc/answer", "Answer sent successfully",
        body=lambda scene: {"sdp": SDP, "roomId": scene.call["roomId"]}, stage="offered",
    ),
    Example("7.1 preferences", "GET", "/api/preferences", "Preferences retrieved successfully", PREFERENCES),
    Example(
        "7.2 update preferences", "PUT", "/api/preferences", "Preferences updated successfully",
        {"preferences": PREFERENCES},
        lambda scene: {name: PREFERENCES[name] for name in ("notifications", "privacy")},
    ),
    Example(
        "7.3 statistics", "GET", "/api/preferences/statistics", "Statistics retrieved successfully",
        {
            "totalMatches": 45,
            "totalLikes": 128,
            "totalViews": 567,
            "accountAge": "30 days",
            "lastActive": "2 min ago",
            "profileCompleteness": 85,
        },
    ),
    Example(
        "8.1 whatsapp verification", "GET",
        f"/api/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=xxx&hub.verify_token={meta.TOKEN}",
        "Webhook verified successfully", {"challenge": "xxx"}, stage="anonymous",
        headers=lambda body: {"Accept": "application/json"},
    ),
    Example(
        "8.2 whatsapp events", "POST", "/api/webhooks/whatsapp", "Webhook processed successfully",
        body=lambda scene: WHATSAPP_EVENTS, stage="anonymous",
        headers=lambda body: meta.sign(json.dumps(body).encode()),
    ),
)  # fmt: skip


async def _anonymous(scene: Scene, outside: Any) -> None:
    scene.token = None


async def _code_sent(scene: Scene, outside: Any) -> None:
    scene.token, scene.me.phone_number = None, "+1234567890"
    await scene.me.client.post("/api/auth/send-otp", json={"phoneNumber": scene.me.phone_number})
    scene.code = outside.code_for(scene.me.phone_number)


async def _proven(scene: Scene, outside: Any) -> None:
    scene.me.phone_number = "+1234567890"
    scene.token = (await prove(scene.me.client, outside, scene.me.phone_number))["accessToken"]


async def _signed_in(scene: Scene, outside: Any) -> None:
    scene.token = scene.me.access_token


async def _ringing(scene: Scene, outside: Any) -> None:
    """The other one calls me."""
    scene.token = scene.me.access_token
    body = {"receiverId": str(scene.me.id), "callType": "video"}
    scene.call = (await (await scene.other.post("/api/calls/initiate", body)).json())["data"]


async def _answered(scene: Scene, outside: Any) -> None:
    await _ringing(scene, outside)
    await scene.me.post(f"/api/calls/{scene.call['callId']}/accept")


async def _offered(scene: Scene, outside: Any) -> None:
    await _answered(scene, outside)
    offer = {"sdp": SDP, "roomId": scene.call["roomId"]}
    await scene.other.post(f"/api/calls/{scene.call['callId']}/webrtc/offer", offer)


async def _ended(scene: Scene, outside: Any) -> None:
    await _answered(scene, outside)
    await scene.me.post(f"/api/calls/{scene.call['callId']}/end", {"duration": 120})


async def _rich(scene: Scene, outside: Any) -> None:
    """I have what becoming a super lover takes, and more."""
    scene.token = scene.me.access_token
    scene.sql(
        "SELECT id FROM add_entry(%s, 'earn', 1350, %s, 'test', NULL, NULL)",
        scene.me.id,
        f"rich:{scene.me.id}",
    )


async def _on_sale(scene: Scene, outside: Any) -> None:
    scene.token = scene.me.access_token
    columns = "(name, coins, price) VALUES ('50 Coins', 50, 4.99)"
    scene.package_id = str(scene.sql(f"INSERT INTO coin_packages {columns} RETURNING id")[0][0])


async def _super_lovers(scene: Scene, outside: Any) -> None:
    """Both of us are super lovers."""
    scene.token = scene.me.access_token
    scene.sql("UPDATE users SET is_super_lover = TRUE, super_lover_status = 'ready'")


async def _talked(scene: Scene, outside: Any) -> None:
    """I called a super lover, and we talked for a while."""
    await _super_lovers(scene, outside)
    body = {"receiverId": str(scene.other.id), "callType": "video"}
    call_id = (await (await scene.me.post("/api/calls/initiate", body)).json())["data"]["callId"]
    await scene.other.post(f"/api/calls/{call_id}/accept")
    scene.sql("UPDATE calls SET started_at = now() - interval '1 minute' WHERE id = %s", call_id)
    await scene.me.post(f"/api/calls/{call_id}/end")


async def _written(scene: Scene, outside: Any) -> None:
    """The other one wrote to me, and I answered."""
    scene.token = scene.me.access_token
    greeting = {"receiverId": str(scene.me.id), "messageText": "Hey there! 👋", "messageType": "text"}
    await scene.other.post("/api/messages/send", greeting)
    answer = await scene.me.post("/api/messages/send", greeting | {"receiverId": str(scene.other.id)})
    scene.message_id = (await answer.json())["data"]["message"]["id"]


STAGES: dict[str, Callable[[Scene, Any], Awaitable[None]]] = {
    "anonymous": _anonymous,
    "code_sent": _code_sent,
    "proven": _proven,
    "signed_in": _signed_in,
    "ringing": _ringing,
    "answered": _answered,
    "offered": _offered,
    "ended": _ended,
    "rich": _rich,
    "on_sale": _on_sale,
    "super_lovers": _super_lovers,
    "talked": _talked,
    "written": _written,
}


def covers(got: Any, documented: Any, at: str = "data") -> None:
    """Every documented key is there, with a value of the documented type."""
    if documented is OPTIONAL:
        return
    if isinstance(documented, dict):
        assert documented.keys() <= got.keys(), f"{at} lacks {documented.keys() - got.keys()}"
        for key, value in documented.items():
            covers(got[key], value, f"{at}.{key}")
    elif isinstance(documented, list):
        assert got, f"{at} is empty"
        covers(got[0], documented[0], f"{at}[0]")
    elif documented == UUID_TEXT:
        UUID(got)
    elif documented == ISO:
        datetime.strptime(got, "%Y-%m-%dT%H:%M:%SZ")
    else:
        assert type(got) is type(documented), f"{at} is {got!r}"


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
async def test_documented_example(example, client, make_person, outside, sql):
    scene = Scene(
        await make_person("John Doe", coins=150), await make_person("Sarah Johnson", coins=150), sql=sql
    )
    await STAGES[example.stage](scene, outside)
    names = {"callId": scene.call.get("callId"), "otherId": scene.other.id, "messageId": scene.message_id}
    path = example.path.format(**names)
    body = example.body(scene)
    headers = {"Authorization": f"Bearer {scene.token}"} if scene.token else {}

    response = await client.request(
        example.method, path, headers=headers | example.headers(body), **example.content(body)
    )

    answer = await response.json()
    assert response.status == 200, answer
    assert answer["success"] is True
    assert answer["message"] == example.message
    assert ("data" in answer) == (example.data is not None)
    covers(answer.get("data", {}), example.data or {})
