"""What is wrong with settings that each could be read: contradictions, and what production does not allow."""

import ipaddress
import json
import re
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlsplit

SHORTEST_SECRET = 32
MOST_WORKERS = 64
#: How the secrets of config/development.toml and config/test.toml begin: everybody knows them.
KNOWN_TO_ALL = ("development-only", "test-only")
#: Production does not start without a value for these.
NEEDED = (
    "database_url",
    "redis_url",
    "public_base_url",
    "whatsapp_access_token",
    "whatsapp_phone_number_id",
    "whatsapp_webhook_verify_token",
    "whatsapp_app_secret",
    "stripe_secret_key",
    "stripe_webhook_secret",
)
#: What providers and we prove ourselves to each other with.
SIGNED_WITH = (
    "stripe_secret_key",
    "stripe_webhook_secret",
    "whatsapp_webhook_verify_token",
    "whatsapp_app_secret",
)
#: What leaves the house with a secret, or comes in as proof, travels encrypted.
ENCRYPTED = ("whatsapp_api_base_url", "stripe_api_base", "admob_keys_url", "fcm_api_base_url")
#: The same, where there is one: without, Amazon's own are.
ENCRYPTED_IF_SET = ("aws_endpoint_url_sns", "aws_endpoint_url_ses")

#: What is read of a service account's key.
ACCOUNT_FIELDS = ("project_id", "client_email", "private_key_id", "private_key", "token_uri")

_TEST_NUMBER = re.compile(r"(?P<number>\+[1-9]\d{7,14})=(?P<code>\d{6})@(?P<day>\d{4}-\d\d-\d\d)", re.ASCII)


def keyed(text: str) -> list[tuple[str, str]]:
    """The comma-separated `kid:secret` items in their order; one without a kid has the kid 0."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    return [(kid, secret) if secret else ("0", kid) for kid, _, secret in (i.partition(":") for i in items)]


def read_test_numbers(text: str) -> dict[str, tuple[str, date]]:
    numbers = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _TEST_NUMBER.fullmatch(item)
        if match is None:
            raise ValueError("takes +number=six digits@last day, such as +15550100=123456@2027-01-31")
        numbers[match["number"]] = (match["code"], date.fromisoformat(match["day"]))
    return numbers


def read_account(text: str) -> dict[str, str]:
    """The fields of a service account's JSON key; raises ValueError, also for a private key that is none."""
    # Imported where it is wanted: most commands read settings and no keys.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = json.loads(text)
    if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in ACCOUNT_FIELDS):
        raise ValueError("fields are missing")
    private = load_pem_private_key(key["private_key"].encode(), None)
    if not isinstance(private, RSAPrivateKey) or not urlsplit(key["token_uri"]).netloc:
        raise ValueError("not an RSA key, or no address to prove it at")
    return {name: key[name] for name in ACCOUNT_FIELDS}


def contradictions(values: dict[str, Any]) -> list[str]:
    kids = [kid for kid, _ in keyed(values["jwt_secret"])]
    is_metered, is_wall = values["call_billing"] == "metered", values["call_meter"] == "wallclock"
    has_half_a_pair = bool(values["webrtc_turn_username"]) != bool(values["webrtc_turn_credential"])
    has_half_a_key = bool(values["aws_access_key_id"]) != bool(values["aws_secret_access_key"])
    faults = {
        "JWT_SECRET is required": not kids,
        "JWT_SECRET gives two secrets the same key id": len(set(kids)) < len(kids),
        "WORKERS must be between 1 and 64": not 1 <= values["workers"] <= MOST_WORKERS,
        "OPS_PORT leaves no ports for so many WORKERS": values["ops_port"] + values["workers"] > 65_536,
        "RTC_UDP_PORT leaves no ports for so many WORKERS": values["rtc_udp_port"] + values["workers"]
        > 65_536,
        "DATABASE_POOL_MAX must be at least 1": values["database_pool_max"] < 1,
        "SUPER_LOVER_SHARE must be between 0 and 1": values["super_lover_share"] > 1,
        "CALL_METER=wallclock cannot be combined with CALL_BILLING=metered": is_metered and is_wall,
        "S3_BUCKET is required with STORAGE=s3": values["storage"] == "s3" and not values["s3_bucket"],
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together": has_half_a_key,
        "CALL_KEEPER_SECONDS must be more than 0": values["call_keeper_seconds"] <= 0,
        "JOBS_CONCURRENCY must be at least 1": values["jobs_concurrency"] < 1,
        "JOBS_POLL_SECONDS must be more than 0": values["jobs_poll_seconds"] <= 0,
        "SES_SENDER must be an address": bool(values["ses_sender"])
        and not re.fullmatch(r"[^@\s]+@[^@\s]+|[^<>]+ <[^@\s]+@[^@\s]+>", values["ses_sender"]),
        "SMS_STATUS_TOPIC_ARN must begin with arn:": bool(values["sms_status_topic_arn"])
        and not values["sms_status_topic_arn"].startswith("arn:"),
        "FCM_PROJECT_ID needs FCM_CREDENTIALS_FILE": bool(values["fcm_project_id"])
        and not values["fcm_credentials"],
        "AUTH_LOGIN_GRANT_SECONDS must be at most 600": values["auth_login_grant_seconds"] > 600,
        "AD_DAILY_CAP must be at least 1": values["ad_daily_cap"] < 1,
        "STRIPE_CURRENCY must be three small letters": not re.fullmatch(
            "[a-z]{3}", values["stripe_currency"]
        ),
        "WEBRTC_TURN_USERNAME and WEBRTC_TURN_CREDENTIAL go together": has_half_a_pair,
    }
    return [fault for fault, holds in faults.items() if holds] + _unreadable(values)


def _unreadable(values: dict[str, Any]) -> list[str]:
    """Text with a form of its own that is only read much later, by a request."""
    faults = []
    try:
        read_test_numbers(values["otp_test_numbers"])
    except ValueError as error:
        faults.append(f"OTP_TEST_NUMBERS {error}")
    try:
        for network in values["trusted_proxies"]:
            ipaddress.ip_network(network)
    except ValueError:
        faults.append("TRUSTED_PROXIES must be networks, such as 10.0.0.0/8")
    try:
        if values["fcm_credentials"]:
            read_account(values["fcm_credentials"])
    except ValueError:
        faults.append("FCM_CREDENTIALS_FILE must be the JSON key of a service account")
    return faults


def not_for_production(values: dict[str, Any]) -> list[str]:
    """What a laptop may do and a server with real users may not."""
    faults = [f"{name.upper()} is required" for name in NEEDED if not values[name]]
    secrets = {
        "JWT_SECRET": [secret for _, secret in keyed(values["jwt_secret"])],
        "OTP_PEPPER": [values["otp_pepper"]],
    }
    for name, parts in secrets.items():
        if any(len(secret) < SHORTEST_SECRET for secret in parts):
            faults.append(f"{name} is required, with at least {SHORTEST_SECRET} characters per secret")
        elif any(secret.startswith(KNOWN_TO_ALL) for secret in parts):
            faults.append(f"{name} is the secret of an example")
    if values["storage"] == "disk" and not values["media_dir"]:
        faults.append("MEDIA_DIR is required with STORAGE=disk")
    if any("*" in origin for origin in values["cors_origins"]):
        faults.append("CORS_ORIGINS must name its origins, not *")
    faults += [
        f"{name.upper()} must be https"
        for name in (*ENCRYPTED, *(name for name in ENCRYPTED_IF_SET if values[name]))
        if urlsplit(values[name]).scheme != "https"
    ]
    with suppress(ValueError):  # which is a fault of its own
        account = values["fcm_credentials"] and read_account(values["fcm_credentials"])
        if account and urlsplit(account["token_uri"]).scheme != "https":
            faults.append("FCM_CREDENTIALS_FILE must name a token_uri that is https")
    for name in SIGNED_WITH:
        if any(secret.strip().startswith(KNOWN_TO_ALL) for secret in values[name].split(",")):
            faults.append(f"{name.upper()} is the secret of an example")
    if values["ads_trust_mode"] == "client":
        faults.append("ADS_TRUST_MODE=client is for development")
    if values["ws_allow_query_token"]:
        faults.append("WS_ALLOW_QUERY_TOKEN is a development switch")
    if not values["rate_limits"]:
        faults.append("RATE_LIMITS=off is for development and tests")
    return faults
