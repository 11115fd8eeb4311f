"""Signing in, sessions, and one's own account."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import BEN, Answer, anything, flag, many, moment, one, text, uid, whole

PHONE, TOKEN = "+1234567890", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.…"
REFRESH = "k1.9d2e4c7f8e5a6b4d3c2f1a093f8a6b1c.0.mYw3…"
PROOF = "OTP_INVALID OTP_LOCKED"


class CodeSent(Answer):
    """Where the code went, and until when it is good."""

    phone_number = text(PHONE)
    delivery_method = text("whatsapp", about="How it was really sent: whatsapp or sms.")
    whatsapp_message_id = text("wamid.xxx", null=True)
    expires_at = moment("2024-01-15T10:35:00Z")
    estimated_delivery_time = text("30 seconds")


class Verified(Answer):
    """The number is proven. `isNewUser` asks for `POST /api/auth/register` next."""

    phone_number = text(PHONE)
    is_new_user = flag(False)
    verification_method = text("whatsapp")
    access_token = text(TOKEN)
    refresh_token = text(REFRESH)
    expires_in = whole(900, about="Seconds.")


class SignedInUser(Answer):
    """The person as they signed up."""

    id = uid(BEN)
    phone_number = text(PHONE)
    full_name = text("John Doe")
    age = whole(25)
    gender = text("male")
    bio = text("Love traveling and coffee!", null=True)
    location = text("New York, NY", null=True)
    coins = whole(50)
    created_at = moment()


class SignedIn(Answer):
    """Who signed in, and their tokens."""

    user = one(SignedInUser)
    access_token = text(TOKEN)
    refresh_token = text(REFRESH)
    expires_in = whole(900, about="Seconds.")


class Tokens(Answer):
    """The old refresh token answers the same for 30 seconds, then it ends the session."""

    access_token = text(TOKEN)
    refresh_token = text(REFRESH)
    expires_in = whole(900, about="Seconds.")


class Profile(SignedInUser):
    """One's own profile."""

    profile_image_url = text("https://cdn.example.com/profile-images/photo.jpg", null=True)
    is_verified = flag(True)
    is_super_lover = flag(False)
    last_seen = moment(null=True)
    is_online = flag(True)


class Session(Answer):
    """A device that is signed in."""

    id = uid()
    device_id = text("iphone-of-ben", null=True)
    user_agent = text("Romantic/2.4 CFNetwork/1490", null=True)
    created_at = moment()
    last_used_at = moment()
    expires_at = moment("2024-02-14T10:30:00Z")
    is_current = flag(True)


class Sessions(Answer):
    """Where one is signed in."""

    sessions = many(Session)


class SessionsEnded(Answer):
    """How many sessions ended."""

    sessions_ended = whole(3)


class Export(Answer):
    """Everything that is stored about a person, table by table, as the columns are named."""

    profile = anything({"id": BEN, "full_name": "John Doe"})
    preferences = anything({"app_language": "en"})
    sessions = many(anything({"device_id": "iphone-of-ben"}))
    devices = many(anything({"platform": "ios"}))
    transactions = many(anything({"transaction_type": "earn", "amount": 50}))
    calls = many(anything({"call_type": "video", "status": "ended"}))
    messages = many(anything({"message_text": "Hey there! 👋"}))
    interactions = many(anything({"interaction_type": "like"}))
    ratings = many(anything({"rating": 5}))
    reports = many(anything({"reason": "inappropriate_behavior"}))


OPERATIONS = {
    "POST /api/auth/send-otp": Operation(
        "Send a one-time code", "OTP sent via WhatsApp successfully", CodeSent,
        "PHONE_INVALID UNSUPPORTED_DELIVERY_METHOD TEST_NUMBER_ENDED OTP_NOT_SENT",
        "The answer is the same for known and unknown numbers. Where WhatsApp does not take it, the code "
        "goes by "
        "SMS and `deliveryMethod` says so. Only the newest code is valid, for 300 seconds.",
        body={"phoneNumber": PHONE, "deliveryMethod": "whatsapp"},
    ),
    "POST /api/auth/verify-otp": Operation(
        "Prove a phone number", "OTP verified successfully", Verified,
        f"PHONE_INVALID ACCOUNT_BLOCKED {PROOF}",
        "Opens a session. Five wrong guesses kill the code.",
        body={"phoneNumber": PHONE, "otpCode": "123456", "whatsappMessageId": "wamid.xxx"},
    ),
    "POST /api/auth/register": Operation(
        "Register the proven number", "User registered successfully", SignedIn,
        "PHONE_INVALID PHONE_MISMATCH USER_EXISTS USER_NOT_FOUND",
        "With the tokens of verify-otp. The refresh token given there stays alive; 50 welcome coins once per "
        "phone number for ever.",
        body={
            "phoneNumber": PHONE, "fullName": "John Doe", "age": 25, "gender": "male",
            "bio": "Love traveling and coffee!", "location": "New York, NY",
        },
    ),
    "POST /api/auth/login": Operation(
        "Sign in with a proof", "Login successful", SignedIn,
        f"PHONE_INVALID OTP_REQUIRED REFRESH_TOKEN_REUSED REGISTRATION_REQUIRED ACCOUNT_BLOCKED {PROOF}",
        "A phone number alone proves nothing. The proof is, in this order: `otpCode`, an `Authorization: "
        "Bearer` token of that number, or `refreshToken`. A server may be set to let in, once, whoever has "
        "verified a code from the same address and app a moment ago; new apps do not rely on it.",
        body={"phoneNumber": PHONE, "otpCode": "123456"},
    ),
    "POST /api/auth/refresh": Operation(
        "Change a refresh token for new tokens", "Token refreshed", Tokens,
        "UNAUTHORIZED REFRESH_TOKEN_REUSED",
        "Ask from one place in the app at a time. A refresh token that comes back long after it was replaced "
        "ends its session.",
        body={"refreshToken": REFRESH},
    ),
    "GET /api/auth/profile": Operation(
        "One's own profile", "Profile retrieved successfully", Profile, "REGISTRATION_REQUIRED USER_NOT_FOUND"
    ),
    "POST /api/auth/logout": Operation(
        "Leave this session", "Logged out successfully",
        about="Its tokens die and its sockets close (4410), on every node.",
    ),
    "POST /api/auth/logout-all": Operation("Leave every session", "Logged out everywhere", SessionsEnded),
    "GET /api/auth/sessions": Operation(
        "Where one is signed in", "Sessions retrieved successfully", Sessions
    ),
    "DELETE /api/auth/sessions/{session_id}": Operation("End one of one's sessions", "Session ended"),
    "DELETE /api/auth/account": Operation(
        "Delete one's account", "Account deleted", None, PROOF,
        "A fresh code proves that it is the owner who leaves; then there is no way back.",
        body={"otpCode": "123456"},
    ),
    "GET /api/auth/export": Operation(
        "Everything stored about oneself", "Data exported successfully", Export
    ),
}  # fmt: skip
