"""What moderators and admins do."""

from romantic.docs.operation import Operation
from romantic.docs.operations.auth import PHONE, TOKEN
from romantic.docs.operations.coins import INTENT
from romantic.docs.operations.users import PHOTO
from romantic.docs.shapes import (
    ADA,
    ANY,
    BEN,
    CALL,
    MOMENT,
    Answer,
    Pagination,
    anything,
    flag,
    many,
    moment,
    number,
    one,
    text,
    uid,
    whole,
)


class StaffToken(Answer):
    """For fifteen minutes."""

    access_token = text(TOKEN)
    expires_in = whole(900)
    role = text("moderator")


class Report(Answer):
    """Who reported whom and why; `snapshot` is what was kept at that moment, without the words of the two."""

    id = uid()
    reporter_id = uid(BEN)
    reporter_name = text("Ben Okafor")
    reported_user_id = uid(ADA)
    reported_name = text("Sarah Johnson")
    reason = text("inappropriate_behavior")
    description = text("User was harassing me", null=True)
    status = text("pending", about="pending, investigating, resolved or dismissed.")
    admin_notes = text(None, null=True)
    action = text(None, null=True)
    decided_by = uid(None, null=True)
    version = whole(1)
    snapshot = anything({"profile": {"full_name": "Sarah Johnson"}}, null=True)
    message_count = whole(20, about="Messages of the two that were kept; reading them leaves a trail.")
    created_at = moment()
    updated_at = moment()


class Reports(Answer):
    """A page of reports."""

    reports = many(Report)
    pagination = one(Pagination)


class Person(Answer):
    """Somebody with the history of reports and decisions; of the phone number nothing but its end."""

    id = uid(ADA)
    full_name = text("Sarah Johnson")
    age = whole(25)
    gender = text("female")
    bio = text("Loves hiking", null=True)
    location = text("London", null=True)
    profile_image_url = text(PHOTO, null=True)
    phone = text("+***67", null=True)
    role = text("user")
    status = text("active", about="active, suspended, banned or deleted.")
    suspended_until = moment(None, null=True)
    is_verified = flag(True)
    is_super_lover = flag(True)
    is_online = flag(False)
    coins = whole(150)
    last_seen = moment(null=True)
    created_at = moment()
    reports_about = whole(3)
    reports_open = whole(1)
    warnings = whole(1)
    exclusions = whole(0)
    reports_made = whole(0)
    reports_made_in_vain = whole(0)


class ReportInContext(Answer):
    """A report with what a decision needs."""

    report = one(Report)
    reporter = one(Person)
    reported = one(Person)
    earlier = many(Report, about="The other reports about the same person, ten at most.")


class KeptMessage(Answer):
    """A message as it was when it was reported."""

    id = uid()
    sender_id = uid(ADA)
    message_text = text("Hello", null=True)
    message_type = text("text")
    created_at = text(MOMENT)


class KeptMessages(Answer):
    """What the two had written, oldest first."""

    messages = many(KeptMessage)


class OnePerson(Answer):
    """Somebody."""

    user = one(Person)


class Day(Answer):
    """What a day came to; probes count nowhere."""

    day = text("2024-01-15")
    new_users = whole(12)
    answered = whole(140)
    unanswered = whole(22)
    failed = whole(3)
    coins_spent = whole(7000)
    mos = number(4.2, null=True)
    reports = whole(2)


class Days(Answer):
    """One row a day, today last."""

    days = many(Day)


class Statistics(Answer):
    """Totals, counted at most once a minute."""

    total_users = whole(1250)
    total_super_lovers = whole(89)
    total_calls = whole(3420)
    total_messages = whole(15_680)
    total_revenue = number(8750.5)
    active_users = whole(342)
    pending_reports = whole(12)
    window = text("24h")


class User(Answer):
    """A person as moderators see them: no phone number."""

    id = uid(ADA)
    full_name = text("Sarah Johnson")
    age = whole(25)
    gender = text("female")
    role = text("user")
    status = text("active", about="active, suspended, banned or deleted.")
    suspended_until = moment(None, null=True)
    is_verified = flag(True)
    is_super_lover = flag(True)
    coins = whole(150)
    last_seen = moment(null=True)
    created_at = moment()


class Users(Answer):
    """A page of people."""

    users = many(User)
    pagination = one(Pagination)


class UserState(Answer):
    """The person's state now."""

    user_id = uid(ADA)
    status = text("suspended")


class UserVerified(Answer):
    """The person is verified now."""

    user_id = uid(ADA)
    is_verified = flag(True)


class Adjusted(Answer):
    """The entry, and what is left."""

    entry_id = uid()
    new_balance = whole(200)


class LiveCall(Answer):
    """A call that rings or runs."""

    id = uid(CALL)
    caller_id = uid(BEN)
    caller_name = text("Ben Okafor")
    receiver_id = uid(ADA)
    receiver_name = text("Sarah Johnson")
    call_type = text("video")
    status = text("answered")
    billing = text("flat")
    coins_charged = whole(50)
    evidence_level = text("E2", null=True)
    gaps = whole(0)
    mos = number(4.2, null=True)
    answered_at = moment(null=True)
    started_at = moment(null=True)
    created_at = moment()


class LiveCalls(Answer):
    """Calls now."""

    calls = many(LiveCall)


class ExplainedCall(Answer):
    """A call as an operator needs it: the true end reason, the claim of the client, the evidence."""

    id = uid(CALL)
    caller_id = uid(BEN)
    receiver_id = uid(ADA)
    call_type = text("video")
    status = text("ended")
    end_reason = text("user_hangup", null=True)
    ended_by = uid(BEN, null=True)
    duration_seconds = whole(120, null=True)
    client_duration_seconds = whole(121, null=True)
    billing = text("flat")
    price = whole(50)
    share = number(0.5)
    coins_charged = whole(50)
    coins_refunded = whole(0)
    coins_spent = whole(50)
    coins_earned = whole(25)
    metered_by = text("evidence")
    evidence_level = text("E2", null=True)
    gaps = whole(0)
    quality_score = number(4.31, null=True)
    created_at = moment()
    answered_at = moment(null=True)
    started_at = moment(null=True)
    ended_at = moment("2024-01-15T10:32:00Z", null=True)


class CallEvent(Answer):
    """A moment of a call."""

    event = text("answered")
    user_id = uid(ADA, null=True)
    detail = anything({"via": "socket"}, null=True)
    created_at = moment()


class LedgerEntry(Answer):
    """A movement of coins that the call caused."""

    id = uid()
    user_id = uid(BEN)
    transaction_type = text("spend")
    signed_amount = whole(-50)
    balance_after = whole(100)
    description = text("Video call", null=True)
    created_at = moment()


class Explained(Answer):
    """One call with its timeline and every entry it caused."""

    call = one(ExplainedCall)
    timeline = many(CallEvent)
    entries = many(LedgerEntry)


class LedgerProof(Answer):
    """Whether every balance is the sum of its entries and every call conserves its coins."""

    holds = flag(True)
    users = whole(1250)
    entries = whole(48_210)
    drifting_users = many(anything({"userId": ADA}))
    faulty_calls = many(anything({"callId": CALL}))


class AuditEntry(Answer):
    """Who did what to whom, and why."""

    id = whole(42)
    actor_id = uid(BEN, null=True)
    actor_name = text("Ben Okafor", null=True)
    operator = text(None, null=True, about="Who sat at the command line.")
    action = text("user.suspended")
    target_type = text("user", null=True)
    target_id = uid(ADA, null=True)
    target_key = text(None, null=True, about="Of what has no id of its own.")
    reason = text("Harassment", null=True)
    before = anything({"status": "active"}, null=True)
    after = anything({"status": "suspended"}, null=True)
    request_id = text("req_01jd9z6t", null=True)
    created_at = moment()


class Audit(Answer):
    """A page of the audit log."""

    entries = many(AuditEntry)
    pagination = one(Pagination)


class Purchase(Answer):
    """A purchase as an operator needs it."""

    id = uid()
    user_id = uid(BEN)
    package_id = uid(null=True)
    coins = whole(50)
    price = number(4.99)
    currency = text("usd")
    provider = text("stripe")
    provider_id = text(INTENT, null=True)
    status = text("paid")
    coins_taken_back = whole(0)
    paid_at = moment(null=True)
    created_at = moment()


class Purchases(Answer):
    """A page of purchases."""

    purchases = many(Purchase)
    pagination = one(Pagination)


class Refund(Answer):
    """The refund at the provider; the coins follow with its news."""

    purchase_id = uid()
    refund_id = text("re_3OYkJ2K9")


REASON = {"reason": "Harassment in three reports"}
STATE = "USER_NOT_FOUND INVALID_USER_STATE"

OPERATIONS = {
    "POST /api/admin/auth/login": Operation(
        "Sign in as staff", "Login successful", StaffToken,
        "PHONE_INVALID OTP_INVALID OTP_LOCKED STAFF_ONLY",
        "A fresh code of `POST /api/auth/send-otp`; the token serves `/api/admin` only.",
        body={"phoneNumber": PHONE, "otpCode": "123456"},
    ),
    "POST /api/admin/auth/logout": Operation("Leave", "Logged out successfully"),
    "GET /api/admin/reports": Operation("The reports", "Reports retrieved successfully", Reports),
    "PUT /api/admin/reports/{report_id}": Operation(
        "Decide a report", "Report status updated successfully", None,
        "REPORT_NOT_FOUND REPORT_DECIDED USER_NOT_FOUND INVALID_USER_STATE",
        "`version`, where given, must be the one that was read: nobody decides over somebody else's "
        "decision.",
        body={"status": "resolved", "adminNotes": "User has been warned", "action": "warn", "version": 1},
    ),
    "GET /api/admin/reports/{report_id}": Operation(
        "A report in its context", "Report retrieved successfully", ReportInContext, "REPORT_NOT_FOUND"
    ),
    "GET /api/admin/reports/{report_id}/messages": Operation(
        "What the two had written", "Messages retrieved successfully", KeptMessages, "REPORT_NOT_FOUND",
        "Whoever reads them leaves a trail in the audit log.",
    ),
    "GET /api/admin/statistics/days": Operation(
        "Days", "Daily statistics retrieved successfully", Days, about="Counted at most once a minute."
    ),
    "GET /api/admin/statistics": Operation(
        "Totals", "System statistics retrieved successfully", Statistics
    ),
    "GET /api/admin/users/{user_id}": Operation(
        "Somebody and their history", "User retrieved successfully", OnePerson, "USER_NOT_FOUND"
    ),
    "GET /api/admin/users": Operation("Find people", "Users retrieved successfully", Users),
    "POST /api/admin/users/{user_id}/suspend": Operation(
        "Suspend somebody", "User updated", UserState, STATE, body={**REASON, "days": 7}
    ),
    "POST /api/admin/users/{user_id}/ban": Operation(
        "Ban somebody", "User updated", UserState, STATE, body=REASON
    ),
    "POST /api/admin/users/{user_id}/unban": Operation(
        "Let somebody back in", "User updated", UserState, STATE, body=REASON
    ),
    "POST /api/admin/users/{user_id}/verify": Operation(
        "Verify somebody", "User verified", UserVerified, STATE, body=REASON
    ),
    "POST /api/admin/coins/adjust": Operation(
        "Coins by hand", "Coins adjusted", Adjusted, "USER_NOT_FOUND INSUFFICIENT_COINS",
        "Once per reference.",
        body={"userId": ADA, "amount": 50, "reason": "goodwill", "note": "Lost a call", "referenceId": ANY},
    ),
    "GET /api/admin/calls/live": Operation("Calls now", "Live calls retrieved successfully", LiveCalls),
    "GET /api/admin/calls/{call_id}": Operation(
        "Explain a call", "Call retrieved successfully", Explained, "CALL_NOT_FOUND"
    ),
    "GET /api/admin/ledger/audit": Operation("Prove the ledger", "Ledger audited", LedgerProof),
    "GET /api/admin/audit-log": Operation("Who did what", "Audit log retrieved successfully", Audit),
    "GET /api/admin/purchases": Operation("The purchases", "Purchases retrieved successfully", Purchases),
    "POST /api/admin/purchases/{purchase_id}/refund": Operation(
        "Send money back", "Refund requested", Refund,
        "PURCHASE_NOT_FOUND PURCHASE_NOT_REFUNDABLE PAYMENT_PROVIDER_UNAVAILABLE",
        "Once however often it is asked for; the coins follow with the provider's news.", body=REASON,
    ),
}  # fmt: skip
